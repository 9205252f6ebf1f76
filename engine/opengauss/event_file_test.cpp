#include "engine/opengauss/event_file.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "engine/support_test.h"

namespace predictor::engine::opengauss {
namespace {

// The contents of a file's records, each checked against its checksums.
std::vector<std::string> records_of(const std::string& file) {
  std::vector<std::string> records;
  const auto unmask = [](uint32_t masked) {
    const uint32_t rotated = masked - 0xa282ead8U;
    return rotated >> 17 | rotated << 15;
  };
  for (size_t at = 0; at < file.size();) {
    uint64_t length = 0;
    uint32_t length_sum = 0;
    std::memcpy(&length, file.data() + at, 8);
    std::memcpy(&length_sum, file.data() + at + 8, 4);
    EXPECT_EQ(unmask(length_sum), crc32c(std::as_bytes(std::span(file.data() + at, 8))));
    EXPECT_LE(at + 16 + length, file.size());
    records.push_back(file.substr(at + 12, length));
    uint32_t content_sum = 0;
    std::memcpy(&content_sum, file.data() + at + 12 + length, 4);
    EXPECT_EQ(unmask(content_sum), crc32c(std::as_bytes(std::span(records.back()))));
    at += 16 + length;
  }
  return records;
}

TEST(Crc32c, matches_the_published_vectors) {
  const std::string digits = "123456789";
  EXPECT_EQ(crc32c(std::as_bytes(std::span(digits))), 0xe3069283U);
  const std::string zeros(32, '\0');
  EXPECT_EQ(crc32c(std::as_bytes(std::span(zeros))), 0x8a9136aaU);  // RFC 3720 B.4
}

TEST(EventFile, holds_a_version_and_then_the_scalars) {
  test::TemporaryDirectory directory;
  {
    Result<EventFile> events = EventFile::create(directory.path(), "test");
    ASSERT_TRUE(events);
    ASSERT_FALSE(events.value().add(300, {{"loss", 1.5F}, {"error/T", 2.0F}}));
  }
  const std::vector<std::string> names = directory_entries(directory.path());
  ASSERT_EQ(names.size(), 1U);
  EXPECT_EQ(names[0].rfind("events.out.tfevents.", 0), 0U);
  const auto content = read_file(directory.path() / names[0], 1 << 20);
  ASSERT_TRUE(content);
  const std::vector<std::string> records = records_of(
      std::string(reinterpret_cast<const char*>(content.value().data()), content.value().size()));
  ASSERT_EQ(records.size(), 2U);
  EXPECT_NE(records[0].find("\x1a\x0d"
                            "brain.Event:2"),
            std::string::npos);
  // step 300 as a varint; then the summary: two values, each a tag and four bytes of float
  const std::string one_and_a_half("\x00\x00\xc0\x3f", 4);
  EXPECT_EQ(records[1].substr(9, 3), std::string("\x10\xac\x02"));
  EXPECT_NE(records[1].find(std::string("\x0a\x04loss\x15") + one_and_a_half), std::string::npos);
  EXPECT_NE(records[1].find("\x0a\x07"
                            "error/T\x15"),
            std::string::npos);
}

}  // namespace
}  // namespace predictor::engine::opengauss
