// memory_builder.h - makes the cardinality memory (plan/memory.h) from executions, and answers for
// training what a memory without the plan's own query would. No Torch in here.
#ifndef PREDICTOR_ENGINE_MODEL_MEMORY_BUILDER_H
#define PREDICTOR_ENGINE_MODEL_MEMORY_BUILDER_H

#include <cstdint>
#include <functional>
#include <span>
#include <unordered_map>
#include <vector>

#include "engine/model/dataset.h"
#include "plan/memory.h"

namespace predictor::engine {

class MemoryBuilder {
 public:
  struct Sum {
    double log_rows = 0, residual = 0, squares = 0;  // of residuals
    double empty = 0;                                // how many had no row
    int count = 0;
    uint8_t level = 0;

    void take(double rows, double difference);  // of one execution
    Sum mean() const;                           // of executions; its count has no meaning
    void add(const Sum& mean, int times);
    Remembered remembered(uint64_t key) const;
  };

  // Remembers the measured rows of these plans; each query counts once under a key, however many
  // of its plans were executed. `data` must outlive this.
  MemoryBuilder(const Dataset& data, std::span<const int> plans);

  // The rows of one plan's sub-plans by their keys; of none for -1.
  using OnePlan = std::unordered_map<uint64_t, Sum>;
  OnePlan of_plan(int plan) const;

  // What is known under `key` without the executions of `group`, or with one of them alone.
  Remembered recall(uint64_t key, uint64_t group, const OnePlan* companion = nullptr) const;

  // Another execution of the plan's query; -1: there is none.
  int other_of(uint64_t group, int plan) const;

  // All entries, the most useful first: what many queries share and what stands for many others
  // helps a query never seen, what one query had helps that query alone.
  std::vector<Remembered> entries() const;

 private:
  struct Part {
    uint64_t key, group;
    bool operator==(const Part&) const = default;
  };
  struct PartHash {
    size_t operator()(const Part& p) const { return p.key ^ p.group * 0x9e3779b97f4a7c15u; }
  };
  const Dataset& data_;
  std::unordered_map<uint64_t, std::vector<int>> plans_;  // of each group
  std::unordered_map<Part, Sum, PartHash> parts_;         // means over a group's executions
  std::unordered_map<uint64_t, Sum> sums_;                // of those means
};

// Writes what `memory` says into the features of all plans: of most with their own query left out,
// of a quarter as if one other execution of it were remembered, as it is when a query comes back
// with another plan. The other way round goes into `data.other`, of plans whose query has one: a
// network that meets both relies on its own query's rows where they are known, and not where they
// are not. All of the plans `as_new` have their own query left out. `check` is called often, and
// may end the work by throwing.
void recall_dataset(
    std::span<const OwnedRecord> records, const MemoryBuilder& memory, std::span<const int> as_new,
    Dataset& data, const std::function<void()>& check = [] {});

}  // namespace predictor::engine

#endif
