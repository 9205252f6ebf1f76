// dataset.h - plan records as flat arrays, encoded once: what every epoch of a training reads.
//
// No Torch in here. Nodes of all plans stand one behind the other; plan p owns the nodes
// first[p] .. first[p + 1).
#ifndef PREDICTOR_ENGINE_MODEL_DATASET_H
#define PREDICTOR_ENGINE_MODEL_DATASET_H

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "plan/calibration.h"
#include "plan/codec.h"
#include "plan/features.h"
#include "plan/known.h"
#include "plan/subplan.h"

namespace predictor::engine {

// What a node's execution says about each of the network's answers, in the network's own terms;
// NaN where nothing was measured.
enum NodeLabel : int {
  kTimeLabel,     // ln ms over all loops, in one process
  kStartupLabel,  // ln(startup / total), from kLeastLogShare to 0
  kRowsLabel,     // ln((rows + 0.5) / (planned rows + 0.5))
  kMemoryLabel,   // ln((kB + 1) / (planned kB + 1))
  kLabelCount
};

inline constexpr float kLeastLogShare = -7;
inline constexpr double kLeastMs = 0.001;  // what EXPLAIN can print

struct Dataset {
  std::vector<size_t> records;  // position of each plan among the records given
  std::vector<int> first;       // [plans + 1]
  size_t skipped = 0;

  // per node
  std::vector<float> numeric;      // [nodes, kNumericCount]
  std::vector<uint16_t> category;  // [nodes, kCategoryCount]
  std::vector<uint64_t> identity;  // [nodes, kIdentityCount]
  std::vector<int> parent;         // within the plan
  std::vector<uint8_t> role;       // ChildRole
  std::vector<int> depth;
  std::vector<int> loops_base;  // as in NodePlace, within the plan
  std::vector<int> loops_rows;
  std::vector<float> log_work;
  std::vector<int> workers_above;
  std::vector<SubPlan> sub_plans;
  std::vector<float> log_measured;  // ln(rows + kRowsFloor), see measured_rows(); NaN: none
  std::vector<float> labels;        // [nodes, kLabelCount]
  std::vector<float> weight;        // of the node's time: its part of the statement's

  // per plan
  std::vector<float> log_ms;  // ln of the total time, a lower bound where censored
  std::vector<double> root_cost;
  std::vector<uint8_t> censored;
  std::vector<uint8_t> level;  // PredictorInstrumentation
  std::vector<uint64_t> signature;
  std::vector<uint64_t> query;  // query_key()
  std::vector<uint64_t> group;  // query and constants: what a split keeps together

  // Plans that memory sees in two ways (memory_builder.h): what of the above differs in the other.
  struct Other {
    // per plan
    std::vector<int> first;          // its first node here; -1: there is one way only
    std::vector<uint8_t> is_repeat;  // this is the way with another execution of its query
    // per node here
    std::vector<float> numeric;  // [nodes(), kNumericCount]
    std::vector<float> log_work;
    int nodes() const { return static_cast<int>(log_work.size()); }
  } other;

  uint64_t memory_operators = 0;
  uint64_t key_id = 0;  // the most frequent; constants under others are dropped
  CostModel cost;
  double log_unit = 0;  // see Calibration

  int plans() const { return static_cast<int>(records.size()); }
  int nodes() const { return first.back(); }
};

// Encodes what can be used of the records; the rest is counted in `skipped`. The cost model is
// fitted to all of it. `check` is called often, and may end the work by throwing.
Dataset encode_dataset(
    std::span<const OwnedRecord> records, const std::function<void()>& check = [] {});

// Least absolute deviations of ln ms on ln cost over the plans given (censored ones left out);
// the slope falls back to 1 where the costs do not spread.
CostModel fit_cost(const Dataset& data, std::span<const int> plans);

// The numbers of all plans, in order.
std::vector<int> all_plans(const Dataset& data);

// A split by groups: whole groups go to `held_out` until it has at least `share` of the plans.
struct Split {
  std::vector<int> training, held_out;
};
Split split_by(const std::vector<uint64_t>& group_of_plan, std::span<const int> plans, double share,
               uint64_t seed);

// Plans in `folds` parts of about equal size, whole groups each.
std::vector<std::vector<int>> fold_by(const std::vector<uint64_t>& group_of_plan,
                                      std::span<const int> plans, int folds, uint64_t seed);

// The identities, plans and queries that the plans given contain, bounded, most frequent first.
KnownContent collect_known(const Dataset& data, std::span<const int> plans);

}  // namespace predictor::engine

#endif
