// predicate.h - turns a predicate into two numbers: its shape and a keyed hash of its constants.
//
// A caller walks an expression and reports what it meets; nothing is stored but the running hashes.
// Columns, operators, functions and node kinds make the shape; constants and bound parameters only
// leave a mark of their presence there, and their canonical text goes into the keyed hash.
// Clauses of one node may come in any order: each clause is hashed alone, clauses are added up.
//
// Plain data, no allocation: safe where PostgreSQL may raise an error between two calls.
#ifndef PREDICTOR_PLAN_PREDICATE_H
#define PREDICTOR_PLAN_PREDICATE_H

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "plan/siphash.h"

namespace predictor {

// Roles of clauses, named as EXPLAIN prints the property they stand in. Part of every shape:
// append, never renumber.
enum PredicateRole : unsigned {
  kFilterRole = 1,
  kIndexCondRole = 2,
  kRecheckCondRole = 3,
  kTidCondRole = 4,
  kHashCondRole = 5,
  kMergeCondRole = 6,
  kJoinFilterRole = 7,
  kOneTimeFilterRole = 8,
  kOrderByRole = 9,  // of an index scan
  kRunConditionRole = 10,
};

struct PredicateHasher {
  SipKey key;  // of the database

  // results over all clauses so far; 0 if there were none
  uint64_t shape = 0;      // of all clauses with their roles
  uint64_t selection = 0;  // of the clauses with constants, whatever their roles
  uint64_t links = 0;      // of the clauses without
  uint64_t constants = 0;  // whatever the clauses' roles
  uint64_t coarse = 0;     // constants, made coarse
  unsigned clauses = 0;

  // the clause being read
  unsigned clause_role = 0;
  uint64_t clause_shape = 0;
  uint64_t clause_constants = 0;
  uint64_t clause_coarse = 0;
  bool open = false;

  explicit PredicateHasher(SipKey secret) : key(secret) {}

  // `role` tells an index condition from a filter, a hash condition and so on.
  void begin_clause(unsigned role);
  void end_clause();

  // Anything that belongs to the shape: a column, an operator's or function's name, a node kind.
  void token(unsigned kind, const void* text, size_t length);
  void token(unsigned kind, uint64_t number);

  // A constant or an external parameter's value, in the canonical text that both mouths agree on.
  void constant(const void* text, size_t length);
};

// What constants that are alike have in common, for memories that look for the like of what they
// have seen: numbers count in half octaves, dates and timestamps in months, all else as it is.
// Returns a part of `text` or of `buffer`.
std::string_view coarse_constant(std::string_view text, char (&buffer)[16]);

}  // namespace predictor

#endif
