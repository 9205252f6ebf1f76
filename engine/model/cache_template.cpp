#include "engine/model/cache_template.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "engine/model/root_training.h"
#include "plan/root_model.h"

namespace predictor::engine {
namespace {

// Medians of ln ms by signature, ascending by it. Of a cancelled execution a
// lower bound is known, which is what it counts as.
PlanMedians medians_of(const Dataset& data, std::span<const int> plans) {
  std::map<uint64_t, std::vector<float>> times;
  for (int p : plans) times[data.signature[p]].push_back(data.log_ms[p]);
  PlanMedians medians;
  for (auto& [signature, log_ms] : times) {
    std::sort(log_ms.begin(), log_ms.end());
    const size_t half = log_ms.size() / 2;
    medians.signatures.push_back(signature);
    medians.log_ms.push_back(log_ms.size() % 2 != 0 ? log_ms[half]
                                                    : (log_ms[half - 1] + log_ms[half]) / 2);
  }
  return medians;
}

// Keeps the signatures with the most executions.
void limit(PlanMedians& medians, const Dataset& data) {
  if (medians.signatures.size() <= kMostPlanMedians) return;
  std::map<uint64_t, int> uses;
  for (uint64_t signature : data.signature) uses[signature]++;
  std::vector<int> counts;
  for (auto [signature, count] : uses) counts.push_back(-count);
  std::nth_element(counts.begin(), counts.begin() + kMostPlanMedians, counts.end());
  PlanMedians kept;
  for (size_t i = 0; i < medians.signatures.size(); i++)
    if (uses[medians.signatures[i]] > -counts[kMostPlanMedians]) {
      kept.signatures.push_back(medians.signatures[i]);
      kept.log_ms.push_back(medians.log_ms[i]);
    }
  medians = std::move(kept);
}

double look_up(const PlanMedians& medians, uint64_t signature) {
  const auto found =
      std::lower_bound(medians.signatures.begin(), medians.signatures.end(), signature);
  if (found == medians.signatures.end() || *found != signature) return std::nan("");
  return medians.log_ms[static_cast<size_t>(found - medians.signatures.begin())];
}

}  // namespace

TrainingResult CacheTemplate::train(std::span<const OwnedRecord> records,
                                    const TrainingOptions& options,
                                    const ProgressFunction& progress) const {
  RootTraining training("cache", records, options, progress);
  training.measure_cost();
  const Dataset& data = training.data();
  std::vector<double> withheld(static_cast<size_t>(data.plans()), std::nan(""));
  for (size_t f = 0; f < training.folds().size(); f++) {
    training.report("calibrating", static_cast<int>(f), static_cast<int>(training.folds().size()),
                    0);
    const PlanMedians others = medians_of(data, training.all_but(static_cast<int>(f)));
    for (int p : training.folds()[f]) withheld[p] = look_up(others, data.signature[p]);
  }
  training.measure_model(withheld);
  PlanMedians medians = medians_of(data, training.all_plans());
  limit(medians, data);
  training.content().kind = RootKind::kCache;
  training.add_section(Section::kPlanMedians, kPlanMediansVersion, write_plan_medians(medians));
  return training.finish();
}

}  // namespace predictor::engine
