// predicate.h - turns a predicate into numbers: its shape and keyed hashes of its constants.
//
// A caller walks an expression and reports the tokens of its normal form (predicate_tokens.h);
// nothing is stored but the running hashes. Clauses of one node may come in any order: each clause
// is hashed alone, clauses are added up.
//
// Plain data, no allocation: safe where PostgreSQL may raise an error between two calls.
#ifndef PREDICTOR_PLAN_PREDICATE_H
#define PREDICTOR_PLAN_PREDICATE_H

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "plan/plan_record.h"
#include "plan/predicate_tokens.h"
#include "plan/siphash.h"

namespace predictor {

struct PredicateHasher {
  SipKey key;  // of the database

  // results over all clauses so far; 0 if there were none
  uint64_t shape = 0;      // of all clauses with their roles
  uint64_t selection = 0;  // of the clauses with constants, whatever their roles
  uint64_t links = 0;      // columns in the clauses without: a Bloom filter (see plan_record.h)
  uint64_t constants = 0;  // whatever the clauses' roles
  uint64_t coarse = 0;     // constants, made coarse
  unsigned clauses = 0;    // conditions, not keys

  // the clause being read
  unsigned clause_role = 0;
  uint64_t clause_shape = 0;
  uint64_t clause_constants = 0;
  uint64_t clause_coarse = 0;
  uint64_t clause_columns = 0;
  bool open = false;

  explicit PredicateHasher(SipKey secret) : key(secret) {}

  void begin_clause(unsigned role);
  void end_clause();

  // A column, an operator's, function's or keyword's name.
  void token(unsigned kind, std::string_view text);
  void token(unsigned kind, uint64_t number = 0);

  // The presence of a value, in the shape; then its content, if that is known.
  void value() { token(PREDICTOR_TOKEN_VALUE); }
  // A list of so many values; then the content of each.
  void list(size_t length);
  // Canonical content of a value or an element; only into the keyed hash.
  void content(PredictorValue value_class, std::string_view bytes);

  // Writes the results into the node.
  void put_into(PredictorNode& node) const;
};

}  // namespace predictor

#endif
