#include "plan/bundle.h"

#include <bit>

namespace predictor {
namespace {

static_assert(std::endian::native == std::endian::little, "bundles are little-endian");

constexpr char kMagic[8] = {'P', 'G', 'P', 'R', 'E', 'D', 'B', 'N'};
constexpr uint32_t kMaxSections = 64;

struct Header {
  char magic[8];
  uint32_t version;
  uint32_t sections;
  uint64_t length;
  uint8_t digest[kSha256Size];
};
static_assert(sizeof(Header) == 56);

struct TableEntry {
  uint32_t type;
  uint32_t version;
  uint64_t offset;
  uint64_t length;
};
static_assert(sizeof(TableEntry) == 24);

template <typename T>
T read_at(std::span<const std::byte> bytes, size_t offset) {
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof(T));
  return value;
}

TableEntry entry_at(std::span<const std::byte> bytes, uint32_t i) {
  return read_at<TableEntry>(bytes, sizeof(Header) + i * sizeof(TableEntry));
}

// Sections must follow one another exactly, so that no change of the unchecksummed header can make
// another valid bundle of the same bytes.
bool has_sane_table(std::span<const std::byte> bytes, uint32_t sections) {
  uint64_t expected = align_in_bundle(sizeof(Header) + uint64_t{sections} * sizeof(TableEntry));
  if (expected > bytes.size()) return false;
  for (uint32_t i = 0; i < sections; i++) {
    TableEntry entry = entry_at(bytes, i);
    if (entry.offset != expected || entry.length > bytes.size() - expected) return false;
    expected = align_in_bundle(expected + entry.length);
    if (expected > bytes.size()) return false;
    for (uint32_t j = 0; j < i; j++)
      if (entry_at(bytes, j).type == entry.type) return false;
  }
  return expected == bytes.size();
}

}  // namespace

const char* bundle_status_text(BundleStatus status) {
  switch (status) {
    case BundleStatus::kOk:
      return "ok";
    case BundleStatus::kNotABundle:
      return "these bytes are not a model bundle";
    case BundleStatus::kWrongVersion:
      return "the bundle has a format version that this build does not read";
    case BundleStatus::kTruncated:
      return "the bundle's length is not what its header says";
    case BundleStatus::kChecksum:
      return "the bundle's checksum does not match its content";
    case BundleStatus::kBadSection:
      return "a section of the bundle is missing, or its dimensions do not fit its length";
    case BundleStatus::kWrongFeatures:
      return "the bundle was made for another version of the feature encoding";
    case BundleStatus::kCanary:
      return "the bundle does not answer its stored plan as it did when it was made";
  }
  return "unknown status";
}

void BundleWriter::add(Section type, uint32_t version, std::vector<std::byte> content) {
  sections_.push_back({type, version, std::move(content)});
}

std::vector<std::byte> BundleWriter::finish(Sha256Function sha256) const {
  uint64_t length = align_in_bundle(sizeof(Header) + sections_.size() * sizeof(TableEntry));
  std::vector<TableEntry> table;
  for (const Entry& section : sections_) {
    table.push_back(
        {static_cast<uint32_t>(section.type), section.version, length, section.content.size()});
    length = align_in_bundle(length + section.content.size());
  }
  if (length > kBundleSizeLimit || sections_.empty() || sections_.size() > kMaxSections) return {};
  std::vector<std::byte> bytes(length);
  Header header{};
  std::memcpy(header.magic, kMagic, sizeof kMagic);
  header.version = kBundleVersion;
  header.sections = static_cast<uint32_t>(sections_.size());
  header.length = length;
  std::memcpy(bytes.data() + sizeof(Header), table.data(), table.size() * sizeof(TableEntry));
  for (size_t i = 0; i < table.size(); i++)
    if (table[i].length > 0)
      std::memcpy(bytes.data() + table[i].offset, sections_[i].content.data(), table[i].length);
  if (!sha256(bytes.data() + sizeof(Header), length - sizeof(Header), header.digest)) return {};
  std::memcpy(bytes.data(), &header, sizeof header);
  return bytes;
}

BundleStatus BundleView::open(std::span<const std::byte> bytes, Sha256Function sha256) {
  bytes_ = {};
  if (bytes.size() < sizeof(Header)) return BundleStatus::kNotABundle;
  Header header = read_at<Header>(bytes, 0);
  if (std::memcmp(header.magic, kMagic, sizeof kMagic) != 0) return BundleStatus::kNotABundle;
  if (header.version != kBundleVersion) return BundleStatus::kWrongVersion;
  if (header.length != bytes.size()) return BundleStatus::kTruncated;
  if (bytes.size() > kBundleSizeLimit) return BundleStatus::kBadSection;
  if (sha256 != nullptr) {
    uint8_t digest[kSha256Size];
    if (!sha256(bytes.data() + sizeof(Header), bytes.size() - sizeof(Header), digest) ||
        std::memcmp(digest, header.digest, kSha256Size) != 0)
      return BundleStatus::kChecksum;
  }
  if (header.sections == 0 || header.sections > kMaxSections ||
      !has_sane_table(bytes, header.sections))
    return BundleStatus::kBadSection;
  bytes_ = bytes;
  return BundleStatus::kOk;
}

uint32_t BundleView::version_of(Section type) const {
  if (bytes_.empty()) return 0;
  const uint32_t sections = read_at<Header>(bytes_, 0).sections;
  for (uint32_t i = 0; i < sections; i++)
    if (entry_at(bytes_, i).type == static_cast<uint32_t>(type)) return entry_at(bytes_, i).version;
  return 0;
}

std::span<const std::byte> BundleView::section(Section type, uint32_t version) const {
  if (bytes_.empty()) return {};
  uint32_t sections = read_at<Header>(bytes_, 0).sections;
  for (uint32_t i = 0; i < sections; i++) {
    TableEntry entry = entry_at(bytes_, i);
    if (entry.type == static_cast<uint32_t>(type) && entry.version == version)
      return bytes_.subspan(entry.offset, entry.length);
  }
  return {};
}

}  // namespace predictor
