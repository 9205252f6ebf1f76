#include "plan/operator_costs.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "plan/test_plans.h"

namespace predictor {
namespace {

constexpr size_t kPrices = size_t{kOperatorCostRows} * kOperatorInputCount;

// A Sort over a Hash Join of a scan and a hashed one, and an InitPlan of the Sort's.
struct Plan {
  PredictorNode nodes[6] = {};
  NodePlace places[6] = {};
  NodeFlow flow[6] = {{1, 100}, {1, 100}, {1, 1000}, {1, 10}, {1, 10}, {2, 7}};
  Plan() {
    constexpr int kParents[6] = {-1, 0, 1, 1, 3, 0};
    constexpr int kOperators[6] = {PREDICTOR_OP_SORT, PREDICTOR_OP_HASH_JOIN, PREDICTOR_OP_SEQ_SCAN,
                                   PREDICTOR_OP_HASH, PREDICTOR_OP_SEQ_SCAN,  PREDICTOR_OP_RESULT};
    constexpr double kCosts[6] = {500, 400, 250, 30, 30, 1};
    for (int i = 0; i < 6; i++) {
      nodes[i].op = static_cast<uint16_t>(kOperators[i]);
      nodes[i].parent = kParents[i];
      nodes[i].relationship = PREDICTOR_REL_OUTER;
      nodes[i].total_cost = kCosts[i];
      nodes[i].plan_width = 8;
      if (kParents[i] >= 0) places[kParents[i]].child_cost += kCosts[i];
    }
    nodes[5].relationship = PREDICTOR_REL_INITPLAN;
  }
  PredictorRecord view() {
    PredictorRecord record{};
    record.nodes = nodes;
    record.node_count = 6;
    return record;
  }
};

TEST(OperatorCosts, inputs_are_what_flows_through_a_node) {
  Plan plan;
  float x[6][kOperatorInputCount];
  operator_inputs(plan.view(), plan.places, plan.flow, x[0]);
  EXPECT_FLOAT_EQ(x[0][kInputRowsIn], 100) << "an InitPlan's rows do not flow into the node";
  EXPECT_FLOAT_EQ(x[0][kInputSort], static_cast<float>(100 * std::log2(102.0)));
  EXPECT_FLOAT_EQ(x[0][kInputCost], 500 - 400 - 1);
  EXPECT_FLOAT_EQ(x[1][kInputRowsIn], 1010);
  EXPECT_FLOAT_EQ(x[1][kInputCost], 400 - 250 - 30);
  EXPECT_FLOAT_EQ(x[1][kInputSort], 0);
  EXPECT_FLOAT_EQ(x[2][kInputBytesOut], 8000);
  EXPECT_FLOAT_EQ(x[5][kInputLoops], 2);
  EXPECT_FLOAT_EQ(x[5][kInputRowsOut], 14);
}

TEST(OperatorCosts, times_add_up_from_the_leaves) {
  Plan plan;
  std::vector<float> prices(kPrices, 0.0f);
  auto price = [&prices](int op, int input) -> float& {
    return prices[static_cast<size_t>(op * kOperatorInputCount + input)];
  };
  price(PREDICTOR_OP_SEQ_SCAN, kInputRowsOut) = 0.5f;
  price(PREDICTOR_OP_SORT, kInputRowsIn) = 2.0f;
  const auto section = write_operator_costs(prices);
  OperatorCosts costs;
  ASSERT_TRUE(costs.open(section));
  float x[6][kOperatorInputCount], log_total[6];
  operator_inputs(plan.view(), plan.places, plan.flow, x[0]);
  costs.compose(plan.view(), x[0], log_total);
  EXPECT_NEAR(std::exp(log_total[2]), 500, 0.1);
  EXPECT_NEAR(std::exp(log_total[3]), 5, 0.01);
  EXPECT_NEAR(std::exp(log_total[1]), 505, 0.1);
  EXPECT_NEAR(std::exp(log_total[0]), 705, 0.1);
}

TEST(OperatorCosts, absurd_plans_give_numbers) {
  Plan plan;
  plan.nodes[1].total_cost = std::numeric_limits<double>::quiet_NaN();
  plan.nodes[2].total_cost = std::numeric_limits<double>::infinity();
  plan.flow[2] = {1e300, 1e300};
  const auto section = write_operator_costs(std::vector<float>(kPrices, 1e30f));
  OperatorCosts costs;
  ASSERT_TRUE(costs.open(section));
  float x[6][kOperatorInputCount], log_total[6];
  operator_inputs(plan.view(), plan.places, plan.flow, x[0]);
  costs.compose(plan.view(), x[0], log_total);
  for (float time : log_total) EXPECT_TRUE(std::isfinite(time));
}

TEST(OperatorCosts, sections_that_are_none_are_refused) {
  OperatorCosts costs;
  std::vector<float> prices(kPrices, 1.0f);
  EXPECT_TRUE(costs.open(write_operator_costs(prices)));
  EXPECT_FALSE(costs.open(write_operator_costs(std::span(prices).first(kPrices - 1))));
  prices.push_back(1);
  EXPECT_FALSE(costs.open(write_operator_costs(prices)));
  prices.pop_back();
  for (float wrong : {-1.0f, std::nanf(""), std::numeric_limits<float>::infinity()}) {
    prices[7] = wrong;
    EXPECT_FALSE(costs.open(write_operator_costs(prices)));
  }
}

}  // namespace
}  // namespace predictor
