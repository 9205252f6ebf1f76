// model_facade.cpp - see model_facade.h.
#include "extension/model_facade.h"

#include <cstdlib>
#include <cstring>
#include <vector>

#include "plan/cost_bundle.h"

void* predictor_cost_bundle(const PredictorCostFit* fit, size_t* size) noexcept try {
  predictor::CostFit cost;
  cost.cost = {fit->intercept, fit->slope};
  cost.low_offset = fit->low;
  cost.high_offset = fit->high;
  cost.executions = fit->executions;
  cost.key_id = fit->key_id;
  const std::vector<std::byte> bundle = predictor::make_cost_bundle(cost, predictor_sha256);
  void* copy = bundle.empty() ? nullptr : std::malloc(bundle.size());
  if (copy != nullptr) std::memcpy(copy, bundle.data(), bundle.size());
  *size = bundle.size();
  return copy;
} catch (...) {
  return nullptr;
}
