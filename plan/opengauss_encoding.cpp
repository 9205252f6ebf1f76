#include "plan/opengauss_encoding.h"

#include <bit>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <string_view>

#include "plan/operators.h"

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

namespace {

struct NodeWords {
  int op;
  const char* operation;
  const char* strategy;
};

// What depends on more than the operator is in predictor_opengauss_words().
constexpr NodeWords kNodeWords[] = {
    {PREDICTOR_OP_RESULT, "RESULT", ""},
    {PREDICTOR_OP_MODIFY_TABLE, "MODIFY_TABLE", ""},
    {PREDICTOR_OP_APPEND, "APPEND", "PLAIN"},
    {PREDICTOR_OP_MERGE_APPEND, "APPEND", "MERGE"},
    {PREDICTOR_OP_RECURSIVE_UNION, "RECURSIVE_UNION", ""},
    {PREDICTOR_OP_BITMAP_AND, "BITMAP", "AND"},
    {PREDICTOR_OP_BITMAP_OR, "BITMAP", "OR"},
    {PREDICTOR_OP_NESTED_LOOP, "JOIN", "NESTED_LOOP"},
    {PREDICTOR_OP_MERGE_JOIN, "JOIN", "MERGE"},
    {PREDICTOR_OP_HASH_JOIN, "JOIN", "HASH"},
    {PREDICTOR_OP_SEQ_SCAN, "SCAN", "SEQ"},
    {PREDICTOR_OP_SAMPLE_SCAN, "SCAN", "SEQ"},
    {PREDICTOR_OP_GATHER, "STREAM", "GATHER"},
    {PREDICTOR_OP_GATHER_MERGE, "STREAM", "GATHER"},
    {PREDICTOR_OP_INDEX_SCAN, "SCAN", "INDEX"},
    {PREDICTOR_OP_INDEX_ONLY_SCAN, "SCAN", "INDEX_ONLY"},
    {PREDICTOR_OP_BITMAP_INDEX_SCAN, "SCAN", "BITMAP_INDEX"},
    {PREDICTOR_OP_BITMAP_HEAP_SCAN, "SCAN", "BITMAP_HEAP"},
    {PREDICTOR_OP_TID_SCAN, "SCAN", "TID"},
    {PREDICTOR_OP_SUBQUERY_SCAN, "SCAN", "SUBQUERY"},
    {PREDICTOR_OP_FUNCTION_SCAN, "SCAN", "FUNCTION"},
    {PREDICTOR_OP_TABLE_FUNCTION_SCAN, "SCAN", "FUNCTION"},
    {PREDICTOR_OP_VALUES_SCAN, "SCAN", "VALUES"},
    {PREDICTOR_OP_CTE_SCAN, "SCAN", "CTE"},
    {PREDICTOR_OP_WORK_TABLE_SCAN, "SCAN", "WORK_TABLE"},
    {PREDICTOR_OP_FOREIGN_SCAN, "SCAN", "FOREIGN"},
    {PREDICTOR_OP_CUSTOM_SCAN, "EXTENSIBLE", ""},
    {PREDICTOR_OP_MATERIALIZE, "MATERIALIZE", ""},
    {PREDICTOR_OP_MEMOIZE, "MATERIALIZE", ""},
    {PREDICTOR_OP_SORT, "SORT", ""},
    {PREDICTOR_OP_INCREMENTAL_SORT, "SORT", ""},
    {PREDICTOR_OP_GROUP, "GROUP", ""},
    {PREDICTOR_OP_AGGREGATE, "AGG", "PLAIN"},
    {PREDICTOR_OP_WINDOW_AGG, "AGG", "HASHED"},
    {PREDICTOR_OP_UNIQUE, "UNIQUE", ""},
    {PREDICTOR_OP_SET_OP, "SET_OP", ""},
    {PREDICTOR_OP_LOCK_ROWS, "LOCKROWS", ""},
    {PREDICTOR_OP_LIMIT, "LIMIT", ""},
    {PREDICTOR_OP_HASH, "HASH", ""},
};

const char* strategy_word_of(int strategy) {
  switch (strategy) {
    case PREDICTOR_STRATEGY_SORTED:
      return "SORTED";
    case PREDICTOR_STRATEGY_HASHED:
    case PREDICTOR_STRATEGY_MIXED:
      return "HASHED";
    default:
      return "PLAIN";
  }
}

const char* command_word_of(int command) {
  switch (command) {
    case PREDICTOR_COMMAND_INSERT:
      return "INSERT";
    case PREDICTOR_COMMAND_UPDATE:
      return "UPDATE";
    case PREDICTOR_COMMAND_DELETE:
      return "DELETE";
    case PREDICTOR_COMMAND_MERGE:
      return "MERGE";
    default:
      return "";
  }
}

}  // namespace

extern "C" void predictor_opengauss_words(int op, int strategy, int command,
                                          const char** operation_word, const char** strategy_word) {
  *operation_word = "???";
  *strategy_word = "";
  for (const NodeWords& words : kNodeWords) {
    if (words.op != op) continue;
    *operation_word = words.operation;
    *strategy_word = words.strategy;
  }
  if (op == PREDICTOR_OP_AGGREGATE || op == PREDICTOR_OP_SET_OP) {
    *strategy_word = strategy_word_of(strategy);
  } else if (op == PREDICTOR_OP_MODIFY_TABLE) {
    *strategy_word = command_word_of(command);
  }
}

extern "C" const char* predictor_opengauss_options(int op, int join_type) {
  if (op == PREDICTOR_OP_SAMPLE_SCAN) return "SAMPLE ";
  switch (join_type) {
    case PREDICTOR_JOIN_INNER:
      return "INNER ";
    case PREDICTOR_JOIN_LEFT:
      return "LEFT ";
    case PREDICTOR_JOIN_FULL:
      return "FULL ";
    case PREDICTOR_JOIN_RIGHT:
      return "RIGHT ";
    case PREDICTOR_JOIN_SEMI:
      return "SEMI ";
    case PREDICTOR_JOIN_ANTI:
      return "ANTI ";
    case PREDICTOR_JOIN_RIGHT_ANTI:
      return "RIGHT ANTI ";
    case PREDICTOR_JOIN_RIGHT_SEMI:
      return "RIGHT SEMI ";
    default:
      return "";
  }
}

extern "C" void predictor_opengauss_shape(uint64_t predicate, char* out) {
  if (predicate == 0) {
    std::snprintf(out, PREDICTOR_OPENGAUSS_SHAPE_SIZE, " ");
  } else {
    std::snprintf(out, PREDICTOR_OPENGAUSS_SHAPE_SIZE, "  && (shape %" PRIx64 ")", predicate);
  }
}

extern "C" size_t predictor_opengauss_encode_node(const PredictorNode* node, char* out) {
  const char* operation;
  const char* strategy;
  predictor_opengauss_words(node->op, node->strategy, node->command, &operation, &strategy);
  uint32_t condition = node->text_hashes;
  uint32_t projection = node->text_hashes >> PREDICTOR_OPENGAUSS_HASH_BITS;
  if (node->text_hashes == 0) {
    char shape[PREDICTOR_OPENGAUSS_SHAPE_SIZE];
    predictor_opengauss_shape(node->predicate, shape);
    condition = predictor_opengauss_hash(shape, std::strlen(shape));
    projection = predictor_opengauss_hash(" ", 1);
  }
  const int64_t dop = 1 + (node->workers_planned > 0 ? node->workers_planned : 0);
  return predictor_opengauss_encode(operation, "ROW", strategy,
                                    predictor_opengauss_options(node->op, node->join_type), dop,
                                    condition, projection, out);
}
