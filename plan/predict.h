// predict.h - evaluates a bundle for a plan: the runtime that the backend, the engine and the
// offline tools share. Plain loops, no allocation, no exceptions, no locks: a Model may be used by
// many threads or, in shared memory, by many processes at once.
#ifndef PREDICTOR_PLAN_PREDICT_H
#define PREDICTOR_PLAN_PREDICT_H

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "plan/bundle.h"
#include "plan/calibration.h"
#include "plan/forest.h"
#include "plan/known.h"
#include "plan/memory.h"
#include "plan/network.h"
#include "plan/operator_costs.h"
#include "plan/plan_cache.h"
#include "plan/plan_record.h"
#include "plan/root_model.h"

namespace predictor {

// Where most of an answer comes from; the numbers are stored and shown. kBaseline: from no more
// than what a plan costs, by the planner or by operators' prices.
enum class Source : uint8_t { kBaseline = 0, kNetwork = 1, kCache = 2 };

const char* source_text(Source source);

// What training says about itself: the content of a kInfo section.
struct BundleInfo {
  uint32_t feature_version = kFeatureVersion;
  char template_name[16] = {};  // ends in a zero byte
  uint64_t plans = 0;
  uint64_t skipped = 0;
  uint64_t epochs = 0;
  uint64_t seed = 0;
};
inline constexpr uint32_t kInfoVersion = 1;
inline constexpr uint32_t kCanaryVersion = 1;

std::vector<std::byte> write_info(const BundleInfo& info);

// Times are ms per loop, as EXPLAIN's "actual" prints them; NaN where nothing can be said
// (memory of a node whose memory PostgreSQL does not measure).
struct NodePrediction {
  float startup_ms;
  float total_ms;
  float low_ms;   // of total, 5 % quantile
  float high_ms;  // of total, 95 % quantile
  float rows;
  float loops;
  float memory_kb;
};

struct PlanPrediction {
  double total_ms;  // executor time of the whole statement, not instrumented
  double low_ms;
  double high_ms;
  double rows;
  double memory_kb;  // largest of any node; NaN if no node's memory is known
  Source source;
  bool out_of_distribution;  // a plan unlike those of the training
  // How unlike: the part of what names it (relations, indexes, predicates and the like of its
  // nodes) that the training never met, 0 to 1. Root models say 1 or 0 with the above.
  double strangeness;
};

class Model {
 public:
  // `bytes` must be aligned to 8 and outlive the model. `sha256` as in BundleView::open().
  // Runs the canary, for which it allocates memory that it frees again: a bundle that does not
  // answer its stored record within 1e-3 relative is refused.
  BundleStatus open(std::span<const std::byte> bytes, Sha256Function sha256);

  // Scratch memory (aligned to 16) that predict() needs for a plan of so many nodes.
  size_t workspace_size(int node_count) const;

  // Fills out[0 .. node_count) and `plan`. Every number is finite or NaN, low <= total <= high.
  // Reads no actual_* field and no total_time of the record.
  void predict(const PredictorRecord& record, void* workspace, NodePrediction* out,
               PlanPrediction& plan) const;

  const BundleInfo& info() const { return info_; }
  const Calibration& calibration() const { return calibration_; }

  // The parts of predict(), for training to calibrate with: how familiar the plan is, its cost as
  // ln ms, and the network's answers (row i at i * kLaneCount in the result, which lies in the
  // workspace; null if the bundle has no network), the composed times in ln ms over all loops, and
  // what predicted rows add to ln of each node's loops.
  struct Evaluation {
    Familiarity familiarity;
    double log_cost;
    double strangeness;
    const NodePlace* places;
    const float* answers;
    const NodeFeatures* features;
    const float* log_total;
    const float* loops_correction;
    const float* log_operators;  // ln ms over all loops by operators' prices; null: none
    double log_forest;           // of the whole plan; NaN if the bundle has no forest
    const CachedTime* cached;    // never null

    // ln(rows / planned rows), by memory alone.
    double recalled_rows(int node) const {
      return features == nullptr ? 0 : features[node].numeric[kRecalledRows];
    }

    // `loops` is how often the node runs in one process.
    NetworkTime time_of(int node, double loops) const {
      const float* a = answers + static_cast<size_t>(node) * kLaneCount;
      NetworkTime time{log_total[node] - std::log(loops), a[kOutCorrection], a[kOutLowSpread],
                       a[kOutHighSpread]};
      if (log_operators != nullptr) time.log_operators = log_operators[node] - std::log(loops);
      if (node != 0) return time;
      time.log_forest = log_forest;
      if (cached->count > 0)
        time.log_cached = cached->log_ms, time.cached_variance = cached->variance;
      return time;
    }
  };
  Evaluation evaluate(const PredictorRecord& record, void* workspace) const;

 private:
  friend BundleStatus open_without_canary(Model& model, std::span<const std::byte> bytes);
  size_t flat_floats() const { return forest_.is_open() ? forest_.feature_count() + 1 : 0; }
  BundleStatus read_sections(std::span<const std::byte> bytes, Sha256Function sha256);
  bool passes_canary() const;
  // Returns the plan cache's part in the answer for the plan.
  double predict_nodes(const PredictorRecord& record, const Evaluation& found,
                       NodePrediction* out) const;

  BundleView view_;
  BundleInfo info_;
  Calibration calibration_;
  Known known_;
  CardinalityMemory memory_;
  Forest forest_;
  PlanCache plan_cache_;
  OperatorCosts operator_costs_;
  TreeNetwork network_;
  RootModel root_;  // open: it answers, and there is neither calibration nor network
};

// The content of a kCanary section: `record` and what `model` answers for it. The model is one
// without a canary, opened by open_without_canary().
std::vector<std::byte> write_canary(const Model& model, const PredictorRecord& record);

// For those who make bundles: as Model::open(), but the canary may be missing and is not run.
BundleStatus open_without_canary(Model& model, std::span<const std::byte> bytes);

}  // namespace predictor

#endif
