#include "plan/predicate.h"

#include <algorithm>
#include <bit>

#include "plan/value.h"

namespace predictor {
namespace {

constexpr unsigned kClauseKind = 1;
constexpr unsigned kConstantKind = 2;

uint64_t chain(uint64_t previous, uint64_t kind, uint64_t value) {
  uint64_t block[] = {previous, kind, value};
  return siphash24_words(kPublicKey, block);
}

// Does the clause say which rows there are, or only in what order they come?
bool selects_rows(unsigned role) {
  return role != PREDICTOR_ROLE_SORT_KEY && role != PREDICTOR_ROLE_CACHE_KEY &&
         role != PREDICTOR_ROLE_ORDER_BY && role != PREDICTOR_ROLE_PROVIDER;
}

bool is_condition(unsigned role) {
  return selects_rows(role) && role != PREDICTOR_ROLE_GROUP_KEY &&
         role != PREDICTOR_ROLE_FUNCTION_CALL && role != PREDICTOR_ROLE_SAMPLING;
}

}  // namespace

void PredicateHasher::begin_clause(unsigned role) {
  clause_role = role;
  clause_shape = chain(0, kClauseKind, 0);
  clause_constants = clause_coarse = clause_columns = 0;
  open = true;
}

void PredicateHasher::end_clause() {
  if (!open) return;
  open = false;
  // Sums do not depend on the order of the clauses, and two equal clauses do not cancel out.
  shape += chain(clause_shape, kClauseKind, clause_role);
  if (clause_constants != 0) {
    constants += chain(clause_shape, kConstantKind, clause_constants);
    coarse += chain(clause_shape, kConstantKind, clause_coarse);
  }
  if (selects_rows(clause_role)) {
    if (clause_constants != 0)
      selection += clause_shape;
    else
      links |= clause_columns;
  }
  if (is_condition(clause_role)) clauses++;
}

void PredicateHasher::token(unsigned kind, std::string_view text) {
  const uint64_t hash = siphash24(kPublicKey, text.data(), text.size());
  clause_shape = chain(clause_shape, kind, hash);
  if (kind == PREDICTOR_TOKEN_COLUMN)
    clause_columns |= uint64_t{1} << (hash & 63) | uint64_t{1} << (hash >> 6 & 63);
}

void PredicateHasher::token(unsigned kind, uint64_t number) {
  clause_shape = chain(clause_shape, kind, number);
}

void PredicateHasher::list(size_t length) {
  token(PREDICTOR_TOKEN_LIST, static_cast<uint64_t>(std::bit_width(length)));
}

void PredicateHasher::content(PredictorValue value_class, std::string_view bytes) {
  auto absorb = [&](uint64_t& running, std::string_view what) {
    uint64_t block[] = {running, value_class, siphash24(key, what.data(), what.size())};
    running = siphash24_words(key, block);
  };
  absorb(clause_constants, bytes);
  char buffer[kCoarseSize];
  absorb(clause_coarse, coarse_value(value_class, bytes, buffer));
}

void PredicateHasher::put_into(PredictorNode& node) const {
  node.predicate = shape;
  node.selection = selection;
  node.links = links;
  node.constants = constants;
  node.coarse = coarse;
  node.clauses = static_cast<uint8_t>(std::min(clauses, 255u));
}

}  // namespace predictor
