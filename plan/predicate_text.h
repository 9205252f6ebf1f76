// predicate_text.h - hashes a predicate as EXPLAIN prints it, with constants apart from its shape.
#ifndef PREDICTOR_PLAN_PREDICATE_TEXT_H
#define PREDICTOR_PLAN_PREDICATE_TEXT_H

#include <string_view>

#include "plan/predicate.h"

namespace predictor {

// Adds every clause of `text` to `hasher`: "((a > 1) AND (b = 'x'::text))" has two. Numbers, quoted
// strings and parameters ($1) are constants; casts of constants are left out, so that a literal and
// a parameter have one shape.
void hash_predicate_text(std::string_view text, PredicateRole role, PredicateHasher& hasher);

}  // namespace predictor

#endif
