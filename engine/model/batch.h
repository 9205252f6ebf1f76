// batch.h - the nodes of many plans, ordered so that a whole level of all of them is one matrix.
//
// Levels are counted from the roots: all children of level d stand in level d + 1, sorted by their
// role, so that each role's message is one matrix product over consecutive rows.
#ifndef PREDICTOR_ENGINE_MODEL_BATCH_H
#define PREDICTOR_ENGINE_MODEL_BATCH_H

#include <cstdint>
#include <span>
#include <vector>

#include "engine/model/dataset.h"
#include "plan/network.h"

namespace predictor::engine {

struct Batch {
  struct Level {
    int64_t begin = 0, end = 0;         // rows of the batch
    int64_t role_end[kRoleCount] = {};  // where each role's rows end
  };
  std::vector<int64_t> nodes;   // row -> node of the dataset; the roots first, in plan order
  std::vector<int64_t> parent;  // row -> row of its parent, counted from its level's begin
  std::vector<Level> levels;

  // The sums of compose_times() as pairs of rows: `upper` takes `lower`'s own work (each node is
  // its own upper, too), and the loops of `started` follow the rows of `starter`.
  std::vector<int64_t> upper, lower;
  std::vector<int64_t> started, starter;
};

Batch make_batch(const Dataset& data, std::span<const int> plans);

}  // namespace predictor::engine

#endif
