// memory_builder.h - makes the cardinality memory (plan/memory.h) from executions, and answers for
// training what a memory without the plan's own query would. No Torch in here.
#ifndef PREDICTOR_ENGINE_MODEL_MEMORY_BUILDER_H
#define PREDICTOR_ENGINE_MODEL_MEMORY_BUILDER_H

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "engine/model/dataset.h"
#include "plan/memory.h"

namespace predictor::engine {

class MemoryBuilder {
 public:
  // Remembers the measured rows of these plans; each query counts once under a key, however many
  // of its plans were executed.
  MemoryBuilder(const Dataset& data, std::span<const int> plans);

  // What is known under `key` without the executions of `group`, or, `with_first`, with the first
  // of them alone.
  Remembered recall(uint64_t key, uint64_t group, bool with_first = false) const;

  // Is there an execution of the group, and is it another one than this?
  bool has_other_first(uint64_t group, int plan) const;

  // All entries, the most useful first: what many queries share and what stands for many others
  // helps a query never seen, what one query had helps that query alone.
  std::vector<Remembered> entries() const;

 private:
  struct Sum {
    double log_rows = 0, residual = 0;
    int count = 0;
    uint8_t level = 0;
  };
  struct Part {
    uint64_t key, group;
    bool operator==(const Part&) const = default;
  };
  struct PartHash {
    size_t operator()(const Part& p) const { return p.key ^ p.group * 0x9e3779b97f4a7c15u; }
  };
  struct Query {
    Sum all, first;  // of all its executions, and of the first; means once built
  };
  std::unordered_map<uint64_t, int> first_;  // plan of each group
  std::unordered_map<Part, Query, PartHash> parts_;
  std::unordered_map<uint64_t, Sum> sums_;  // of those means
};

// Writes what `memory` says, each plan's own query left out, into the features of all plans. Of
// some plans the first execution of their query stays in, so that training also meets queries that
// were executed before with another plan.
void recall_dataset(std::span<const OwnedRecord> records, const MemoryBuilder& memory,
                    Dataset& data);

}  // namespace predictor::engine

#endif
