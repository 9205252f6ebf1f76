// explain_json.h - the second mouth: reads what EXPLAIN (FORMAT JSON), with or without ANALYZE,
// prints for one statement into the same record that the backend makes from a plan tree.
//
// Trace files, auto_explain's JSON log and predictor.import_plan() come through here. Keys of
// PostgreSQL 12 to 18 are known; unknown keys are ignored. Shapes equal the backend's where EXPLAIN
// was VERBOSE: only then does it print schemas and the calls of function scans.
#ifndef PREDICTOR_PLAN_EXPLAIN_JSON_H
#define PREDICTOR_PLAN_EXPLAIN_JSON_H

#include <string>
#include <string_view>

#include "plan/codec.h"
#include "plan/siphash.h"

namespace predictor {

enum class ExplainStatus {
  kOk,
  kNotJson,
  kNoPlan,        // no "Plan" with a "Node Type"
  kTooManyNodes,  // more than PREDICTOR_MAX_NODES, or nested too deep
  kBadNumber,     // a cost, time or count is negative or no number
};

// A sentence for people; never null.
const char* explain_status_text(ExplainStatus status);

// Under which key constants are hashed; offline tools have only the public one.
struct HashingKey {
  SipKey key = kPublicKey;
  uint64_t id = kPublicKeyId;
};

struct ExplainedPlan {
  OwnedRecord
      record;         // signed; total_time is "Execution Time", else the root's, NaN without either
  std::string group;  // "Group" of a trace file
  std::string database;   // "Database" of a trace file
  int unknown_nodes = 0;  // nodes whose "Node Type" is not in our vocabulary
};

// `text` is one JSON object with a "Plan", or an array of one. No exception escapes.
ExplainStatus read_explain_json(std::string_view text, ExplainedPlan& out,
                                const HashingKey& key = {});

}  // namespace predictor

#endif
