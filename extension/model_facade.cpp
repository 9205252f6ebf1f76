// model_facade.cpp - see model_facade.h.
#include "extension/model_facade.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "plan/cost_bundle.h"
#include "plan/judge.h"

static_assert(PREDICTOR_JUDGED_SOURCES == predictor::kJudgedSources);

void* predictor_cost_bundle(const PredictorCostFit* fit, size_t* size) noexcept try {
  predictor::CostFit cost = predictor::usual_cost_fit();
  if (fit->executions > 0)
    cost = {{fit->intercept, fit->slope}, fit->low, fit->high, fit->executions, 0};
  cost.key_id = fit->key_id;
  const std::vector<std::byte> bundle = predictor::make_cost_bundle(cost, predictor_sha256);
  void* copy = bundle.empty() ? nullptr : std::malloc(bundle.size());
  if (copy != nullptr) std::memcpy(copy, bundle.data(), bundle.size());
  *size = bundle.size();
  return copy;
} catch (...) {
  return nullptr;
}

namespace {

constexpr uint64_t kSeed = 1;

std::span<const std::byte> bytes_of(PredictorBytes bytes) {
  return {static_cast<const std::byte*>(bytes.data), bytes.size};
}

bool open(predictor::Model& model, PredictorBytes bytes, char* error, size_t error_size) {
  const predictor::BundleStatus status = model.open(bytes_of(bytes), predictor_sha256);
  if (status == predictor::BundleStatus::kOk) return true;
  std::snprintf(error, error_size, "%s", predictor::bundle_status_text(status));
  return false;
}

PredictorScore score_of(const predictor::Score& score) {
  PredictorScore out{score.q50, score.q95, score.node_q50, score.node_q95, {}, {}};
  for (int i = 0; i < PREDICTOR_JUDGED_SOURCES; i++) {
    out.answered[i] = score.answered[i];
    out.inside[i] = score.inside[i];
  }
  return out;
}

void put(double (&out)[3], const predictor::Difference& difference) {
  out[0] = difference.value, out[1] = difference.low, out[2] = difference.high;
}

}  // namespace

bool predictor_compare(PredictorBytes champion, PredictorBytes challenger, PredictorBytes records,
                       PredictorComparison* result, bool* champion_is_bad, char* error,
                       size_t error_size) noexcept try {
  predictor::Model first, second;
  *champion_is_bad = !open(first, champion, error, error_size);
  if (*champion_is_bad || !open(second, challenger, error, error_size)) return false;
  const predictor::Comparison found = predictor::compare(first, second, bytes_of(records), kSeed);
  result->statements = found.statements;
  result->queries = found.queries;
  result->nodes = found.nodes;
  result->champion = score_of(found.champion);
  result->challenger = score_of(found.challenger);
  put(result->q50, found.q50);
  put(result->q95, found.q95);
  result->is_better = found.is_better;
  result->is_worse = found.is_worse;
  return true;
} catch (...) {
  *champion_is_bad = false;
  std::snprintf(error, error_size, "out of memory");
  return false;
}
