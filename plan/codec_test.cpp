#include "plan/codec.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "plan/test_plans.h"

namespace predictor {
namespace {

std::vector<std::byte> encode(const OwnedRecord& r) {
  std::vector<std::byte> bytes(encoded_size(static_cast<int>(r.nodes.size())));
  bytes.resize(encode_record(r.view(), bytes));
  EXPECT_FALSE(bytes.empty());
  return bytes;
}

// Fields of a record as bytes; NaN equals NaN there.
std::vector<std::byte> fields(const OwnedRecord& r) { return encode(r); }

DecodeStatus decode(std::span<const std::byte> bytes) {
  OwnedRecord r;
  size_t consumed = 0;
  return decode_owned(bytes, r, consumed);
}

template <typename T>
std::vector<std::byte> patched(std::vector<std::byte> bytes, size_t at, T value) {
  std::memcpy(bytes.data() + at, &value, sizeof value);
  return bytes;
}

TEST(Codec, decodes_what_it_encoded) {
  std::mt19937 random(1);
  for (int round = 0; round < 200; round++) {
    OwnedRecord original = test::random_plan(random, 1 + static_cast<int>(random() % 40));
    std::vector<std::byte> bytes = encode(original);
    OwnedRecord copy;
    size_t consumed = 0;
    ASSERT_EQ(decode_owned(bytes, copy, consumed), DecodeStatus::kOk);
    EXPECT_EQ(consumed, bytes.size());
    EXPECT_EQ(peek_node_count(bytes), static_cast<int>(original.nodes.size()));
    EXPECT_EQ(fields(copy), fields(original));
  }
}

TEST(Codec, largest_plan_fits_and_a_larger_one_is_not_encoded) {
  std::mt19937 random(2);
  OwnedRecord r = test::random_plan(random, PREDICTOR_MAX_NODES);
  EXPECT_EQ(decode(encode(r)), DecodeStatus::kOk);
  r.nodes.push_back(r.nodes.back());
  std::vector<std::byte> bytes(encoded_size(PREDICTOR_MAX_NODES + 1));
  EXPECT_EQ(encode_record(r.view(), bytes), 0u);
}

TEST(Codec, writes_nothing_into_a_buffer_that_is_too_small) {
  OwnedRecord r = test::nested_loop_plan();
  std::vector<std::byte> bytes(encode(r).size() - 1, std::byte{0x5a});
  EXPECT_EQ(encode_record(r.view(), bytes), 0u);
  EXPECT_TRUE(std::all_of(bytes.begin(), bytes.end(), [](auto b) { return b == std::byte{0x5a}; }));
}

TEST(Codec, what_was_not_measured_takes_no_room) {
  OwnedRecord r = test::nested_loop_plan();
  r.statement.instrumentation = PREDICTOR_INSTRUMENT_ROWS;
  EXPECT_EQ(encode(r).size(), encoded_size(4));
  r.nodes[0].flags |= PREDICTOR_NODE_HAS_ROWS;
  r.nodes[0].actual_rows = 5;
  r.statement.instrumentation = PREDICTOR_INSTRUMENT_NONE;
  std::vector<std::byte> bytes = encode(r);
  EXPECT_LT(bytes.size(), encoded_size(4));
  OwnedRecord copy;
  size_t consumed = 0;
  ASSERT_EQ(decode_owned(bytes, copy, consumed), DecodeStatus::kOk);
  EXPECT_EQ(copy.nodes[0].flags & PREDICTOR_NODE_ACTUAL_FLAGS, 0);
  EXPECT_TRUE(std::isnan(copy.nodes[0].actual_rows));
}

TEST(Codec, header_is_checked) {
  std::byte header[kStreamHeaderSize];
  encode_header(header);
  EXPECT_EQ(check_header(header), DecodeStatus::kOk);
  for (size_t i = 0; i < kStreamHeaderSize; i++) {
    header[i] ^= std::byte{1};
    EXPECT_EQ(check_header(header), DecodeStatus::kBadHeader);
    EXPECT_EQ(check_header(std::span(header, i)), DecodeStatus::kBadHeader);
    header[i] ^= std::byte{1};
  }
}

TEST(Codec, every_truncation_is_noticed) {
  std::vector<std::byte> bytes = encode(test::nested_loop_plan());
  for (size_t length = 0; length < bytes.size(); length++) {
    // A copy of exact size, so that a sanitizer sees any read beyond it.
    std::vector<std::byte> cut(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(length));
    EXPECT_EQ(decode(cut), DecodeStatus::kTruncated) << length;
    EXPECT_EQ(peek_node_count(cut), -1);
  }
}

TEST(Codec, any_flipped_bit_gives_a_valid_record_or_an_error) {
  std::mt19937 random(3);
  std::vector<std::byte> bytes = encode(test::random_plan(random, 5));
  for (size_t bit = 0; bit < bytes.size() * 8; bit++) {
    bytes[bit / 8] ^= std::byte(1 << bit % 8);
    OwnedRecord r;
    size_t consumed = 0;
    if (decode_owned(bytes, r, consumed) == DecodeStatus::kOk) {
      EXPECT_EQ(encode(r), bytes);
    }
    EXPECT_LE(r.nodes.size(), 5u);
    bytes[bit / 8] ^= std::byte(1 << bit % 8);
  }
}

TEST(Codec, random_bytes_never_allocate_more_than_they_warrant) {
  std::mt19937 random(4);
  for (int round = 0; round < 20000; round++) {
    std::vector<std::byte> bytes(random() % 400);
    for (std::byte& b : bytes) b = std::byte(random() % (round % 2 ? 256 : 3));
    OwnedRecord r;
    size_t consumed = 0;
    decode_owned(bytes, r, consumed);
    EXPECT_LE(r.nodes.size() * 100, bytes.size());
  }
}

TEST(Codec, refuses_what_cannot_be) {
  std::vector<std::byte> good = encode(test::nested_loop_plan());
  constexpr size_t kCount = 4 + 125, kFirstNode = kCount + 4, kSecondNode = kFirstNode + 141;
  constexpr size_t kParent = 12, kTotalCost = 80, kTotalTime = 4 + 40;
  EXPECT_EQ(decode(patched(good, kCount, 0u)), DecodeStatus::kBadCount);
  EXPECT_EQ(decode(patched(good, kCount, 5001u)), DecodeStatus::kBadCount);
  EXPECT_EQ(decode(patched(good, kCount, 3u)), DecodeStatus::kBadLength);
  EXPECT_EQ(decode(patched(good, 0, 0xffffffffu)), DecodeStatus::kBadLength);
  EXPECT_EQ(decode(patched(good, kFirstNode + kParent, 0)), DecodeStatus::kBadNode);
  EXPECT_EQ(decode(patched(good, kSecondNode + kParent, 1)), DecodeStatus::kBadNode);
  EXPECT_EQ(decode(patched(good, kSecondNode + kParent, -1)), DecodeStatus::kBadNode);
  EXPECT_EQ(decode(patched<uint16_t>(good, kSecondNode, 43)), DecodeStatus::kBadNode);
  double infinity = std::numeric_limits<double>::infinity();
  EXPECT_EQ(decode(patched(good, kSecondNode + kTotalCost, infinity)), DecodeStatus::kBadNumber);
  EXPECT_EQ(decode(patched(good, kSecondNode + kTotalCost, -1.0)), DecodeStatus::kBadNumber);
  EXPECT_EQ(decode(patched(good, kTotalTime, -infinity)), DecodeStatus::kBadNumber);
  EXPECT_EQ(decode(patched(good, kTotalTime, test::kNan)), DecodeStatus::kOk);
}

TEST(Codec, too_small_a_capacity_is_an_error_and_touches_no_node) {
  std::vector<std::byte> bytes = encode(test::nested_loop_plan());
  PredictorStatement statement;
  int count = 0;
  size_t consumed = 0;
  EXPECT_EQ(decode_record(bytes, statement, nullptr, 3, count, consumed), DecodeStatus::kBadCount);
}

}  // namespace
}  // namespace predictor
