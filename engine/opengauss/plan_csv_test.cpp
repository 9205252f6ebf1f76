#include "engine/opengauss/plan_csv.h"

#include <gtest/gtest.h>

#include <string>

namespace predictor::engine::opengauss {
namespace {

std::string line(int64_t query, int id, int parent, const std::string& encoding = "1.000 0 1 ",
                 const std::string& labels = "0, 12, 3, 1") {
  return std::to_string(query) + ", " + std::to_string(id) + ", " + std::to_string(parent) + ", " +
         encoding + ", " + labels + "\n";
}

std::string problem(const std::string& text) {
  const Result<PlanCsv> csv = parse_plan_csv(text);
  return csv ? "none" : csv.error().message;
}

TEST(PlanCsv, plans_are_put_into_pre_order) {
  const Result<PlanCsv> csv =
      parse_plan_csv(line(7, 3, 1, "0.500 0 0 ") + line(-8, 1, 0) + line(7, 2, 1) + line(7, 4, 2) +
                     line(7, 1, 0, "1.000 1 1 ", "-1, -1, -1, -1"));
  ASSERT_TRUE(csv) << csv.error().message;
  EXPECT_EQ(csv.value().feature_count, 3);
  EXPECT_EQ(csv.value().node_count(), 5U);
  ASSERT_EQ(csv.value().queries.size(), 2U);
  const auto& nodes = csv.value().queries[0].nodes;
  ASSERT_EQ(nodes.size(), 4U);
  EXPECT_EQ(nodes[0].id, 1U);
  EXPECT_EQ(nodes[1].id, 2U);
  EXPECT_EQ(nodes[2].id, 4U);
  EXPECT_EQ(nodes[3].id, 3U);
  EXPECT_EQ(nodes[0].parent, -1);
  EXPECT_EQ(nodes[2].parent, 1);
  EXPECT_EQ(nodes[3].parent, 0);
  EXPECT_EQ(csv.value().features[nodes[3].features], 0.5F);
  EXPECT_EQ(nodes[0].labels[1], -1);
  EXPECT_EQ(nodes[3].labels[1], 12);
  EXPECT_EQ(csv.value().queries[1].id, -8);
}

TEST(PlanCsv, the_kernels_query_ids_are_64_bits_of_either_sign) {
  const Result<PlanCsv> csv =
      parse_plan_csv("18446744073709551615, 1, 0, 1 0 , -1, -1, -1, -1\n" + line(-1, 2, 1, "0 1 "));
  ASSERT_TRUE(csv) << csv.error().message;
  EXPECT_EQ(csv.value().queries.size(), 1U);
}

TEST(PlanCsv, nodes_of_init_plans_may_have_no_id) {
  const Result<PlanCsv> csv = parse_plan_csv(line(1, 1, 0) + line(1, 0, 0) + line(1, 0, 0));
  ASSERT_TRUE(csv) << csv.error().message;
  EXPECT_EQ(csv.value().queries[0].nodes.size(), 3U);
}

TEST(PlanCsv, a_dop_of_zero_is_no_infinity) {
  const Result<PlanCsv> csv = parse_plan_csv(line(1, 1, 0, "inf 0 1 "));
  ASSERT_TRUE(csv) << csv.error().message;
  EXPECT_EQ(csv.value().features[0], 1.0F);
}

TEST(PlanCsv, what_is_wrong_is_named_with_its_line) {
  const std::string good = line(1, 1, 0);
  EXPECT_EQ(problem(""), "the file has no line");
  EXPECT_EQ(problem("\n\n"), "the file has no line");
  EXPECT_EQ(problem(good + "1, 2, 1, 1 0 1 , 0, 0, 0\n"), "line 2: it has 7 fields instead of 8");
  EXPECT_EQ(problem(good + "1, 2, 1, 1 0 1 , 0, 0, 0, 0, 0\n"),
            "line 2: it has 9 fields instead of 8");
  EXPECT_EQ(problem("x" + good), "line 1: its query id is no whole number");
  EXPECT_EQ(problem(good + line(1, -2, 1)),
            "line 2: its node ids must be whole numbers up to 100000");
  EXPECT_EQ(problem(good + line(1, 100001, 1)),
            "line 2: its node ids must be whole numbers up to 100000");
  EXPECT_EQ(problem(line(1, 1, 0, "1 0 1 ", "0, nan, 0, 0")),
            "line 1: its times, rows and memory must be finite numbers");
  EXPECT_EQ(problem(line(1, 1, 0, "1 0 1 ", "0, 1e999, 0, 0")),
            "line 1: its times, rows and memory must be finite numbers");
  const std::string encoding = "its encoding must be up to 1024 numbers with one space between two";
  EXPECT_EQ(problem(line(1, 1, 0, "1 nan 0 ")), "line 1: " + encoding);
  EXPECT_EQ(problem(line(1, 1, 0, "1 x 0 ")), "line 1: " + encoding);
  EXPECT_EQ(problem(line(1, 1, 0, "1  0 ")), "line 1: " + encoding);
  std::string long_encoding;
  for (int i = 0; i < 2000; i++) long_encoding += "0 ";
  EXPECT_EQ(problem(line(1, 1, 0, long_encoding)), "line 1: " + encoding);
  EXPECT_EQ(problem(good + line(1, 2, 1, "1 0 ")),
            "line 2: its encoding has 2 numbers, the first has 3");
  EXPECT_EQ(problem(line(1, 1, 0, "")), "line 1: its encoding has 0 numbers, the first has 0");
}

TEST(PlanCsv, what_is_no_tree_is_named) {
  EXPECT_EQ(problem(line(1, 1, 0) + line(1, 1, 0)), "line 2: node 1 of its query is there twice");
  EXPECT_EQ(problem(line(1, 1, 0) + line(1, 2, 7)), "line 2: its parent, node 7, is not there");
  EXPECT_EQ(problem(line(1, 1, 0) + line(1, 2, 3) + line(1, 3, 2)),
            "line 2: its node is among its own ancestors");
  EXPECT_EQ(problem(line(1, 1, 1)), "line 1: its node is among its own ancestors");
}

TEST(PlanCsv, binary_content_is_refused) {
  std::string binary;
  for (int i = 0; i < 4096; i++) binary += static_cast<char>(i * 31 + i / 256);
  EXPECT_NE(problem(binary), "none");
  EXPECT_NE(problem(std::string(1 << 20, ',')), "none");
}

TEST(PlanCsv, a_query_has_bounded_nodes) {
  std::string text;
  for (int i = 1; i <= 10001; i++) text += line(1, i, i - 1);
  EXPECT_EQ(problem(text), "line 10001: its query has more than 10000 nodes");
}

}  // namespace
}  // namespace predictor::engine::opengauss
