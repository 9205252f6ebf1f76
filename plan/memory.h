// memory.h - the cardinality memory: how many rows sub-plans really had, and what follows from it
// for the nodes of a plan.
//
// The section is a hash table searched in place. Training recalls from a table of its own, which
// leaves the plan's own query out: otherwise it would learn to trust what it will not have.
#ifndef PREDICTOR_PLAN_MEMORY_H
#define PREDICTOR_PLAN_MEMORY_H

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "plan/flat_table.h"
#include "plan/subplan.h"

namespace predictor {

inline constexpr uint32_t kMemoryVersion = 4;
inline constexpr size_t kMemoryLimit = 49000;  // entries; 1.6 MB with their empty slots

// What is known of the rows under one key, as means over queries.
struct Remembered {
  uint64_t key = 0;
  float log_rows = 0;  // ln(rows + kRowsFloor)
  float residual = 0;  // ln((rows + kRowsFloor) / (planned + kRowsFloor))
  uint16_t count = 0;  // of queries, at most 65535; 0: nothing is known
  uint16_t empty = 0;  // of these, how many had no row at all
  float spread = 0;    // standard deviation of the residuals among queries
};

using CardinalityMemory = FlatTable<Remembered>;

// What memory says about one node, in terms of ln(rows / planned rows).
struct NodeRecall {
  float residual[kMemoryLevels];
  float count[kMemoryLevels];      // ln(1 + queries)
  float rows;                      // the best that can be said, of one process
  float whole;                     // the same, of all processes together
  float below;                     // what the children's `whole` make of it
  float shape;                     // what plans of this shape had
  float shape_below;               // what the children's `shape` make of it
  float children;                  // that have a part in it
  float deviation[kMemoryLevels];  // ln planned rows, less the mean of what was planned there
  float shape_spread;
  float above;           // `whole` of the nearest node above whose exact rows are known
  float above_surprise;  // the same less what was to be expected of it
  float above_known;     // 1: there is such a node
  // Chances. A join ends where one side has no row, and does not read the other.
  float empty;        // of making no row
  float empty_outer;  // of its outer child's making none
  float empty_inner;
  bool has_rows;  // it is known to make some
  float idle;     // of never being started
  float cut;      // of being stopped after its first row
};

// Fills out[0 .. node_count). `recalled[i * kMemoryLevels + level]` is what was found under each
// key of sub_plans[i].
void recall_rows(const PredictorRecord& record, const NodePlace* places, const SubPlan* sub_plans,
                 const Remembered* const* recalled, NodeRecall* out);

// Adds what follows from recalled rows to the features made by encode_features(): the last of the
// numeric features, and the work of the places.
void add_recall(const PredictorRecord& record, const NodeRecall* recall, NodePlace* places,
                NodeFeatures* features);

// After add_recall(): what recalled rows make of each node's rows and loops, as factors.
void recall_factors(const NodePlace* places, const NodeFeatures* features, int nodes, float* rows,
                    float* loops);

}  // namespace predictor

#endif
