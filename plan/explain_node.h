// explain_node.h - one node of EXPLAIN (FORMAT JSON) as one node of a record; explain_json.cpp
// walks the tree.
#ifndef PREDICTOR_PLAN_EXPLAIN_NODE_H
#define PREDICTOR_PLAN_EXPLAIN_NODE_H

#include <nlohmann/json.hpp>
#include <string_view>

#include "plan/plan_record.h"
#include "plan/siphash.h"

namespace predictor {

using Json = nlohmann::json;

// The text of a key; empty if it is missing or no text.
std::string_view text_of(const Json& object, const char* key);
bool is_true(const Json& object, const char* key);

// NaN if the key is missing or null. Sets `bad` when it is no number, negative or infinite.
double amount_of(const Json& object, const char* key, bool& bad);

// Fills everything of a node but its parent. `bad` as above. Constants are hashed under `key`.
void read_explained_node(const Json& json, SipKey key, PredictorNode& node, bool& bad);

}  // namespace predictor

#endif
