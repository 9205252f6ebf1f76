// value.h - canonical forms of constants: predicate_tokens.h says what each class's is.
//
// Nothing here allocates but value_of_text(), which only the reader of EXPLAIN text calls.
#ifndef PREDICTOR_PLAN_VALUE_H
#define PREDICTOR_PLAN_VALUE_H

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "plan/predicate_tokens.h"

namespace predictor {

// Room for any canonical number: sign, kNumberDigits digits, exponent.
inline constexpr size_t kNumberDigits = 512;  // further ones do not count
inline constexpr size_t kNumberSize = kNumberDigits + 16;
inline constexpr size_t kCoarseSize = 24;

// "-1.50", "1e5", "NaN", "Infinity" -> "-15e-1", "1e5", "nan", "inf"; 0 is "0". Writes into `out`
// and returns what it wrote; empty if `text` is no number.
std::string_view canonical_number(std::string_view text, char (&out)[kNumberSize]);

std::string_view canonical_number(int64_t number, char (&out)[kNumberSize]);
std::string_view canonical_number(double number, char (&out)[kNumberSize]);
std::string_view canonical_number(float number, char (&out)[kNumberSize]);

// What values that are alike have in common, for memories that look for the like of what they have
// seen: numbers count in half octaves, points in time in months, all else as it is. Takes canonical
// bytes; returns them or a part of `buffer`.
std::string_view coarse_value(PredictorValue value_class, std::string_view canonical,
                              char (&buffer)[kCoarseSize]);

struct Value {
  PredictorValue value_class;
  std::string bytes;  // canonical
};

// A literal as EXPLAIN prints it, without quotes, and the name of its type without schema and
// modifiers. Values of types that are not known here count as their text.
Value value_of_text(std::string_view text, std::string_view type);

// The elements of an array's literal, "{1,2,NULL}", nested ones in reading order.
std::vector<Value> values_of_array(std::string_view text, std::string_view element_type);

// Bytes of one or more integers, as the canonical form of times and intervals has them.
inline std::string_view bytes_of(const int64_t* numbers, size_t count) {
  return {reinterpret_cast<const char*>(numbers), count * sizeof(int64_t)};
}

}  // namespace predictor

#endif
