// Prices of operators are learned from some queries and hold for others.
#include "engine/model/operator_costs.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "engine/model/test_workload.h"
#include "plan/operator_costs.h"

namespace predictor::engine {
namespace {

// The planner expects just what comes, so that prices alone decide.
std::vector<OwnedRecord> well_planned(uint32_t seed, int queries, int executions, bool timers) {
  test::Workload workload(seed);
  std::vector<OwnedRecord> records;
  for (int e = 0; e < executions; e++)
    for (int q = 0; q < queries; q++) {
      records.push_back(workload.execute(q, timers));
      for (PredictorNode& n : records.back().nodes) n.plan_rows = n.actual_rows;
    }
  return records;
}

// The median over `records` of |ln(predicted / actual)|, each predicted without its query.
double withheld_error(const std::vector<OwnedRecord>& records) {
  const Dataset data = encode_dataset(records);
  std::vector<int> plans(static_cast<size_t>(data.plans()));
  std::iota(plans.begin(), plans.end(), 0);
  const std::vector<float> shift(plans.size(), 0.0f);
  const auto answers = withheld_operator_times(records, data, plans, shift, 1, [] {});
  std::vector<double> errors;
  for (size_t i = 0; i < plans.size(); i++) errors.push_back(std::abs(answers[i] - data.log_ms[i]));
  std::nth_element(errors.begin(), errors.begin() + errors.size() / 2, errors.end());
  return errors[errors.size() / 2];
}

TEST(OperatorPrices, hold_for_queries_that_were_withheld) {
  EXPECT_LT(withheld_error(well_planned(31, 16, 4, true)), std::log(1.3));
}

TEST(OperatorPrices, can_be_learned_from_whole_statements) {
  EXPECT_LT(withheld_error(well_planned(32, 16, 4, false)), std::log(1.5));
}

TEST(OperatorPrices, cannot_be_learned_from_times_of_others) {
  auto records = well_planned(33, 16, 4, false);
  std::mt19937 random(4);
  auto times = records;
  std::shuffle(times.begin(), times.end(), random);
  for (size_t i = 0; i < records.size(); i++)
    records[i].statement.total_time = times[i].statement.total_time;
  EXPECT_GT(withheld_error(records), std::log(1.8));
}

TEST(OperatorPrices, nothing_to_learn_from_is_no_model) {
  auto records = well_planned(34, 3, 4, true);
  for (OwnedRecord& r : records) r.statement.flags |= PREDICTOR_STATEMENT_TIMED_OUT;
  const Dataset data = encode_dataset(records);
  std::vector<int> plans(static_cast<size_t>(data.plans()));
  std::iota(plans.begin(), plans.end(), 0);
  EXPECT_TRUE(fit_operator_costs(records, data, plans, {}, 1, [] {}).empty());
}

}  // namespace
}  // namespace predictor::engine
