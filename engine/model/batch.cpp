#include "engine/model/batch.h"

#include <algorithm>

namespace predictor::engine {
namespace {

void add_pairs(const Dataset& data, int plan, const std::vector<int64_t>& row_of, Batch& batch) {
  const int first = data.first[plan];
  for (int i = 0; i < data.first[plan + 1] - first; i++) {
    for (int above = i; above >= 0; above = data.parent[first + above]) {
      batch.upper.push_back(row_of[above]);
      batch.lower.push_back(row_of[i]);
    }
    for (int base = i; base >= 0; base = data.loops_base[first + base])
      if (int starter = data.loops_rows[first + base]; starter >= 0) {
        batch.started.push_back(row_of[i]);
        batch.starter.push_back(row_of[starter]);
      }
  }
}

}  // namespace

Batch make_batch(const Dataset& data, std::span<const int> plans) {
  size_t total = 0;
  int deepest = 0;
  for (int p : plans) {
    total += static_cast<size_t>(data.first[p + 1] - data.first[p]);
    for (int node = data.first[p]; node < data.first[p + 1]; node++)
      deepest = std::max(deepest, data.depth[node]);
  }
  // A counting sort by (level, role), stable in plan order.
  const int buckets = (deepest + 1) * kRoleCount;
  std::vector<int64_t> start(static_cast<size_t>(buckets) + 1, 0);
  auto bucket = [&data](int node) { return data.depth[node] * kRoleCount + data.role[node]; };
  for (int p : plans)
    for (int node = data.first[p]; node < data.first[p + 1]; node++) start[bucket(node) + 1]++;
  for (int b = 0; b < buckets; b++) start[b + 1] += start[b];

  Batch batch;
  batch.levels.resize(static_cast<size_t>(deepest) + 1);
  for (int d = 0; d <= deepest; d++) {
    Batch::Level& level = batch.levels[d];
    level.begin = start[static_cast<size_t>(d) * kRoleCount];
    for (int role = 0; role < kRoleCount; role++)
      level.role_end[role] = start[static_cast<size_t>(d) * kRoleCount + role + 1];
    level.end = level.role_end[kRoleCount - 1];
  }
  batch.nodes.resize(total);
  batch.parent.resize(total, 0);
  std::vector<int64_t> next(start.begin(), start.end() - 1);
  std::vector<int64_t> row_of;  // of the plan's nodes
  for (int p : plans) {
    const int first = data.first[p];
    row_of.resize(static_cast<size_t>(data.first[p + 1] - first));
    for (int node = first; node < data.first[p + 1]; node++) {
      int64_t row = next[bucket(node)]++;
      row_of[node - first] = row;
      batch.nodes[row] = node;
      if (data.parent[node] >= 0)
        batch.parent[row] = row_of[data.parent[node]] - batch.levels[data.depth[node] - 1].begin;
    }
    add_pairs(data, p, row_of, batch);
  }
  return batch;
}

}  // namespace predictor::engine
