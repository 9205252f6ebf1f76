// trace.h - reads trace files: one line per execution, each what EXPLAIN (ANALYZE, FORMAT JSON)
// prints, optionally with "Group", "Database", "Settings" and "Timed Out"; plain or compressed with
// zstd (told by the content, not by the name).
//
// A line that cannot be used is not an error: it is counted by reason, with its number. Constants
// are hashed under the public key (kPublicKeyId).
#ifndef PREDICTOR_ENGINE_TRACE_H
#define PREDICTOR_ENGINE_TRACE_H

#include <cstddef>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "engine/error.h"
#include "plan/codec.h"

namespace predictor::engine {

struct TracePlan {
  OwnedRecord record;  // total_time is NaN where the line has no "Execution Time"
  std::string group;   // database and group; what belongs together where the line names no group
  size_t line = 0;     // from 1
};

struct Trace {
  std::filesystem::path path;
  std::vector<TracePlan> plans;
  size_t lines = 0;
  std::map<std::string, std::vector<size_t>> rejected;  // by reason, the lines' numbers
  std::map<std::string, std::vector<size_t>> remarks;   // on lines that were used all the same
};

// Fails if the file cannot be read or decompressed to its end.
Result<Trace> read_trace(const std::filesystem::path& path);

// Moves the plans without a time to learn from or to score with into `rejected`.
void require_times(Trace& trace);

// The record without what only its execution revealed, and without how it was instrumented: what is
// known of a statement that has not run.
OwnedRecord without_actuals(const OwnedRecord& record);

// Whether two records are of the same plan: structure, estimates and constants.
bool is_same_plan(const OwnedRecord& a, const OwnedRecord& b);

}  // namespace predictor::engine

#endif
