#include "plan/features.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "plan/test_plans.h"

namespace predictor {
namespace {

struct Encoded {
  std::vector<NodePlace> places;
  std::vector<NodeFeatures> features;
  explicit Encoded(const OwnedRecord& r) : places(r.nodes.size()), features(r.nodes.size()) {
    encode_features(r.view(), places.data(), features.data());
  }
  float at(int node, NumericFeature k) const { return features[node].numeric[k]; }
};

void expect_equal(const Encoded& a, const Encoded& b) {
  for (size_t i = 0; i < a.features.size(); i++) {
    for (int k = 0; k < kNumericCount; k++)
      EXPECT_EQ(a.features[i].numeric[k], b.features[i].numeric[k]) << i << " " << k;
    for (int k = 0; k < kCategoryCount; k++)
      EXPECT_EQ(a.features[i].category[k], b.features[i].category[k]);
    for (int k = 0; k < kIdentityCount; k++)
      EXPECT_EQ(a.features[i].identity[k], b.features[i].identity[k]);
  }
}

TEST(Features, nothing_of_the_execution_is_read) {
  OwnedRecord before = test::nested_loop_plan(), after = before;
  after.statement.total_time = 1e6;
  after.statement.planning_time = 3;
  after.statement.instrumentation = PREDICTOR_INSTRUMENT_TIMERS;
  after.statement.finished_at = 12345;
  after.statement.flags |= PREDICTOR_STATEMENT_TIMED_OUT;
  for (PredictorNode& n : after.nodes) {
    n.actual_startup = n.actual_total = n.actual_rows = n.actual_loops = n.actual_memory = 1e5;
    n.flags |= PREDICTOR_NODE_ACTUAL_FLAGS;
  }
  expect_equal(Encoded(before), Encoded(after));
}

TEST(Features, any_record_gives_finite_numbers_and_known_rows) {
  std::mt19937 random(5);
  for (int round = 0; round < 300; round++) {
    OwnedRecord r = test::random_plan(random, 1 + static_cast<int>(random() % 30));
    Encoded e(r);
    for (size_t i = 0; i < r.nodes.size(); i++) {
      for (int k = 0; k < kNumericCount; k++)
        ASSERT_TRUE(std::isfinite(e.features[i].numeric[k])) << k;
      for (uint16_t row : e.features[i].category) ASSERT_LT(row, kCategoryRows);
      ASSERT_TRUE(std::isfinite(log_work(e.places[i])));
      ASSERT_GE(e.places[i].loops, 1);
      ASSERT_LT(e.places[i].loops_base, static_cast<int>(i));
      ASSERT_LT(e.places[i].loops_rows, static_cast<int>(i));
    }
  }
}

TEST(Features, inner_side_of_a_nested_loop_runs_once_for_every_outer_row) {
  Encoded e(test::nested_loop_plan());
  EXPECT_EQ(e.places[0].loops, 1);
  EXPECT_EQ(e.places[2].loops, 1);
  EXPECT_EQ(e.places[3].loops, 50);
  EXPECT_EQ(e.places[3].loops_rows, 2);
  EXPECT_EQ(e.places[3].loops_base, 1);
  // The join's own cost is what its children do not explain: 900 - 100 - 50 * 8.
  EXPECT_NEAR(e.at(1, kLogSelfCost), std::log(1 + 400.0), 1e-4);
}

TEST(Features, what_keeps_its_rows_is_read_once) {
  OwnedRecord r = test::nested_loop_plan();
  r.nodes[3] = test::make_node(PREDICTOR_OP_MATERIALIZE, 1, PREDICTOR_REL_INNER, 4, 2);
  r.nodes.push_back(test::make_node(PREDICTOR_OP_SEQ_SCAN, 3, PREDICTOR_REL_OUTER, 3, 2));
  Encoded e(r);
  EXPECT_EQ(e.places[3].loops, 50);
  EXPECT_EQ(e.places[4].loops, 1);
}

TEST(Features, loops_stay_within_what_the_join_pays_for) {
  OwnedRecord r = test::nested_loop_plan();
  r.nodes[2].plan_rows = 1e9;
  Encoded e(r);
  EXPECT_LE(e.places[3].loops * r.nodes[3].total_cost, r.nodes[1].total_cost * 1.001);
}

TEST(Features, initplan_runs_once_wherever_it_hangs) {
  OwnedRecord r = test::nested_loop_plan();
  r.nodes.push_back(test::make_node(PREDICTOR_OP_AGGREGATE, 3, PREDICTOR_REL_INITPLAN, 5, 1));
  EXPECT_EQ(Encoded(r).places[4].loops, 1);
}

TEST(Features, nodes_below_a_gather_know_their_workers) {
  OwnedRecord r = test::nested_loop_plan();
  r.nodes[0].op = PREDICTOR_OP_GATHER;
  r.nodes[0].workers_planned = 3;
  Encoded e(r);
  EXPECT_EQ(e.places[0].workers_above, 0);
  for (int i = 1; i < 4; i++) EXPECT_EQ(e.places[i].workers_above, 3);
  EXPECT_EQ(e.at(3, kUnderGather), 1);
}

TEST(Features, a_limit_leaves_a_part_of_what_does_not_block) {
  OwnedRecord r = test::nested_loop_plan();
  r.nodes[0].op = PREDICTOR_OP_LIMIT;
  r.nodes[0].total_cost = 90;
  Encoded e(r);
  EXPECT_NEAR(e.places[1].fraction, 0.1, 1e-9);
  EXPECT_NEAR(e.places[2].fraction, 0.1, 1e-9);
  r.nodes[1].startup_cost = r.nodes[1].total_cost;  // reads all input before its first row
  EXPECT_EQ(Encoded(r).places[2].fraction, 1);
}

TEST(Features, memory_pressure_compares_kept_rows_with_work_mem) {
  OwnedRecord r = test::nested_loop_plan();
  EXPECT_LT(Encoded(r).at(0, kMemoryPressure), 0);
  r.nodes[0].plan_rows = 1e6;
  EXPECT_GT(Encoded(r).at(0, kMemoryPressure), 0);
  EXPECT_EQ(Encoded(r).at(0, kSpills), 1);
  EXPECT_EQ(Encoded(r).at(1, kMemoryPressure), 0);
}

}  // namespace
}  // namespace predictor
