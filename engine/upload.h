// upload.h - records on their way in: written to a temporary file, counted, summed and decoded
// record by record as they arrive. Nothing of an upload remains unless all of it was right.
//
// Used by one thread at a time.
#ifndef PREDICTOR_ENGINE_UPLOAD_H
#define PREDICTOR_ENGINE_UPLOAD_H

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>

#include "engine/error.h"
#include "engine/files.h"
#include "engine/record_stream.h"
#include "engine/sha256.h"

namespace predictor::engine {

class Upload {
 public:
  // `sha256` is what the client says that the content adds up to.
  static Result<std::unique_ptr<Upload>> create(const std::filesystem::path& directory,
                                                uint64_t limit, std::string sha256);
  // Removes the file if it is still where it was written.
  ~Upload();
  Upload(const Upload&) = delete;

  Failure write(std::span<const std::byte> piece);
  // Whether the content is whole and is what the client says; it is on disk then.
  Failure finish();

  const std::filesystem::path& path() const { return path_; }
  uint64_t records() const { return stream_.records(); }

 private:
  Upload(std::filesystem::path path, File file, uint64_t limit, std::string sha256);

  const std::filesystem::path path_;
  File file_;
  const uint64_t limit_;
  const std::string expected_sha256_;
  uint64_t size_ = 0;
  Sha256 sum_;
  RecordStream stream_;
};

}  // namespace predictor::engine

#endif
