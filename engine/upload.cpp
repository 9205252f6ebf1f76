#include "engine/upload.h"

#include <unistd.h>

#include <atomic>

namespace predictor::engine {

Result<std::unique_ptr<Upload>> Upload::create(const std::filesystem::path& directory,
                                               uint64_t limit, std::string sha256) {
  static std::atomic<uint64_t> counter = 0;
  const std::filesystem::path path = directory / ("arriving-" + std::to_string(::getpid()) + "-" +
                                                  std::to_string(++counter) + kTemporarySuffix);
  Result<File> file = create_file(path);
  if (!file) return file.error();
  return std::unique_ptr<Upload>(
      new Upload(path, std::move(file.value()), limit, std::move(sha256)));
}

Upload::Upload(std::filesystem::path path, File file, uint64_t limit, std::string sha256)
    : path_(std::move(path)),
      file_(std::move(file)),
      limit_(limit),
      expected_sha256_(std::move(sha256)),
      stream_([](OwnedRecord&) {}) {}

Upload::~Upload() { remove_file(path_); }

Failure Upload::write(std::span<const std::byte> piece) {
  size_ += piece.size();
  if (size_ > limit_) {
    return Error{"upload_too_large",
                 "the upload is larger than " + std::to_string(limit_) +
                     " bytes; send fewer plans or raise limits.upload_mb",
                 413};
  }
  sum_.update(piece);
  if (Failure failure = stream_.feed(piece)) return failure;
  return file_.write(piece);
}

Failure Upload::finish() {
  if (Failure failure = stream_.finish()) return failure;
  if (sum_.finish() != expected_sha256_) {
    return Error{"checksum_mismatch",
                 "the content does not add up to the X-Content-SHA256 that came with it; send it "
                 "again",
                 422};
  }
  Failure failure = file_.sync();
  file_.close();
  return failure;
}

}  // namespace predictor::engine
