#include "plan/opengauss_encoding.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <string_view>

#include "plan/operators.h"

namespace {

uint32_t hash(std::string_view text) { return predictor_opengauss_hash(text.data(), text.size()); }

std::string encode(const char* operation, const char* orientation, const char* strategy,
                   const char* options, int64_t dop, std::string_view condition,
                   std::string_view projection) {
  char text[PREDICTOR_OPENGAUSS_TEXT_SIZE];
  const size_t length = predictor_opengauss_encode(operation, orientation, strategy, options, dop,
                                                   hash(condition), hash(projection), text);
  EXPECT_EQ(text[length], '\0');
  EXPECT_EQ(std::count(text, text + length, ' '), PREDICTOR_OPENGAUSS_FEATURES);
  return std::string(text, length);
}

// Number `index` of an encoding, as text.
std::string number(const std::string& encoding, int index) {
  size_t from = 0;
  for (; index > 0; index--) from = encoding.find(' ', from) + 1;
  return encoding.substr(from, encoding.find(' ', from) - from);
}

TEST(OpenGaussEncoding, hashes_as_the_kernel_does) {
  EXPECT_EQ(hash(""), 2817148525U);
  EXPECT_EQ(hash(" "), 1206411442U);
  EXPECT_EQ(hash("  && "), 2272927317U);
  EXPECT_EQ(hash("a"), 1075015857U);
  EXPECT_EQ(hash("public.t.a"), 982183842U);
  EXPECT_EQ(hash("  && (public.region.r_name = 'EUROPE '::bpchar)"), 1040182698U);
}

TEST(OpenGaussEncoding, a_node_without_condition_is_encoded_to_the_bit) {
  EXPECT_EQ(
      encode("HASH", "ROW", "", "", 1, " ", " public.part.p_partkey, public.part.p_mfgr"),
      "1.000 1 0 0 0 0 0 0 0 1 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 "
      "0 1 0 0 1 1 0 1 0 0 0 0 1 1 1 0 1 0 1 1 0 0 0 0 ");
}

TEST(OpenGaussEncoding, a_scan_is_encoded_to_the_bit) {
  EXPECT_EQ(
      encode("SCAN", "ROW", "SEQ", "", 1,
             "  && (((public.part.p_type)::text ~~ 'SMALL%'::text) AND (public.part.p_size = "
             "15))",
             " public.part.p_partkey, public.part.p_mfgr"),
      "1.000 1 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 1 0 0 0 0 1 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 "
      "1 0 0 0 1 1 0 1 1 0 0 0 1 1 1 0 1 0 1 1 0 0 0 0 ");
}

TEST(OpenGaussEncoding, parallelism_is_its_reciprocal) {
  EXPECT_EQ(number(encode("SORT", "ROW", "", "", 3, "", ""), 0), "0.333");
  EXPECT_EQ(number(encode("SORT", "ROW", "", "", 0, "", ""), 0), "inf");
  EXPECT_EQ(number(encode("SORT", "ROW", "", "", INT64_MIN, "", ""), 0), "-0.000");
}

TEST(OpenGaussEncoding, strategies_and_options_depend_on_the_operation) {
  const std::string join = encode("JOIN", "COL", "HASH", "SEMI", 1, "", "");
  EXPECT_EQ(number(join, 2), "1");
  EXPECT_EQ(number(join, 3 + 7), "1");
  EXPECT_EQ(number(join, 23 + 2), "1");
  EXPECT_EQ(number(join, 36 + 4), "1");
  // A hash join's strategy is no strategy of a scan, and words are compared exactly.
  EXPECT_EQ(encode("SCAN", "ROW", "HASH", " SEMI ", 1, "", "").substr(6 + 2 * 22, 2 * 20),
            std::string("0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 "));
}

TEST(OpenGaussEncoding, options_of_nodes_leave_zeros_as_those_of_the_kernel_do) {
  EXPECT_STREQ(predictor_opengauss_options(PREDICTOR_OP_HASH_JOIN, PREDICTOR_JOIN_RIGHT_SEMI),
               "RIGHT SEMI ");
  EXPECT_STREQ(predictor_opengauss_options(PREDICTOR_OP_SAMPLE_SCAN, PREDICTOR_JOIN_NONE),
               "SAMPLE ");
  EXPECT_STREQ(predictor_opengauss_options(PREDICTOR_OP_SORT, PREDICTOR_JOIN_NONE), "");
  const std::string join = encode("JOIN", "ROW", "HASH", "INNER ", 1, "", "");
  for (int i = 36; i < 43; i++) EXPECT_EQ(number(join, i), "0") << i;
}

// A node has the hashes of its texts, or those of what stands for them.
TEST(OpenGaussEncoding, nodes_are_encoded_with_hashes_of_their_texts_or_shapes) {
  const auto encoded = [](const PredictorNode& node) {
    char text[PREDICTOR_OPENGAUSS_TEXT_SIZE];
    return std::string(text, predictor_opengauss_encode_node(&node, text));
  };
  PredictorNode node;
  predictor_clear_node(&node);
  node.op = PREDICTOR_OP_SEQ_SCAN;
  node.workers_planned = 3;
  EXPECT_EQ(encoded(node), encode("SCAN", "ROW", "SEQ", "", 4, " ", " "));
  node.predicate = 0xabc;
  EXPECT_EQ(encoded(node), encode("SCAN", "ROW", "SEQ", "", 4, "  && (shape abc)", " "));
  const uint32_t condition = predictor_opengauss_hash("x", 1) & 0xfff;
  const uint32_t projection = predictor_opengauss_hash("y", 1) & 0xfff;
  node.text_hashes = PREDICTOR_NODE_HAS_TEXT_HASHES | condition | projection << 12;
  EXPECT_EQ(encoded(node), encode("SCAN", "ROW", "SEQ", "", 4, "x", "y"));
}

TEST(OpenGaussEncoding, unknown_words_leave_zeros) {
  const std::string unknown = encode("ASOF", "DIAGONAL", "SEQ", "INNER", 1, "", "");
  for (int i = 1; i < 43; i++) EXPECT_EQ(number(unknown, i), "0") << i;
}

// Every operator that openGauss has words for is one that the encoding knows.
TEST(OpenGaussEncoding, words_of_nodes_are_words_of_the_encoding) {
  int unknown = 0;
  for (int op = 0; op < PREDICTOR_OPERATOR_COUNT; op++) {
    const char* operation;
    const char* strategy;
    predictor_opengauss_words(op, PREDICTOR_STRATEGY_HASHED, PREDICTOR_COMMAND_UPDATE, &operation,
                              &strategy);
    const std::string text = encode(operation, "ROW", strategy, "", 1, "", "");
    const auto ones = [&text](int from, int to) {
      int count = 0;
      for (int i = from; i < to; i++) count += number(text, i) == "1";
      return count;
    };
    const bool is_known = std::string_view(operation) != "???";
    unknown += !is_known;
    EXPECT_EQ(ones(3, 23), is_known ? 1 : 0) << predictor_operator_name(op);
    EXPECT_EQ(ones(23, 36), *strategy != '\0' ? 1 : 0) << predictor_operator_name(op);
  }
  EXPECT_EQ(unknown, 4);  // "???", ProjectSet, Tid Range Scan, Named Tuplestore Scan
}

}  // namespace
