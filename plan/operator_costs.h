// operator_costs.h - what operators cost on this machine: prices that training has learned for a
// few things that each operator does, in place of those that the planner's settings assume.
//
// It answers for plans unlike any that were trained on, where a network or a forest has nothing to
// go by: prices of operators hold for new statements, too (after Akdere et al., "Learning-based
// Query Performance Modeling and Prediction", ICDE 2012). They are learned from executions at the
// rows that were counted, and asked at the rows that are expected.
#ifndef PREDICTOR_PLAN_OPERATOR_COSTS_H
#define PREDICTOR_PLAN_OPERATOR_COSTS_H

#include <cstddef>
#include <span>
#include <vector>

#include "plan/features.h"

namespace predictor {

inline constexpr uint32_t kOperatorCostsVersion = 1;

// What is paid for, of one node in one process of the whole statement.
enum OperatorInput : int {
  kInputCost,    // the planner's cost of the node itself
  kInputRowsIn,  // of all children but InitPlans
  kInputRowsOut,
  kInputLoops,
  kInputBytesOut,  // rows * width
  kInputSort,      // rows in * log2(rows in) of sorts, else 0
  kOperatorInputCount
};

// Aggregates differ by strategy, so each of those has a row of its own behind the operators'.
inline constexpr int kOperatorCostRows = PREDICTOR_OPERATOR_COUNT + PREDICTOR_STRATEGY_MIXED + 1;
int operator_cost_row(const PredictorNode& node);

// Loops and rows of a node for operator_inputs(), in one process; loops may be 0.
struct NodeFlow {
  double loops;
  double rows;  // per loop
};

// What the planner expects of a node, and of a Limit above it.
inline NodeFlow planned_flow(const PredictorNode& node, const NodePlace& place) {
  return {place.loops * place.fraction, node.plan_rows > 0 ? node.plan_rows : 0};
}

// Fills inputs[nodes][kOperatorInputCount]. `flow` is what happens, or is expected to: a node's
// rows and how often it runs. A Limit's `fraction` is for the caller to take account of, in the
// loops.
void operator_inputs(const PredictorRecord& record, const NodePlace* places, const NodeFlow* flow,
                     float* inputs);

// The content of a section: prices[kOperatorCostRows][kOperatorInputCount] in ms.
std::vector<std::byte> write_operator_costs(std::span<const float> prices);

// A view of such a section.
class OperatorCosts {
 public:
  // False if the size is another or a price is no finite number of at least 0.
  bool open(std::span<const std::byte> content);
  bool is_open() const { return prices_ != nullptr; }

  // Fills log_total[nodes]: ln ms of a node with all below it over all its loops, in one process.
  // `inputs` as operator_inputs() fills them.
  void compose(const PredictorRecord& record, const float* inputs, float* log_total) const;

 private:
  const float* prices_ = nullptr;
};

}  // namespace predictor

#endif
