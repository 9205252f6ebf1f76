// event_file.h - writes training curves in TensorBoard's format, so that `tensorboard --logdir` on
// the engine's host shows them.
//
// A file is a sequence of records: u64 length, masked CRC-32C of the length, the content, masked
// CRC-32C of the content. Each content is a protocol-buffer message Event (wall_time = 1,
// step = 2, file_version = 3, summary = 5). The format is append-only, so a file that was cut off
// by a crash is read up to there.
#ifndef PREDICTOR_ENGINE_OPENGAUSS_EVENT_FILE_H
#define PREDICTOR_ENGINE_OPENGAUSS_EVENT_FILE_H

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "engine/error.h"
#include "engine/files.h"

namespace predictor::engine::opengauss {

// CRC-32C (Castagnoli), as in RFC 3720 appendix B.4.
uint32_t crc32c(std::span<const std::byte> data);

class EventFile {
 public:
  // A new file DIRECTORY/events.out.tfevents.SECONDS.NAME; `name` must be plain.
  static Result<EventFile> create(const std::filesystem::path& directory, const std::string& name);

  using Scalars = std::vector<std::pair<std::string, float>>;  // tag, value
  Failure add(int64_t step, const Scalars& scalars);

 private:
  explicit EventFile(File file) : file_(std::move(file)) {}
  Failure write_record(const std::string& content);
  File file_;
};

}  // namespace predictor::engine::opengauss

#endif
