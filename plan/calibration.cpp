#include "plan/calibration.h"

#include <algorithm>

#include "plan/bundle.h"
#include "plan/network.h"

namespace predictor {
namespace {

// A millionth of a millisecond to a year: outside, something is wrong with the model.
constexpr double kLeastLogMs = -13.8;
constexpr double kMostLogMs = 24.2;

bool is_sane(const Blend& blend) {
  return blend.weight >= 0 && blend.weight <= 1 && blend.correction >= 0 && blend.correction <= 1 &&
         blend.forest >= 0 && blend.forest <= 1 && blend.operators >= 0 && blend.operators <= 1 &&
         blend.cache >= 0 && blend.cache <= 100 && blend.forest_spread >= 0 &&
         std::isfinite(blend.forest_spread) && std::isfinite(blend.low_offset) &&
         std::isfinite(blend.high_offset);
}

// The part of the forest in the median.
double forest_part(const Blend& blend, const NetworkTime& network) {
  if (blend.forest_spread <= 0) return blend.forest;
  const double spread = predicted_spread(network);
  const double variance = spread * spread;
  const double part =
      blend.forest * variance / (variance + blend.forest_spread * blend.forest_spread);
  return std::isfinite(part) ? part : blend.forest;
}

// Two witnesses, weighed by the inverse of their variances, the cached one's divided by `trust`,
// which grows where executions vary no more than the same one does when it is run again: what a
// network adds to that is its error.
void add_cached(double log_cached, double variance, double trust, LogTime& time) {
  constexpr double kLeastSpread = 0.06;  // a network is never surer of itself
  constexpr double kSteady = 0.04, kTrustOfSteady = 4;
  const double excess = variance / (kSteady * kSteady);
  trust += std::max(0.0, kTrustOfSteady - trust) / (1 + excess * excess);
  const double spread = (time.high - time.low) / kQuantileDeviations;
  const double own = spread * spread + kLeastSpread * kLeastSpread;
  const double weight = own / (own + variance / trust);
  const double both = (1 - weight) * (1 - weight) * own + weight * weight * variance;
  const double narrower = std::min(1.0, std::sqrt(both / own));
  const double median = time.median + weight * (log_cached - time.median);
  time = {median, median - narrower * (time.median - time.low),
          median + narrower * (time.high - time.median), weight};
}

}  // namespace

std::vector<std::byte> write_calibration(const Calibration& calibration) {
  SectionWriter out;
  out.put(calibration.cost.intercept);
  out.put(calibration.cost.slope);
  out.put(calibration.log_unit);
  for (const Blend& blend : calibration.blend) {
    out.put(blend.weight);
    out.put(blend.correction);
    out.put(blend.low_offset);
    out.put(blend.high_offset);
    out.put(blend.forest);
    out.put(blend.cache);
    out.put(blend.operators);
    out.put(blend.forest_spread);
  }
  out.put(calibration.memory_operators);
  out.put(calibration.key_id);
  return out.take();
}

bool read_calibration(std::span<const std::byte> content, Calibration& calibration) {
  SectionReader in(content);
  calibration.cost.intercept = in.get<double>();
  calibration.cost.slope = in.get<double>();
  calibration.log_unit = in.get<double>();
  bool sane = std::isfinite(calibration.cost.intercept) && std::isfinite(calibration.cost.slope) &&
              std::isfinite(calibration.log_unit);
  for (Blend& blend : calibration.blend) {
    blend.weight = in.get<double>();
    blend.correction = in.get<double>();
    blend.low_offset = in.get<double>();
    blend.high_offset = in.get<double>();
    blend.forest = in.get<double>();
    blend.cache = in.get<double>();
    blend.operators = in.get<double>();
    blend.forest_spread = in.get<double>();
    sane = sane && is_sane(blend);
  }
  calibration.memory_operators = in.get<uint64_t>();
  calibration.key_id = in.get<uint64_t>();
  return in.finished() && sane;
}

double planned_memory_kb(double rows, double width) {
  constexpr double kTupleHeader = 24;  // MAXALIGN(SizeofHeapTupleHeader)
  double kb = rows * (width + kTupleHeader) / 1024;
  return kb > 0 ? std::min(kb, 1e12) : 0;
}

LogTime blend_log_time(const Blend& blend, double log_cost, const NetworkTime* network) {
  if (network != nullptr && blend.operators > 0 && std::isfinite(network->log_operators))
    log_cost += blend.operators * (network->log_operators - log_cost);
  double median = log_cost, low = log_cost, high = log_cost;
  if (network != nullptr && blend.weight > 0 &&
      std::isfinite(network->log_composed + network->correction + network->low_spread +
                    network->high_spread)) {
    median +=
        blend.weight * (network->log_composed - log_cost) + blend.correction * network->correction;
    low = median - blend.weight * softplus(network->low_spread);
    high = median + blend.weight * softplus(network->high_spread);
  }
  if (network != nullptr && blend.forest > 0 && std::isfinite(network->log_forest)) {
    double shift = forest_part(blend, *network) * (network->log_forest - median);
    median += shift, low += shift, high += shift;
  }
  LogTime log_time{median, low, high};
  if (network != nullptr && blend.cache > 0 && std::isfinite(network->log_cached))
    add_cached(network->log_cached, network->cached_variance, blend.cache, log_time);
  median = log_time.median, low = log_time.low, high = log_time.high;
  // Offsets may be negative; the same plan run twice takes 1 % more or less.
  constexpr double kLeastReach = 0.01;
  log_time.median = std::clamp(median, kLeastLogMs + kLeastReach, kMostLogMs - kLeastReach);
  log_time.low = std::clamp(low - blend.low_offset, kLeastLogMs, log_time.median - kLeastReach);
  log_time.high = std::clamp(high + blend.high_offset, log_time.median + kLeastReach, kMostLogMs);
  return log_time;
}

}  // namespace predictor
