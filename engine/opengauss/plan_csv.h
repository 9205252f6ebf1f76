// plan_csv.h - the CSV in which openGauss's kernel sends encoded plans, for training and for
// predicting: no header, fields separated by a comma and perhaps spaces, one plan node a line:
//
//   queryid, plan_node_id, parent_node_id, <numbers>, startup_time, total_time, rows, peak_memory
//
// Times are ms, rows are over all loops, memory is MB; to be predicted they are -1. Lines come in
// any order. A node's parent must exist; 0 is the parent of a query's root, and every query has one
// at least. A line that is wrong makes the whole file wrong, and the error names it: a file of the
// kernel's has no such lines, so something else is the matter.
#ifndef PREDICTOR_ENGINE_OPENGAUSS_PLAN_CSV_H
#define PREDICTOR_ENGINE_OPENGAUSS_PLAN_CSV_H

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "engine/error.h"
#include "plan/opengauss_model.h"

namespace predictor::engine::opengauss {

// Beyond these a file is refused.
inline constexpr size_t kMostNodesOfQuery = 10000;
inline constexpr uint32_t kMostNodeId = 100000;

struct PlanCsv {
  struct Node {
    uint32_t id;                      // plan_node_id; 0 for some nodes of InitPlans
    int32_t parent;                   // position in the query's nodes, always smaller; -1 at a root
    size_t features;                  // where its numbers begin in `features`
    double labels[kOpenGaussLabels];  // negative: not measured
  };
  struct Query {
    int64_t id;
    // In pre-order: a parent before its children, siblings by their ids, the file's order where
    // ids are equal.
    std::vector<Node> nodes;
  };

  int feature_count = 0;       // of each node, the same in the whole file
  std::vector<Query> queries;  // in the order in which they first occur
  std::vector<float> features;

  size_t node_count() const { return feature_count == 0 ? 0 : features.size() / feature_count; }
};

Result<PlanCsv> parse_plan_csv(std::string_view text);

}  // namespace predictor::engine::opengauss

#endif
