#include "plan/predicate.h"

namespace predictor {
namespace {

constexpr unsigned kClauseKind = 1;
constexpr unsigned kConstantKind = 2;

uint64_t chain(uint64_t previous, uint64_t kind, uint64_t value) {
  uint64_t block[] = {previous, kind, value};
  return siphash24_words(kPublicKey, block, 3);
}

}  // namespace

void PredicateHasher::begin_clause(unsigned role) {
  clause_shape = chain(0, kClauseKind, role);
  clause_constants = 0;
  open = true;
}

void PredicateHasher::end_clause() {
  if (!open) return;
  // Sums do not depend on the order of the clauses, and two equal clauses do not cancel out.
  shape += clause_shape;
  if (clause_constants != 0) constants += chain(clause_shape, kConstantKind, clause_constants);
  clauses++;
  open = false;
}

void PredicateHasher::token(unsigned kind, const void* text, size_t length) {
  clause_shape = chain(clause_shape, kind, siphash24(kPublicKey, text, length));
}

void PredicateHasher::token(unsigned kind, uint64_t number) {
  clause_shape = chain(clause_shape, kind, number);
}

void PredicateHasher::constant(const void* text, size_t length) {
  clause_shape = chain(clause_shape, kConstantKind, 0);
  uint64_t block[] = {clause_constants, siphash24(key, text, length)};
  clause_constants = siphash24_words(key, block, 2);
}

}  // namespace predictor
