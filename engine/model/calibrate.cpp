#include "engine/model/calibrate.h"

#include <algorithm>
#include <boost/math/distributions/students_t.hpp>
#include <cmath>
#include <map>
#include <memory>

#include "plan/cost_bundle.h"

namespace predictor::engine {
namespace {

constexpr double kTail = 0.05;  // beyond either side of the 90 % interval
// The best of many choices is two standard errors better than any one by chance alone.
constexpr double kSurely = 3;

// Mean |ln error| of each group, in the order of the groups' numbers.
std::vector<double> group_errors(std::span<const Withheld> withheld, const Blend& blend) {
  std::map<uint64_t, std::pair<double, double>> groups;
  for (const Withheld& w : withheld) {
    double error = w.log_ms - blend_log_time(blend, w.log_cost, w.network_or_null()).median;
    if (w.censored) error = std::max(error, 0.0);
    auto& [sum, count] = groups[w.group];
    sum += std::abs(error), count += 1;
  }
  std::vector<double> errors;
  for (const auto& [key, group] : groups) errors.push_back(group.first / group.second);
  return errors;
}

double mean(const std::vector<double>& values) {
  double sum = 0;
  for (double value : values) sum += value;
  return values.empty() ? 0 : sum / static_cast<double>(values.size());
}

// Is `errors` worse than `best` by no more than so many standard errors of their difference?
bool is_as_good(const std::vector<double>& errors, const std::vector<double>& best,
                double deviations = 1) {
  std::vector<double> difference, square;
  for (size_t i = 0; i < errors.size(); i++) difference.push_back(errors[i] - best[i]);
  const double average = mean(difference);
  for (double d : difference) square.push_back((d - average) * (d - average));
  return average <= deviations * std::sqrt(mean(square) / static_cast<double>(errors.size()));
}

// How far below and above the interval an execution lies; negative: inside.
struct Beyond {
  double low, high;
};
Beyond beyond_interval(const LogTime& time, double log_ms) {
  return {time.low - log_ms, log_ms - time.high};
}

// The place, from 1, of the split-conformal quantile among so many sorted values: beyond it lie
// kTail of new ones. More than there are where they are too few to say.
size_t conformal_rank(size_t count) {
  return static_cast<size_t>(std::ceil((static_cast<double>(count) + 1) * (1 - kTail)));
}

// How far to go so that at most kTail of new values lie beyond; beyond the largest value where
// there are too few to say.
double conformal_offset(std::vector<double> beyond) {
  if (beyond.empty()) return 1.0;
  std::sort(beyond.begin(), beyond.end());
  const size_t rank = conformal_rank(beyond.size());
  if (rank <= beyond.size()) return beyond[rank - 1];
  // Of n values the next one lies beyond the largest with probability 1 / (n + 1), and how far
  // nobody knows: the fewer there are, the less they exclude, also when all were alike.
  double spread = beyond.back() - beyond.front();
  return beyond.back() + std::max(0.25 * spread, 1 / static_cast<double>(beyond.size()));
}

double middle(std::vector<double> x) {
  std::nth_element(x.begin(), x.begin() + static_cast<std::ptrdiff_t>(x.size() / 2), x.end());
  return x[x.size() / 2];
}

// The split-conformal quantile; the largest value where there are too few to say.
double farthest(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[std::min(conformal_rank(values.size()), values.size()) - 1];
}

// Of fewer than 19 groups not even the farthest is far enough. How far one more would be off if
// they were normally distributed: a prediction interval by Student's t, with one degree of freedom
// for the blend, which was chosen on them; no farther than before the first execution.
double few_groups_reach(const std::vector<double>& squared_errors) {
  if (conformal_rank(squared_errors.size()) <= squared_errors.size()) return 0;
  const auto n = static_cast<double>(squared_errors.size());
  const boost::math::students_t t(std::max(1.0, n - 1));
  const double reach = quantile(t, 1 - kTail) * std::sqrt(mean(squared_errors) * (1 + 1 / n));
  return std::min(reach, usual_cost_fit().high_offset);
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
  w.timed = data.level[plan] == PREDICTOR_INSTRUMENT_TIMERS;
  w.has_network = found.answers != nullptr;
  if (w.has_network) w.network = found.time_of(0, 1);
  return w;
}

Blend choose_blend(std::span<const Withheld> withheld, const Blend& otherwise, double protect,
                   bool cautious) {
  constexpr size_t kEnough = 10;
  if (withheld.size() < kEnough) return otherwise;
  std::vector<Blend> blends{{.operators = otherwise.operators}};
  for (double weight : {0.25, 0.5, 0.75, 1.0})
    for (double correction : {0.0, 0.5, 1.0})
      if (correction <= weight) {
        blends.push_back(blends[0]);
        blends.back().weight = weight, blends.back().correction = correction;
      }
  std::vector<std::vector<double>> errors;
  size_t best = 0;
  double least = 0;
  for (size_t i = 0; i < blends.size(); i++) {
    errors.push_back(group_errors(withheld, blends[i]));
    double error = mean(errors[i]) + protect * (blends[i].weight + blends[i].correction);
    if (i == 0 || error < least) best = i, least = error;
  }
  // The blends stand in the order of how much of the network they take.
  for (size_t i = 0; cautious && i < best; i++)
    if (is_as_good(errors[i], errors[best])) return blends[i];
  return blends[best];
}

Blend choose_operators(std::span<const Withheld> withheld, Blend blend) {
  constexpr size_t kEnough = 10;
  constexpr int kSteps = 4;
  if (withheld.size() < kEnough) return blend;
  double least = 0;
  for (int step = 0; step <= kSteps; step++) {
    const Blend base{.operators = static_cast<double>(step) / kSteps};
    const double error = mean(group_errors(withheld, base));
    if (step == 0 || error < least) least = error, blend.operators = base.operators;
  }
  return blend;
}

Blend choose_forest(std::span<const Withheld> withheld, Blend blend, bool cautious) {
  constexpr size_t kEnough = 10;
  constexpr double kProtect = 0.01;
  constexpr int kSteps = 8;
  blend.forest = 0;
  if (withheld.size() < kEnough || !std::isfinite(withheld[0].network.log_forest)) return blend;
  std::vector<std::vector<double>> errors;
  std::vector<Blend> blends;
  size_t best = 0;
  for (int step = 0; step <= kSteps; step++) {
    blend.forest = static_cast<double>(step) / kSteps;
    blends.push_back(blend);
    errors.push_back(group_errors(withheld, blend));
    double gain = mean(errors[best]) - mean(errors.back());
    if (gain > kProtect * (blend.forest - blends[best].forest)) best = static_cast<size_t>(step);
  }
  for (size_t i = 0; cautious && i < best; i++)
    if (is_as_good(errors[i], errors[best])) return blends[i];
  return blends[best];
}

Blend fixed_fusion(std::span<const Withheld> withheld, const Blend& chosen, double width) {
  constexpr double kMostForest = 0.75;
  std::vector<double> spreads;
  for (const Withheld& w : withheld)
    if (w.has_network) spreads.push_back(predicted_spread(w.network));
  if (spreads.empty()) return chosen;
  const auto middle = spreads.begin() + static_cast<std::ptrdiff_t>(spreads.size() / 2);
  std::nth_element(spreads.begin(), middle, spreads.end());
  const Blend fixed{
      .weight = 1, .correction = 1, .forest = kMostForest, .forest_spread = width * *middle};
  const bool holds =
      is_as_good(group_errors(withheld, fixed), group_errors(withheld, chosen), kSurely);
  return holds ? fixed : chosen;
}

Blend choose_cache(std::span<const Withheld> withheld, Blend blend, double usual) {
  constexpr size_t kEnough = 10, kEnoughQueries = 5;
  std::vector<Withheld> cached;
  for (const Withheld& w : withheld)
    if (w.has_network && std::isfinite(w.network.log_cached)) cached.push_back(w);
  blend.cache = usual;
  if (cached.size() < kEnough) return blend;
  const auto by_usual = group_errors(cached, blend);
  if (by_usual.size() < kEnoughQueries) return blend;
  double least = mean(by_usual);
  Blend best = blend;
  for (double trust : {0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 16.0}) {
    blend.cache = trust;
    const auto errors = group_errors(cached, blend);
    if (mean(errors) < least && !is_as_good(by_usual, errors, kSurely))
      best = blend, least = mean(errors);
  }
  return best;
}

Blend calibrate_interval(std::span<const Withheld> withheld, Blend blend, double err) {
  constexpr ptrdiff_t kEnough = 30;
  const bool all_count = std::count_if(withheld.begin(), withheld.end(), [](const Withheld& w) {
                           return !w.timed && !w.censored;
                         }) < kEnough;
  std::vector<double> below, above;
  // With no offsets the interval is the network's own.
  blend.low_offset = blend.high_offset = 0;
  for (const Withheld& w : withheld) {
    if (w.timed && !all_count) continue;
    // What a censored execution would have taken is not known. The network's own quantile has
    // learned from it.
    if (w.censored) continue;
    const LogTime time = blend_log_time(blend, w.log_cost, w.network_or_null());
    const Beyond beyond = beyond_interval(time, time.median + err * (w.log_ms - time.median));
    below.push_back(beyond.low), above.push_back(beyond.high);
  }
  blend.low_offset = conformal_offset(std::move(below));
  blend.high_offset = conformal_offset(std::move(above));
  return blend;
}

Blend calibrate_for_groups(std::span<const Withheld> withheld, const Blend& blend) {
  Blend all = calibrate_interval(withheld, blend);
  Blend bare = blend;
  bare.low_offset = bare.high_offset = 0;
  std::map<uint64_t, std::vector<Withheld>> groups;
  for (const Withheld& w : withheld)
    if (!w.censored) groups[w.group].push_back(w);
  if (groups.empty()) return all;
  // The middle of a group stands for it: its own spread is in `all` already.
  std::vector<double> low, high, own_low, own_high, square;
  for (const auto& [key, group] : groups) {
    std::vector<double> below, above, error;
    for (const Withheld& w : group) {
      const LogTime time = blend_log_time(bare, w.log_cost, w.network_or_null());
      error.push_back(w.log_ms - time.median);
      const Beyond beyond = beyond_interval(time, w.log_ms);
      below.push_back(beyond.low), above.push_back(beyond.high);
      own_low.push_back(time.median - time.low), own_high.push_back(time.high - time.median);
    }
    low.push_back(middle(std::move(below))), high.push_back(middle(std::move(above)));
    const double e = middle(std::move(error));
    square.push_back(e * e);
  }
  const double reach = few_groups_reach(square);
  all.low_offset = std::max({all.low_offset, farthest(std::move(low)), reach - middle(own_low)});
  all.high_offset =
      std::max({all.high_offset, farthest(std::move(high)), reach - middle(own_high)});
  return all;
}

double measure_coverage(std::span<const Withheld> withheld, const Blend& blend) {
  std::vector<Withheld> half[2];
  for (const Withheld& w : withheld) half[w.group & 1].push_back(w);
  double inside = 0, count = 0;
  for (int side : {0, 1}) {
    if (half[1 - side].empty()) continue;
    Blend other = calibrate_interval(half[1 - side], blend);
    for (const Withheld& w : half[side]) {
      if (w.censored) continue;
      LogTime time = blend_log_time(other, w.log_cost, w.network_or_null());
      inside += w.log_ms >= time.low && w.log_ms <= time.high;
      count++;
    }
  }
  return count > 0 ? inside / count : 0;
}

}  // namespace predictor::engine
