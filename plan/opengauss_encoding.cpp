#include "plan/opengauss_encoding.h"

#include <bit>
#include <cstdio>
#include <cstring>
#include <string_view>

namespace {

using Words = std::string_view;  // words with a space between two

constexpr int kOrientations = 2;
constexpr int kOperations = 20;
constexpr int kStrategies = 13;
constexpr int kOptions = 7;
static_assert(1 + kOrientations + kOperations + kStrategies + kOptions +
                  2 * PREDICTOR_OPENGAUSS_HASH_BITS ==
              PREDICTOR_OPENGAUSS_FEATURES);

struct Operation {
  std::string_view name;
  Words strategies;
  Words options;
};

// In the order of their positions.
constexpr Operation kTable[kOperations] = {
    {"ADAPTOR", "", ""},
    {"AGG", "PLAIN SORTED HASHED WINDOW", ""},
    {"APPEND", "PLAIN MERGE", ""},
    {"BITMAP", "AND OR", ""},
    {"EXTENSIBLE", "", ""},
    {"GROUP", "", ""},
    {"HASH", "", ""},
    {"JOIN", "NESTED_LOOP MERGE HASH", "INNER LEFT FULL RIGHT SEMI ANTI UNIQUE"},
    {"LIMIT", "", ""},
    {"LOCKROWS", "", ""},
    {"MATERIALIZE", "", ""},
    {"MODIFY_TABLE", "INSERT UPDATE DELETE MERGE", ""},
    {"PART_ITER", "", ""},
    {"RECURSIVE_UNION", "", ""},
    {"RESULT", "", ""},
    {"SCAN",
     "SEQ INDEX INDEX_ONLY BITMAP_INDEX BITMAP_HEAP TID SUBQUERY FOREIGN DATA_NODE FUNCTION VALUES "
     "CTE WORK_TABLE",
     "PARTITIONED DFS SAMPLE"},
    {"SET_OP", "SORTED HASHED", ""},
    {"SORT", "", ""},
    {"STREAM", "BROADCAST REDISTRIBUTE GATHER ROUND_ROBIN SCAN_GATHER PLAN_ROUTER HYBRID",
     "LOCAL SPLIT"},
    {"UNIQUE", "", ""},
};

// Position of the word, or -1.
int position(Words words, std::string_view word) {
  for (int at = 0; !words.empty(); at++) {
    const size_t end = words.find(' ');
    if (words.substr(0, end) == word) return at;
    words.remove_prefix(end == Words::npos ? words.size() : end + 1);
  }
  return -1;
}

// "1 " at `set`, "0 " elsewhere.
char* put_one_hot(char* out, int count, int set) {
  for (int i = 0; i < count; i++) {
    *out++ = i == set ? '1' : '0';
    *out++ = ' ';
  }
  return out;
}

char* put_bits(char* out, uint32_t hash) {
  for (int bit = 0; bit < PREDICTOR_OPENGAUSS_HASH_BITS; bit++) {
    *out++ = (hash >> bit & 1) != 0 ? '1' : '0';
    *out++ = ' ';
  }
  return out;
}

uint32_t little_endian_word(const unsigned char* bytes, size_t count) {
  uint32_t word = 0;
  for (size_t i = 0; i < count; i++) word |= uint32_t{bytes[i]} << (8 * i);
  return word;
}

void mix(uint32_t& a, uint32_t& b, uint32_t& c) {
  const auto turn = [](uint32_t& x, uint32_t& y, uint32_t& z, int bits) {
    x -= z;
    x ^= std::rotl(z, bits);
    z += y;
  };
  turn(a, b, c, 4);
  turn(b, c, a, 6);
  turn(c, a, b, 8);
  turn(a, b, c, 16);
  turn(b, c, a, 19);
  turn(c, a, b, 4);
}

uint32_t finish(uint32_t a, uint32_t b, uint32_t c) {
  const auto turn = [](uint32_t& x, uint32_t y, int bits) {
    x ^= y;
    x -= std::rotl(y, bits);
  };
  turn(c, b, 14);
  turn(a, c, 11);
  turn(b, a, 25);
  turn(c, b, 16);
  turn(a, c, 4);
  turn(b, a, 14);
  turn(c, b, 24);
  return c;
}

}  // namespace

extern "C" uint32_t predictor_opengauss_hash(const char* text, size_t length) {
  const auto* at = reinterpret_cast<const unsigned char*>(text);
  uint32_t a = 0x9e3779b9U + static_cast<uint32_t>(length) + 3923095U;
  uint32_t b = a;
  uint32_t c = a;
  for (; length >= 12; length -= 12, at += 12) {
    a += little_endian_word(at, 4);
    b += little_endian_word(at + 4, 4);
    c += little_endian_word(at + 8, 4);
    mix(a, b, c);
  }
  const auto tail = [at, length](size_t from, size_t most) -> uint32_t {
    return length <= from
               ? 0
               : little_endian_word(at + from, length - from < most ? length - from : most);
  };
  a += tail(0, 4);
  b += tail(4, 4);
  // The lowest byte of the last word is the length's, which the start values hold.
  c += tail(8, 3) << 8;
  return finish(a, b, c);
}

extern "C" size_t predictor_opengauss_encode(const char* operation, const char* orientation,
                                             const char* strategy, const char* options, int64_t dop,
                                             uint32_t condition_hash, uint32_t projection_hash,
                                             char* out) {
  const Operation* found = nullptr;
  for (const Operation& candidate : kTable) {
    if (candidate.name == operation) found = &candidate;
  }
  char* at = out;
  if (dop == 0) {
    at += std::snprintf(at, 8, "inf ");
  } else {
    at += std::snprintf(at, 8, "%.3f ", 1.0 / static_cast<double>(dop));
  }
  at = put_one_hot(at, kOrientations, position("ROW COL", orientation));
  at = put_one_hot(at, kOperations, found == nullptr ? -1 : static_cast<int>(found - kTable));
  at = put_one_hot(at, kStrategies, found == nullptr ? -1 : position(found->strategies, strategy));
  at = put_one_hot(at, kOptions, found == nullptr ? -1 : position(found->options, options));
  at = put_bits(at, condition_hash);
  at = put_bits(at, projection_hash);
  *at = '\0';
  return static_cast<size_t>(at - out);
}
