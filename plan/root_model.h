// root_model.h - models that answer for a plan as a whole and leave its nodes to the planner: the
// calibrated cost, and what is built on it. They are what the tree template is compared with.
//
// A root model answers ln ms of the statement. A node's time is its own calibrated cost, scaled as
// the root's was; its rows are the planner's. The interval reaches as far as withheld executions
// were off (split conformal), by source: one reach for answers of the model itself, one for the
// calibrated cost where the model has none.
//
// Evaluates in place over the bundle, without allocation; const after open().
#ifndef PREDICTOR_PLAN_ROOT_MODEL_H
#define PREDICTOR_PLAN_ROOT_MODEL_H

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "plan/bundle.h"
#include "plan/calibration.h"
#include "plan/plan_record.h"

namespace predictor {

struct NodePrediction;
struct PlanPrediction;

inline constexpr uint32_t kRootModelVersion = 1;

enum class RootKind : uint32_t { kCost };
inline constexpr uint32_t kRootKindCount = 1;

// How far the interval reaches below and above ln of the answer.
struct Reach {
  double low = 0, high = 0;
};

struct RootContent {
  RootKind kind = RootKind::kCost;
  CostModel cost;
  Reach cost_reach;   // of answers of the calibrated cost
  Reach model_reach;  // of answers of the model
};

std::vector<std::byte> write_root_model(const RootContent& content);

class RootModel {
 public:
  // False if a section is missing, damaged or does not fit the others.
  bool open(const BundleView& view);
  bool is_open() const { return is_open_; }

  // Bytes of memory, aligned to 16, that predict() needs.
  size_t workspace_size(int node_count) const;

  void predict(const PredictorRecord& record, void* workspace, NodePrediction* out,
               PlanPrediction& plan) const;

  // ln ms of the statement; false if the model has no answer and the calibrated cost is to give it.
  bool answer(const PredictorRecord& record, void* workspace, double& log_ms) const;

 private:
  RootContent content_;
  bool is_open_ = false;
};

}  // namespace predictor

#endif
