#include "engine/model/calibrate.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <unordered_map>

namespace predictor::engine {
namespace {

constexpr double kTail = 0.05;  // beyond either side of the 90 % interval

// Mean |ln error| over groups, each group counting once.
double mean_error(std::span<const Withheld> withheld, double weight) {
  std::unordered_map<uint64_t, std::pair<double, double>> groups;
  for (const Withheld& w : withheld) {
    double error = w.log_ms - w.log_cost - weight * w.answers[kOutTime];
    if (w.censored) error = std::max(error, 0.0);
    auto& [sum, count] = groups[w.group];
    sum += std::abs(error), count += 1;
  }
  double sum = 0;
  for (const auto& [key, group] : groups) sum += group.first / group.second;
  return groups.empty() ? 0 : sum / static_cast<double>(groups.size());
}

// How far to go so that at most kTail of new values lie beyond: the split-conformal quantile.
// Beyond the largest value where there are too few to say.
double conformal_offset(std::vector<double> beyond) {
  if (beyond.empty()) return 1.0;
  std::sort(beyond.begin(), beyond.end());
  const double n = static_cast<double>(beyond.size());
  auto rank = static_cast<size_t>(std::ceil((n + 1) * (1 - kTail)));
  if (rank <= beyond.size()) return beyond[rank - 1];
  double spread = beyond.back() - beyond.front();
  return beyond.back() + 0.25 * std::max(spread, 0.1);
}

}  // namespace

Withheld evaluate_withheld(const Model& model, const OwnedRecord& record, const Dataset& data,
                           int plan, float shift) {
  PredictorRecord view = record.view();
  // operator new aligns to 16, which is what the runtime asks of its workspace.
  auto workspace = std::make_unique<std::byte[]>(model.workspace_size(view.node_count));
  Model::Evaluation found = model.evaluate(view, workspace.get());
  Withheld w;
  w.plan = plan;
  w.familiarity = found.familiarity;
  w.group = data.group[plan];
  w.log_cost = found.log_cost;
  w.log_ms = data.log_ms[plan] - shift;
  w.censored = data.censored[plan] != 0;
  if (found.answers != nullptr) std::copy_n(found.answers, kOutputCount, w.answers);
  return w;
}

double choose_weight(std::span<const Withheld> withheld, double prior, double protect) {
  constexpr size_t kEnough = 10;
  if (withheld.size() < kEnough) return prior;
  double best = 0, least = mean_error(withheld, 0);
  for (double weight : {0.25, 0.5, 0.75, 1.0}) {
    double error = mean_error(withheld, weight) + protect * weight;
    if (error < least) best = weight, least = error;
  }
  return best;
}

Blend calibrate_interval(std::span<const Withheld> withheld, double weight) {
  Blend blend{weight, 0, 0};
  std::vector<double> below, above;
  for (const Withheld& w : withheld) {
    double median = weight * w.answers[kOutTime];
    double low = w.log_cost + median - weight * softplus(w.answers[kOutLowSpread]);
    double high = w.log_cost + median + weight * softplus(w.answers[kOutHighSpread]);
    // Of a censored execution only that it was at least so long is known.
    if (!w.censored) below.push_back(low - w.log_ms);
    above.push_back(w.log_ms - high);
  }
  blend.low_offset = conformal_offset(std::move(below));
  blend.high_offset = conformal_offset(std::move(above));
  return blend;
}

double measure_coverage(std::span<const Withheld> withheld, double weight) {
  std::vector<Withheld> half[2];
  for (const Withheld& w : withheld) half[w.group & 1].push_back(w);
  double inside = 0, count = 0;
  for (int side : {0, 1}) {
    if (half[1 - side].empty()) continue;
    Blend blend = calibrate_interval(half[1 - side], weight);
    for (const Withheld& w : half[side]) {
      if (w.censored) continue;
      LogTime time = blend_log_time(blend, w.log_cost, w.answers);
      inside += w.log_ms >= time.low && w.log_ms <= time.high;
      count++;
    }
  }
  return count > 0 ? inside / count : 0;
}

}  // namespace predictor::engine
