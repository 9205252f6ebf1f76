#include "plan/bundle.h"

#include <gtest/gtest.h>

#include "plan/test_model.h"

namespace predictor {
namespace {

using test::fake_sha256;
using test::make_bundle;

BundleStatus open(const std::vector<std::byte>& bytes, bool verify) {
  Model model;
  return model.open(bytes, verify ? fake_sha256 : nullptr);
}

std::string answers(const std::vector<std::byte>& bytes) {
  Model model;
  if (model.open(bytes, nullptr) != BundleStatus::kOk) return "refused";
  std::vector<NodePrediction> nodes;
  PlanPrediction plan = test::predict(model, test::nested_loop_plan(), nodes);
  return std::to_string(plan.total_ms) + " " + std::to_string(plan.high_ms);
}

TEST(Bundle, sections_come_back_as_they_were_written) {
  BundleWriter writer;
  std::vector<std::byte> odd(13, std::byte{7}), even(16, std::byte{9});
  writer.add(Section::kInfo, 1, odd);
  writer.add(Section::kKnown, 3, even);
  std::vector<std::byte> bytes = writer.finish(fake_sha256);
  BundleView view;
  ASSERT_EQ(view.open(bytes, fake_sha256), BundleStatus::kOk);
  auto info = view.section(Section::kInfo, 1), known = view.section(Section::kKnown, 3);
  EXPECT_TRUE(std::equal(info.begin(), info.end(), odd.begin(), odd.end()));
  EXPECT_TRUE(std::equal(known.begin(), known.end(), even.begin(), even.end()));
  EXPECT_TRUE(view.section(Section::kKnown, 1).empty());
  EXPECT_TRUE(view.section(Section::kCanary, 1).empty());
}

TEST(Bundle, is_not_made_beyond_its_size_or_without_a_checksum) {
  BundleWriter writer;
  EXPECT_TRUE(writer.finish(fake_sha256).empty());
  writer.add(Section::kInfo, 1, std::vector<std::byte>(kBundleSizeLimit));
  EXPECT_TRUE(writer.finish(fake_sha256).empty());
  BundleWriter small;
  small.add(Section::kInfo, 1, {});
  EXPECT_TRUE(small.finish([](const void*, size_t, uint8_t*) { return false; }).empty());
}

TEST(Bundle, good_ones_open) {
  for (bool network : {false, true})
    for (bool verify : {false, true})
      EXPECT_EQ(open(make_bundle(network), verify), BundleStatus::kOk);
}

TEST(Bundle, any_changed_byte_is_refused_by_the_checksum) {
  std::vector<std::byte> bytes = make_bundle(false);
  for (size_t i = 0; i < bytes.size(); i++) {
    bytes[i] ^= std::byte{0x41};
    EXPECT_NE(open(bytes, true), BundleStatus::kOk) << i;
    bytes[i] ^= std::byte{0x41};
  }
}

TEST(Bundle, any_changed_byte_is_harmless_without_the_checksum) {
  // Whatever is not refused must still answer with numbers; a sanitizer watches the reads.
  std::vector<std::byte> bytes = make_bundle(true);
  for (size_t i = 0; i < bytes.size(); i += i < 2000 ? 1 : 37) {
    for (std::byte flip : {std::byte{1}, std::byte{0x80}, std::byte{0xff}}) {
      bytes[i] ^= flip;
      Model model;
      if (model.open(bytes, nullptr) == BundleStatus::kOk) {
        std::vector<NodePrediction> nodes;
        PlanPrediction plan = test::predict(model, test::nested_loop_plan(), nodes);
        EXPECT_TRUE(std::isfinite(plan.total_ms));
        EXPECT_LE(plan.low_ms, plan.total_ms);
        EXPECT_GE(plan.high_ms, plan.total_ms);
      }
      bytes[i] ^= flip;
    }
  }
}

TEST(Bundle, any_truncation_and_any_extension_is_refused) {
  std::vector<std::byte> bytes = make_bundle(false);
  for (size_t length = 0; length < bytes.size(); length += length < 300 ? 1 : 61) {
    std::vector<std::byte> cut(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(length));
    EXPECT_NE(open(cut, false), BundleStatus::kOk) << length;
  }
  bytes.resize(bytes.size() + 8);
  EXPECT_EQ(open(bytes, false), BundleStatus::kTruncated);
}

TEST(Bundle, says_what_is_wrong) {
  std::vector<std::byte> bytes = make_bundle(true);
  auto changed = [&bytes](size_t at) {
    std::vector<std::byte> other = bytes;
    other[at] ^= std::byte{0xff};
    return other;
  };
  EXPECT_EQ(open(changed(0), true), BundleStatus::kNotABundle);
  EXPECT_EQ(open({}, true), BundleStatus::kNotABundle);
  EXPECT_EQ(open(changed(8), true), BundleStatus::kWrongVersion);
  EXPECT_EQ(open(changed(16), true), BundleStatus::kTruncated);
  EXPECT_EQ(open(changed(24), true), BundleStatus::kChecksum);
  EXPECT_EQ(open(changed(12), false), BundleStatus::kBadSection);
  constexpr size_t kLastEntry = 56 + 4 * 24, kFirstSection = align_in_bundle(kLastEntry + 24);
  uint64_t canary[2];  // its offset and its length
  std::memcpy(canary, bytes.data() + kLastEntry + 8, sizeof canary);
  EXPECT_EQ(open(changed(kFirstSection), false), BundleStatus::kWrongFeatures);
  EXPECT_EQ(open(changed(canary[0] + canary[1] - 1), false), BundleStatus::kCanary);
  EXPECT_STRNE(bundle_status_text(BundleStatus::kCanary), bundle_status_text(BundleStatus::kOk));
}

TEST(Bundle, without_a_canary_or_misaligned_it_is_refused) {
  BundleWriter writer;
  writer.add(Section::kInfo, kInfoVersion, write_info({}));
  writer.add(Section::kCalibration, kCalibrationVersion, write_calibration({}));
  writer.add(Section::kKnown, kKnownVersion, write_known({}));
  std::vector<std::byte> bytes = writer.finish(fake_sha256);
  EXPECT_EQ(open(bytes, true), BundleStatus::kCanary);
  Model model;
  EXPECT_EQ(open_without_canary(model, bytes), BundleStatus::kOk);
  bytes.insert(bytes.begin(), 4, std::byte{0});
  EXPECT_EQ(model.open(std::span(bytes).subspan(4), fake_sha256), BundleStatus::kNotABundle);
}

TEST(Bundle, every_array_begins_a_line_of_the_cache) {
  SectionWriter out;
  const std::vector<float> some(3, 1.0f);
  for (int i = 0; i < 3; i++) out.put(uint8_t{1}), out.put_array(std::span<const float>(some));
  BundleWriter writer;
  writer.add(Section::kKnown, 1, std::vector<std::byte>(5));
  writer.add(Section::kMemory, 1, out.take());
  std::vector<std::byte> room(4096);
  std::vector<std::byte> bytes = writer.finish(fake_sha256);
  void* at = room.data();
  size_t space = room.size();
  ASSERT_NE(std::align(kBundleAlignment, bytes.size(), at, space), nullptr);
  std::memcpy(at, bytes.data(), bytes.size());
  BundleView view;
  ASSERT_EQ(view.open({static_cast<std::byte*>(at), bytes.size()}, fake_sha256), BundleStatus::kOk);
  SectionReader in(view.section(Section::kMemory, 1));
  for (int i = 0; i < 3; i++) {
    in.get<uint8_t>();
    const float* array = in.get_array<float>(3);
    ASSERT_TRUE(in.ok());
    EXPECT_EQ(reinterpret_cast<uintptr_t>(array) % kBundleAlignment, 0u);
    EXPECT_EQ(array[2], 1.0f);
  }
  EXPECT_TRUE(in.finished());
}

TEST(Bundle, the_same_bytes_answer_the_same) {
  EXPECT_EQ(answers(make_bundle(true)), answers(make_bundle(true)));
  EXPECT_NE(answers(make_bundle(true)), answers(make_bundle(false)));
}

}  // namespace
}  // namespace predictor
