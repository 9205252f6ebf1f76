// predicate_text.h - reduces an expression as EXPLAIN prints it to the normal form of
// predicate_tokens.h and hashes that.
//
// Expects what PostgreSQL's deparser writes without pretty printing: every operator in parentheses,
// keywords in capitals. Any other text gives some hash, never an error.
#ifndef PREDICTOR_PLAN_PREDICATE_TEXT_H
#define PREDICTOR_PLAN_PREDICATE_TEXT_H

#include <string_view>
#include <vector>

#include "plan/predicate.h"

namespace predictor {

// Adds every clause of `text` to `hasher`: "((a > 1) AND (b = 'x'::text))" has two.
void hash_predicate_text(std::string_view text, PredictorRole role, PredicateHasher& hasher);

// Adds one clause of several expressions: the keys of a sort or of a group.
void hash_keys(const std::vector<std::string_view>& keys, PredictorRole role,
               PredicateHasher& hasher);

// The sample that a Sample Scan takes.
void hash_sampling(std::string_view method, const std::vector<std::string_view>& parameters,
                   std::string_view seed, PredicateHasher& hasher);

// Who provides a Custom Scan.
void hash_provider(std::string_view name, PredicateHasher& hasher);

}  // namespace predictor

#endif
