#include "plan/predicate.h"

#include <charconv>
#include <cmath>

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
  clause_role = role;
  clause_shape = chain(0, kClauseKind, 0);
  clause_constants = clause_coarse = 0;
  open = true;
}

void PredicateHasher::end_clause() {
  if (!open) return;
  // Sums do not depend on the order of the clauses, and two equal clauses do not cancel out.
  shape += chain(clause_shape, kClauseKind, clause_role);
  if (clause_constants != 0) {
    selection += clause_shape;
    constants += chain(clause_shape, kConstantKind, clause_constants);
    coarse += chain(clause_shape, kConstantKind, clause_coarse);
  } else {
    links += clause_shape;
  }
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
  char buffer[16];
  std::string_view like = coarse_constant({static_cast<const char*>(text), length}, buffer);
  uint64_t coarse_block[] = {clause_coarse, siphash24(key, like.data(), like.size())};
  clause_coarse = siphash24_words(key, coarse_block, 2);
}

std::string_view coarse_constant(std::string_view text, char (&buffer)[16]) {
  if (text.size() > 2 && text.front() == '\'' && text.back() == '\'')
    text = text.substr(1, text.size() - 2);
  constexpr size_t kMonth = 7, kDate = 10;  // of YYYY-MM-DD
  auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  if (text.size() >= kDate && text[4] == '-' && text[kMonth] == '-' && is_digit(text[0]) &&
      is_digit(text[3]) && is_digit(text[5]) && is_digit(text[kDate - 1]))
    return text.substr(0, kMonth);
  double number = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(number))
    return text;
  constexpr double kStepsPerOctave = 2;
  double size = std::abs(number);
  // Small numbers are codes and counts more often than measurements: they stay apart.
  double step = size < 8 ? size : 100 + std::round(kStepsPerOctave * std::log2(size));
  auto written = std::to_chars(buffer, buffer + sizeof buffer,
                               static_cast<int>(std::copysign(std::round(step), number)));
  return {buffer, static_cast<size_t>(written.ptr - buffer)};
}

}  // namespace predictor
