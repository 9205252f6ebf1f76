// calibration.h - what turns a network's answers, or none, into times with an interval.
#ifndef PREDICTOR_PLAN_CALIBRATION_H
#define PREDICTOR_PLAN_CALIBRATION_H

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "plan/known.h"

namespace predictor {

inline constexpr uint32_t kCalibrationVersion = 6;

// The planner's cost as a time: ln ms = intercept + slope * ln cost.
struct CostModel {
  double intercept = 0;
  double slope = 1;

  double log_ms(double cost) const {
    constexpr double kLeastCost = 0.01, kMostCost = 1e30;
    double bounded = cost > kLeastCost ? (cost < kMostCost ? cost : kMostCost) : kLeastCost;
    return intercept + slope * std::log(bounded);
  }
};

// For one familiarity: ln t = (1 - weight) ln base + weight ln composed time + correction * the
// network's correction of it, where the base is the calibrated cost, or what the operators' prices
// say, or between them; and how far the interval reaches beyond the network's own quantiles (split
// conformal, after Romano, Patterson and Candes,
// "Conformalized Quantile Regression", NeurIPS 2019).
//
// The forest's part in the median grows with the variance s^2 that the network gives its own
// answer: forest * s^2 / (s^2 + forest_spread^2), as two witnesses are weighed of which the other's
// variance is forest_spread^2.
struct Blend {
  double weight = 0;  // 0: the base alone
  double correction = 0;
  double low_offset = 0;   // subtracted from the 5 % quantile of ln t
  double high_offset = 0;  // added to the 95 % quantile of ln t
  double forest = 0;       // most that the forest has in the median of network and cost
  double cache = 0;        // least trust in the plan cache: its variance is divided by it; 0: none
  double operators = 0;    // part of the operators' prices in the base; the rest is the cost
  double forest_spread = 0;  // in ln ms; 0: the forest always has its most
};

struct Calibration {
  CostModel cost;
  double log_unit = 0;  // ln ms per unit of cost, for composed times
  Blend blend[kFamiliarityCount];
  uint64_t memory_operators = 0;  // bit per operator whose memory training has seen
  uint64_t key_id = 0;            // key of the constants' hashes; 0: none, they are ignored
};

std::vector<std::byte> write_calibration(const Calibration& calibration);
bool read_calibration(std::span<const std::byte> content, Calibration& calibration);

// The planned memory of a node in kB: its rows, each with a tuple header.
double planned_memory_kb(double rows, double width);

// ln of a distance from the median, from a network's answer; never negative. Float is enough for
// it, and takes a third of the time of double's log1p.
inline double softplus(double x) {
  return x > 20 ? x : std::log(1.0f + std::exp(static_cast<float>(x)));
}

// What a model answers for a plan, in ln ms.
struct LogTime {
  double median, low, high;
  double cache_weight = 0;  // part of the plan cache in the median
};

// What the network says about a time.
struct NetworkTime {
  double log_composed;                         // ln ms
  double correction, low_spread, high_spread;  // answers of the network
  double log_forest = std::nan("");            // ln ms; NaN: there is no forest
  double log_cached = std::nan("");            // ln ms; NaN: not in the plan cache
  double cached_variance = 0;
  double log_operators = std::nan("");  // ln ms; NaN: no prices
};

// Deviations of a normal distribution between its 5 % and its 95 % quantile.
inline constexpr double kQuantileDeviations = 3.29;

// The deviation in ln ms that the network gives its own answer.
inline double predicted_spread(const NetworkTime& network) {
  return (softplus(network.low_spread) + softplus(network.high_spread)) / kQuantileDeviations;
}

// `network` may be null: then the cost alone answers.
LogTime blend_log_time(const Blend& blend, double log_cost, const NetworkTime* network);

}  // namespace predictor

#endif
