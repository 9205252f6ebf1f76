// operator_costs.h - learns the prices of plan/operator_costs.h.
//
// ln of a node's own wall-clock time is fitted by ln of the sum of price * input, at the rows and
// loops that were counted; where nodes were not timed, the statement's time by the sum over its
// nodes. Each operator's price is exp(common price + its own deviation), and deviations are held
// small, so that an operator met in few queries costs what others do. All queries count alike,
// whatever their number of executions. Deterministic for a seed.
#ifndef PREDICTOR_ENGINE_MODEL_OPERATOR_COSTS_H
#define PREDICTOR_ENGINE_MODEL_OPERATOR_COSTS_H

#include <functional>
#include <span>
#include <vector>

#include "engine/model/dataset.h"

namespace predictor::engine {

// `shift[i]` is what its instrumentation added to ln ms of plans[i]. `check` is called often, and
// may end the work by throwing. Returns what write_operator_costs() takes; empty if no plan can be
// learned from.
std::vector<float> fit_operator_costs(std::span<const OwnedRecord> records, const Dataset& data,
                                      std::span<const int> plans, std::span<const float> shift,
                                      uint64_t seed, const std::function<void()>& check);

// For each of `plans` ln ms of the whole statement, at the planner's rows, by prices that were
// fitted without its query: what prices are worth for queries never seen. NaN where there are too
// few queries to withhold any.
std::vector<float> withheld_operator_times(std::span<const OwnedRecord> records,
                                           const Dataset& data, std::span<const int> plans,
                                           std::span<const float> shift, uint64_t seed,
                                           const std::function<void()>& check);

}  // namespace predictor::engine

#endif
