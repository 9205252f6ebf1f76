// cost_bundle.h - a bundle that was not trained: the calibrated planner cost alone, in closed form.
//
// It answers for a model before its first training, through the same runtime as any other. Called
// where models are created.
#ifndef PREDICTOR_PLAN_COST_BUNDLE_H
#define PREDICTOR_PLAN_COST_BUNDLE_H

#include <cstddef>
#include <cstdint>
#include <vector>

#include "plan/bundle.h"
#include "plan/calibration.h"

namespace predictor {

struct CostFit {
  CostModel cost;
  double low_offset = 0;   // the 5 % quantile of ln ms lies so far below the cost's answer
  double high_offset = 0;  // and the 95 % quantile so far above
  uint64_t executions = 0;
  uint64_t key_id = 0;
};

// Before anything was executed a unit of cost is taken for 0.005 ms, in an interval that reaches
// thirty times as far either way.
CostFit usual_cost_fit();

// Empty if the numbers are not finite or an offset is negative.
std::vector<std::byte> make_cost_bundle(const CostFit& fit, Sha256Function sha256);

}  // namespace predictor

#endif
