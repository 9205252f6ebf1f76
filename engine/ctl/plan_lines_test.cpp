#include "engine/ctl/plan_lines.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>
#include <vector>

namespace predictor::engine::ctl {
namespace {

struct Found {
  std::vector<nlohmann::json> plans;
  std::vector<size_t> lines;
  std::vector<size_t> bad;
};

Found find(const std::string& text) {
  Found found;
  PlanFinder finder(
      [&](const std::string& plan, size_t line) {
        found.plans.push_back(nlohmann::json::parse(plan));
        found.lines.push_back(line);
      },
      [&](const std::string&, size_t line) { found.bad.push_back(line); });
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) finder.line(line);
  finder.finish();
  return found;
}

double time_of(const Found& found, size_t i) { return found.plans.at(i).at("Execution Time"); }

TEST(PlanLines, trace_lines) {
  Found found = find(R"({"Plan": {"Node Type": "Result"}, "Execution Time": 1.5}

{"Plan": {"Node Type": "Result"}, "Execution Time": 2.5, "Group": "g"}
)");
  ASSERT_EQ(found.plans.size(), 2u);
  EXPECT_EQ(time_of(found, 1), 2.5);
  EXPECT_EQ(found.lines, (std::vector<size_t>{1, 3}));
}

TEST(PlanLines, explain_output_over_many_lines_also_as_psql_prints_it) {
  Found found = find(R"x([
  {
    "Plan": {
      "Node Type": "Seq Scan", "Filter": "(name = 'a ] } b')"
    },
    "Execution Time": 3.5
}
]
             QUERY PLAN
-------------------------------------
 [                                  +
   {                                +
     "Plan": {"Node Type": "Result"},+
     "Execution Time": 4.5          +
   }                                +
 ]
(1 row)
)x");
  ASSERT_EQ(found.plans.size(), 2u);
  EXPECT_EQ(time_of(found, 0), 3.5);
  EXPECT_EQ(time_of(found, 1), 4.5);
  EXPECT_TRUE(found.bad.empty());
}

TEST(PlanLines, auto_explain_in_the_log_on_stderr) {
  Found found = find(
      "2026-01-01 00:00:00.000 UTC [1] LOG:  database system is ready\n"
      "[1234] LOG:  statement: SELECT 1\n"
      "2026-01-01 00:00:01.000 UTC [2] LOG:  duration: 12.345 ms  plan:\n"
      "\t{\n\t  \"Query Text\": \"SELECT 'secret'\",\n"
      "\t  \"Plan\": {\"Node Type\": \"Result\"}\n\t}\n"
      "2026-01-01 00:00:02.000 UTC [1] LOG:  shutting down\n");
  ASSERT_EQ(found.plans.size(), 1u);
  EXPECT_EQ(time_of(found, 0), 12.345);
  EXPECT_FALSE(found.plans[0].contains("Query Text"));
  EXPECT_TRUE(found.bad.empty());
}

TEST(PlanLines, auto_explain_in_csvlog_and_jsonlog) {
  Found found = find(
      "2026-01-01 00:00:00.000 UTC,\"u\",\"d\",1,\"[local]\",x.1,1,\"SELECT\",2026-01-01 00:00:00 "
      "UTC,3/1,0,LOG,00000,\"duration: 7.5 ms  plan:\n{\n  \"\"Plan\"\": {\"\"Node Type\"\": "
      "\"\"Result\"\"}\n}\",,,,,,,,,\"psql\",\"client backend\",,0\n"
      R"({"timestamp":"2026-01-01 00:00:00.000 UTC","message":"duration: 8.5 ms  plan:\n{\"Plan\": {\"Node Type\": \"Result\"}}"})"
      "\n"
      R"({"timestamp":"2026-01-01 00:00:00.000 UTC","message":"checkpoint starting"})"
      "\n");
  ASSERT_EQ(found.plans.size(), 2u);
  EXPECT_EQ(time_of(found, 0), 7.5);
  EXPECT_EQ(time_of(found, 1), 8.5);
  EXPECT_EQ(found.lines, (std::vector<size_t>{1, 5}));
  EXPECT_TRUE(found.bad.empty());
}

TEST(PlanLines, what_begins_like_a_plan_and_is_none_is_told_with_its_line) {
  Found found = find(
      "{\"Plan\": }\n"
      "{\"Execution Time\": 1}\n"
      "{\"Plan\": {\"Node Type\": \"Result\"}, \"Execution Time\": 1}\n"
      "{\"Plan\": {\n");
  EXPECT_EQ(found.plans.size(), 1u);
  EXPECT_EQ(found.bad, (std::vector<size_t>{1, 2, 4}));
}

}  // namespace
}  // namespace predictor::engine::ctl
