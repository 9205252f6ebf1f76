// bundle.h - a trained model as one immutable, versioned, checksummed block of bytes.
//
// The engine writes it (BundleWriter), the database stores it in a table, the backend evaluates it
// in place (BundleView). Layout, little-endian, every section at a multiple of 64 bytes:
//   "PGPREDBN", u32 format version, u32 section count, u64 total length, 32 bytes SHA-256 over all
//   bytes after the checksum field; then a table of {u32 type, u32 version, u64 offset, u64
//   length}; then the sections.
//
// BundleView::open() trusts nothing: after it returned kOk, no section reaches outside the bytes
// and every dimension has been checked against its section's length.
#ifndef PREDICTOR_PLAN_BUNDLE_H
#define PREDICTOR_PLAN_BUNDLE_H

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

namespace predictor {

inline constexpr uint32_t kBundleVersion = 2;
inline constexpr size_t kBundleSizeLimit = size_t{8} << 20;
inline constexpr size_t kSha256Size = 32;

// Of sections in the bundle and of arrays in a section: a line of the cache. A vector of weights
// that lies in two lines takes twice as long to load.
inline constexpr size_t kBundleAlignment = 64;
constexpr uint64_t align_in_bundle(uint64_t x) {
  return (x + kBundleAlignment - 1) & ~uint64_t{kBundleAlignment - 1};
}

enum class Section : uint32_t {
  kInfo = 1,            // feature version, template, training facts
  kTreeNetwork = 2,     // dimensions, embeddings and weights
  kCalibration = 3,     // planner cost, conformal offsets, blending
  kKnown = 4,           // which hash buckets and plan signatures training has seen
  kCanary = 5,          // a record and the answer expected for it
  kLstm = 7,            // openGauss's sequence network
  kMemory = 8,          // the cardinality memory
  kTreeForest = 9,      // of template tree: the plan as a whole, with recalled rows
  kPlanCache = 10,      // times of plans executed before
  kOperatorCosts = 11,  // prices of operators; see operator_costs.h
  kRootModel = 16,      // a model that answers for whole plans; see root_model.h
  kForest = 17,         // boosted trees on flat features; see forest.h
  kPlanMedians = 18,    // median times by plan signature; see root_model.h
  kOpenGauss = 24,      // how openGauss's features and labels go into kLstm
};

// SHA-256 of `length` bytes into `digest`; returns false if it could not be computed. PostgreSQL's
// or OpenSSL's, so that plan/ links neither.
using Sha256Function = bool (*)(const void* data, size_t length, uint8_t digest[kSha256Size]);

enum class BundleStatus {
  kOk,
  kNotABundle,
  kWrongVersion,
  kTruncated,
  kChecksum,
  kBadSection,     // a section's offset, length or dimensions do not fit
  kWrongFeatures,  // made for another version of the feature encoding
  kCanary,         // the stored record is not answered as it was when the bundle was made
};

// A sentence for people; never null.
const char* bundle_status_text(BundleStatus status);

class BundleWriter {
 public:
  void add(Section type, uint32_t version, std::vector<std::byte> content);
  // The finished bytes; empty if the checksum could not be computed or the size limit is passed.
  std::vector<std::byte> finish(Sha256Function sha256) const;

 private:
  struct Entry {
    Section type;
    uint32_t version;
    std::vector<std::byte> content;
  };
  std::vector<Entry> sections_;
};

// Builds and takes apart the content of a section: plain fields and arrays, each array at a
// multiple of kBundleAlignment from the section's start.
class SectionWriter {
 public:
  template <typename T>
  void put(const T& field) {
    static_assert(std::is_trivially_copyable_v<T>);
    append(&field, sizeof(T));
  }
  template <typename T>
  void put_array(std::span<const T> items) {
    content_.resize(align_in_bundle(content_.size()));
    append(items.data(), items.size_bytes());
  }
  std::vector<std::byte> take() { return std::move(content_); }

 private:
  void append(const void* data, size_t length) {
    auto* bytes = static_cast<const std::byte*>(data);
    content_.insert(content_.end(), bytes, bytes + length);
  }
  std::vector<std::byte> content_;
};

// Once a read does not fit, ok() is false and stays so, and every pointer handed out is null.
class SectionReader {
 public:
  explicit SectionReader(std::span<const std::byte> content) : content_(content) {}

  template <typename T>
  T get() {
    static_assert(std::is_trivially_copyable_v<T>);
    T field{};
    if (const std::byte* from = claim(sizeof(T), 1)) std::memcpy(&field, from, sizeof(T));
    return field;
  }
  template <typename T>
  const T* get_array(uint64_t count) {
    at_ = align_in_bundle(at_);
    return reinterpret_cast<const T*>(claim(count, sizeof(T)));
  }
  bool ok() const { return ok_; }
  // Everything was read and nothing is left over.
  bool finished() const { return ok_ && at_ == content_.size(); }

 private:
  const std::byte* claim(uint64_t count, size_t size) {
    if (!ok_ || at_ > content_.size() || count > (content_.size() - at_) / size) {
      ok_ = false;
      return nullptr;
    }
    const std::byte* from = content_.data() + at_;
    at_ += static_cast<size_t>(count) * size;
    return from;
  }
  std::span<const std::byte> content_;
  size_t at_ = 0;
  bool ok_ = true;
};

// Finds sections; does not own the bytes, which must be aligned to 8, and had better be to
// kBundleAlignment, as a mapped file is, and outlive the view.
class BundleView {
 public:
  // `sha256` may be null: then the checksum is not verified (it was, by whoever published).
  BundleStatus open(std::span<const std::byte> bytes, Sha256Function sha256);

  // Content of the section, or an empty span if there is none of this type and version.
  std::span<const std::byte> section(Section type, uint32_t version) const;
  // 0 if there is none of this type.
  uint32_t version_of(Section type) const;
  std::span<const std::byte> bytes() const { return bytes_; }

 private:
  std::span<const std::byte> bytes_;
};

}  // namespace predictor

#endif
