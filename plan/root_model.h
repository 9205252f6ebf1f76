// root_model.h - models that answer for a plan as a whole and leave its nodes
// to the planner: the calibrated cost, and what is built on it. They are what
// the tree template is compared with.
//
// A root model answers ln ms of the statement. A node's time is its own
// calibrated cost, scaled as the root's was; its rows are the planner's. The
// interval reaches as far as withheld executions were off (split conformal):
// one reach for the model's answers, one for them where the query is unlike any
// of the training, one for the calibrated cost where the model has no answer.
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
#include "plan/forest.h"
#include "plan/lstm.h"
#include "plan/plan_record.h"

namespace predictor {

struct NodePrediction;
struct PlanPrediction;

inline constexpr uint32_t kRootModelVersion = 1;
inline constexpr uint32_t kPlanMediansVersion = 1;
inline constexpr size_t kMostPlanMedians = 200000;

enum class RootKind : uint32_t {
  kCost,    // the calibrated planner cost
  kCache,   // the median of the plan's earlier executions; section kPlanMedians
  kForest,  // boosted trees on flat features; section kForest
  kLstm,    // a recurrent network over the nodes; section kLstm
  kCount
};

// How far the interval reaches below and above ln of the answer.
struct Reach {
  double low = 0, high = 0;
};

struct RootContent {
  RootKind kind = RootKind::kCost;
  CostModel cost;
  Reach cost_reach;   // of answers of the calibrated cost
  Reach model_reach;  // of answers of the model

  // Queries of the training (query_key()), ascending; where there are none,
  // every query counts as known. For others ln of the answer is taken
  // `unseen_weight` of the way from the cost to the model's.
  std::vector<uint64_t> queries;
  double unseen_weight = 1;
  Reach unseen_reach;
};

std::vector<std::byte> write_root_model(const RootContent& content);

struct PlanMedians {
  std::vector<uint64_t> signatures;  // ascending
  std::vector<float> log_ms;         // of the same
};

std::vector<std::byte> write_plan_medians(const PlanMedians& medians);

// The LSTM's answer is ln(1 + ms); this is ln ms, of no less than a
// microsecond.
double lstm_log_ms(float answer);

class RootModel {
 public:
  // False if a section is missing, damaged or does not fit the others.
  bool open(const BundleView& view);
  bool is_open() const { return is_open_; }

  // Bytes of memory, aligned to 16, that predict() needs.
  size_t workspace_size(int node_count) const;

  void predict(const PredictorRecord& record, void* workspace, NodePrediction* out,
               PlanPrediction& plan) const;

 private:
  bool open_medians(std::span<const std::byte> section);
  // ln ms of the statement, `log_cost` by the calibrated cost; NaN if the model
  // has no answer.
  double answer(const PredictorRecord& record, double log_cost, NodePlace* places,
                std::byte* scratch) const;
  double run_lstm(const PredictorRecord& record, NodePlace* places, std::byte* scratch) const;
  double remembered(uint64_t signature) const;
  bool is_known(const PredictorRecord& record) const;

  RootContent content_;  // without the queries
  const uint64_t* queries_ = nullptr;
  uint32_t query_count_ = 0;
  Forest forest_;
  Lstm lstm_;
  const uint64_t* signatures_ = nullptr;  // [median_count_], ascending
  const float* medians_ = nullptr;
  uint32_t median_count_ = 0;
  bool is_open_ = false;
};

}  // namespace predictor

#endif
