// judge.h - champion against challenger: two models predict the same executions, which the training
// of neither has seen, and their errors are compared.
//
// Executions of one query err together, so the comparison is by a bootstrap over queries (Efron and
// Tibshirani, An Introduction to the Bootstrap, 1993, chapter 8 for data in clusters): queries are
// drawn with replacement, each with all of its executions, and the ratio of the two models'
// q-errors is computed anew. What holds in 95 % of the draws is called so.
#ifndef PREDICTOR_PLAN_JUDGE_H
#define PREDICTOR_PLAN_JUDGE_H

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "plan/predict.h"

namespace predictor {

inline constexpr int kJudgedSources = 8;

// Of one model on one hold-out. q-errors of total time; 0 where nothing could be compared.
struct Score {
  double q50 = 0, q95 = 0;
  double node_q50 = 0, node_q95 = 0;  // of each timed node's total
  // Per source of the answer: executions that ended, and those of them inside the 90 % interval.
  std::array<uint64_t, kJudgedSources> answered{}, inside{};
};

// ln of challenger's q-error / champion's, and its 95 % interval: below 0 the challenger is better.
struct Difference {
  double value = 0, low = 0, high = 0;
};

struct Comparison {
  uint64_t statements = 0, queries = 0, nodes = 0;
  Score champion, challenger;
  Difference q50, q95;
  // Worse: one of the two differences is surely more than 2 % above 0. Better: not worse, and one
  // of them is surely below 0. Neither is ever true with fewer statements or queries than these:
  bool is_better = false, is_worse = false;
};

inline constexpr uint64_t kLeastStatements = 20;
inline constexpr uint64_t kLeastQueries = 5;

// `records` are encoded records, one behind the other, without a stream's header. Those that cannot
// be decoded, or say nothing of time, are passed over. If at least kLeastStatements of them ran
// without timers, only those count for the total time, since timers inflate what they measure. Of a
// cancelled execution only an answer below what it took is an error.
Comparison compare(const Model& champion, const Model& challenger,
                   std::span<const std::byte> records, uint64_t seed);

}  // namespace predictor

#endif
