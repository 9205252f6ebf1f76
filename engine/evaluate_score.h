// evaluate_score.h - how far a model's answers are from what happened.
#ifndef PREDICTOR_ENGINE_EVALUATE_SCORE_H
#define PREDICTOR_ENGINE_EVALUATE_SCORE_H

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/model/model.h"
#include "plan/predict.h"

namespace predictor::engine {

struct TestPlan {
  OwnedRecord asked;   // without actuals: what the model sees
  OwnedRecord actual;  // what happened, read to score and for nothing else
  std::string group;
};

// A model's answer for one test plan.
struct Answer {
  PlanPrediction plan;
  std::vector<NodePrediction> nodes;
  double microseconds = 0;      // of predicting, features included
  std::vector<double> members;  // in the order of member_names(): ms; empty if there are none
};

// What a bundle of template tree can be asked for besides its answer: one member of the fusion
// alone, or the fusion without one.
const std::vector<std::string>& member_names();

struct ErrorSummary {
  QError q;
  double mre = 0;  // mean of |predicted - actual| / actual
};

inline constexpr double kNominalCoverage = 0.9;

struct Evaluation {
  std::string model;
  std::string device;
  size_t train_plans = 0;
  size_t test_plans = 0;  // asked, the timed-out ones among them
  double train_seconds = 0;
  double peak_memory_mb = 0;  // of the process until the end of the training, traces included
  ErrorSummary total_time;    // of the plans that ran to their end
  std::optional<ErrorSummary> node_time;  // nothing where no operator was timed
  std::optional<ErrorSummary> rows;       // of executed operators, per loop, floored at one row
  double group_q50_mean = 0;              // mean over groups of their median q-error
  size_t groups = 0;
  size_t censored = 0, censored_below = 0;  // timed out; predicted under their elapsed time
  double coverage = 0, coverage_low = 0, coverage_high = 0;
  double median_width = 0;  // of the interval, as high / low
  double predict_p50_us = 0, predict_p99_us = 0;
  double predict_ten_nodes_us = 0;  // median, for each ten nodes of a plan
  size_t sources[3] = {};           // answers by Source
  size_t out_of_distribution = 0;
  double strangeness = 0;             // mean over the answers
  std::vector<ErrorSummary> members;  // in the order of member_names()
};

// Fills everything but the facts of training. `seed` drives the bootstrap of the coverage: groups
// are drawn with replacement, and 95 % of the draws lie between coverage_low and coverage_high.
void score(std::span<const TestPlan> test, std::span<const Answer> answers, uint64_t seed,
           Evaluation& out);

// The object that `--json` prints, in one line; and the table for people.
std::string evaluation_json(const Evaluation& evaluation);
std::string evaluation_table(std::span<const Evaluation> evaluations);

}  // namespace predictor::engine

#endif
