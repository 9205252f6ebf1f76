// statistics.h - medians with an interval, and what they say about a budget.
#ifndef PREDICTOR_BENCH_ENGINE_STATISTICS_H
#define PREDICTOR_BENCH_ENGINE_STATISTICS_H

#include <algorithm>
#include <cstdio>
#include <random>
#include <string>
#include <vector>

namespace predictor::bench {

inline double quantile(std::vector<double> values, double share) {
  const auto at = static_cast<size_t>(share * static_cast<double>(values.size() - 1) + 0.5);
  std::nth_element(values.begin(), values.begin() + static_cast<ptrdiff_t>(at), values.end());
  return values[at];
}

struct Estimate {
  double median, low, high;  // 95 % interval
};

// Percentile bootstrap of the median over rounds (Efron, "Bootstrap Methods", Ann. Statist. 1979).
inline Estimate estimate(const std::vector<double>& rounds) {
  std::mt19937 random(1);
  std::uniform_int_distribution<size_t> pick(0, rounds.size() - 1);
  std::vector<double> medians;
  for (int i = 0; i < 2000; i++) {
    std::vector<double> sample;
    for (size_t k = 0; k < rounds.size(); k++) sample.push_back(rounds[pick(random)]);
    medians.push_back(quantile(sample, 0.5));
  }
  return {quantile(rounds, 0.5), quantile(medians, 0.025), quantile(medians, 0.975)};
}

// Collects what was measured, prints it, and draws the conclusion of all of it.
class Verdict {
 public:
  void add(const char* what, const char* unit, const Estimate& found, double budget) {
    const char* word = found.high <= budget ? "ok" : found.low > budget ? "short" : "noisy";
    std::printf("  %-52s %9.3f %s [%.3f, %.3f], budget %g: %s\n", what, found.median, unit,
                found.low, found.high, budget, word);
    std::fflush(stdout);
    if (found.low > budget) short_ += (short_.empty() ? "" : "; ") + std::string(what);
    if (found.low <= budget && found.high > budget) {
      noisy_ += (noisy_.empty() ? "" : "; ") + std::string(what);
    }
  }

  // The last line, and the exit status that goes with it.
  int conclude() const {
    if (!short_.empty()) return std::printf("bench-engine: short: %s\n", short_.c_str()), 1;
    if (!noisy_.empty()) return std::printf("bench-engine: noisy: %s\n", noisy_.c_str()), 2;
    return std::printf("bench-engine: ok\n"), 0;
  }

 private:
  std::string short_, noisy_;
};

}  // namespace predictor::bench

#endif
