// calibrate.h - from withheld executions to weights and intervals. No Torch in here.
#ifndef PREDICTOR_ENGINE_MODEL_CALIBRATE_H
#define PREDICTOR_ENGINE_MODEL_CALIBRATE_H

#include <cstdint>
#include <span>
#include <vector>

#include "engine/model/dataset.h"
#include "plan/calibration.h"
#include "plan/network.h"
#include "plan/predict.h"

namespace predictor::engine {

// One withheld execution with what a network that has not seen it answers.
struct Withheld {
  int plan = 0;
  Familiarity familiarity = kUnseen;
  uint64_t group = 0;     // counts once in choices, however many executions it has
  double log_cost = 0;    // ln of the calibrated cost
  double log_ms = 0;      // measured, less what instrumentation added
  bool censored = false;  // log_ms is a lower bound
  bool timed = false;     // nodes had timers: what they added is known no better than learned
  NetworkTime network{};
  bool has_network = false;  // a bundle without one is a model too

  const NetworkTime* network_or_null() const { return has_network ? &network : nullptr; }
};

Withheld evaluate_withheld(const Model& model, const OwnedRecord& record, const Dataset& data,
                           int plan, float shift);

// The blend that errs least on these executions, its offsets still 0. More of the network is taken
// only if that is better by `protect` (in mean |ln error|); `otherwise` where there are too few to
// say. `cautious` takes the least of the network that is within one standard error of the best
// (Breiman et al., Classification and Regression Trees, 1984, section 3.4.3): for what comes from
// elsewhere than the withheld executions did.
Blend choose_blend(std::span<const Withheld> withheld, const Blend& otherwise, double protect,
                   bool cautious);

// The part of the operators' prices in the base that errs least by itself.
Blend choose_operators(std::span<const Withheld> withheld, Blend blend);

// The part of the forest that makes `blend` err least, by the same measures.
Blend choose_forest(std::span<const Withheld> withheld, Blend blend, bool cautious);

// How far the plan cache can be trusted: `usual`, and another trust only where that is better by
// more than three standard errors on what was in it.
Blend choose_cache(std::span<const Withheld> withheld, Blend blend, double usual);

// Network and forest together, for plans of queries that training met: weights that few withheld
// queries choose are worse than fixed ones (the "forecast combination puzzle"; Smith and Wallis,
// Oxford Bulletin of Economics and Statistics, 2009). The whole network, and up to three quarters
// of the forest: half of that where the spread that the network gives its answer is `width` times
// what it mostly is on these.
// Another blend, `chosen` on them, only if that is better by more than three standard errors.
Blend fixed_fusion(std::span<const Withheld> withheld, const Blend& chosen, double width);

// Adds the offsets that make the 90 % interval hold on these executions (5 % beyond either side);
// with few executions they reach further than any of them did. Where enough ran without timers, as
// what is predicted does, these alone count. What serves is taken to err by `err` times what these
// say.
Blend calibrate_interval(std::span<const Withheld> withheld, Blend blend, double err = 1);

// The same for executions of groups never seen, which err together: the interval also holds the
// middle of nine groups of ten.
Blend calibrate_for_groups(std::span<const Withheld> withheld, const Blend& blend);

// Part of the uncensored executions inside the interval, each half calibrated on the other.
double measure_coverage(std::span<const Withheld> withheld, const Blend& blend);

}  // namespace predictor::engine

#endif
