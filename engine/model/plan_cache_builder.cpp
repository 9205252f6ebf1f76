#include "engine/model/plan_cache_builder.h"

#include <algorithm>
#include <cmath>
#include <map>

namespace predictor::engine {
namespace {

struct Times {
  std::vector<float> log_ms;
  uint64_t constants = 0;  // of the first execution
  bool varied = true;      // not all had the same ones

  int count() const { return static_cast<int>(log_ms.size()); }
  // Of an even number the mean of the two in the middle.
  double median() {
    const auto middle = log_ms.begin() + count() / 2;
    std::nth_element(log_ms.begin(), middle, log_ms.end());
    if (count() % 2 != 0) return *middle;
    return (*middle + *std::max_element(log_ms.begin(), middle)) / 2;
  }
  // The sum of squared distances from the mean.
  double squares() const {
    double sum = 0, squares = 0;
    for (double x : log_ms) sum += x;
    for (double x : log_ms) squares += (x - sum / count()) * (x - sum / count());
    return squares;
  }
};

using Level = std::map<uint64_t, Times>;

// Appends the entries of one level: each plan's own variance, drawn to that of
// all plans as if it came from a few more executions. What always ran with the
// same constants does not say how little it varies with others.
void append(Level& level, std::vector<CachedTime>& entries) {
  constexpr double kPrior = 3;
  constexpr int kEnough = 20;              // degrees of freedom
  constexpr double kLeastVariance = 1e-4;  // a spread of 1 %: clocks and caches
  constexpr double kLeastOfOthers = 1e-2;
  double squares = 0;
  int freedom = 0;
  for (const auto& [key, times] : level) squares += times.squares(), freedom += times.count() - 1;
  if (freedom < kEnough) return;
  const double common = squares / freedom;
  for (auto& [key, times] : level) {
    const int count = times.count();
    double own = (times.squares() + kPrior * common) / (count - 1 + kPrior) + kLeastVariance;
    if (!times.varied) own = std::max(own, kLeastOfOthers);
    entries.push_back({key, static_cast<float>(times.median()),
                       static_cast<float>(own * (1 + 1.0 / count)), static_cast<float>(count), 0});
  }
}

}  // namespace

std::vector<CachedTime> build_plan_cache(std::span<const OwnedRecord> records, const Dataset& data,
                                         std::span<const int> plans, std::span<const float> shift) {
  Level exact, any;
  for (size_t i = 0; i < plans.size(); i++) {
    const int p = plans[i];
    if (data.censored[p]) continue;
    const PredictorStatement& s = records[data.records[p]].statement;
    const float log_ms = data.log_ms[p] - shift[i];
    Times& of_plan = any[plan_key(s)];
    if (of_plan.log_ms.empty()) of_plan.constants = s.constants, of_plan.varied = s.constants == 0;
    of_plan.varied = of_plan.varied || s.constants != of_plan.constants;
    of_plan.log_ms.push_back(log_ms);
    if (s.key_id == data.key_id) exact[exact_plan_key(s)].log_ms.push_back(log_ms);
  }
  std::vector<CachedTime> entries;
  append(any, entries);
  append(exact, entries);
  std::stable_sort(entries.begin(), entries.end(),
                   [](const CachedTime& a, const CachedTime& b) { return a.count > b.count; });
  return entries;
}

}  // namespace predictor::engine
