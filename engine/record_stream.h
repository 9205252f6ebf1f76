// record_stream.h - reads a codec stream (plan/codec.h) that arrives in pieces of any size.
//
// Uploads are checked with it while they stream in, jobs and the command line load files with it.
// Holds one record at a time: never more than the largest record and the piece being fed.
#ifndef PREDICTOR_ENGINE_RECORD_STREAM_H
#define PREDICTOR_ENGINE_RECORD_STREAM_H

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <vector>

#include "engine/error.h"
#include "plan/codec.h"

namespace predictor::engine {

class RecordStream {
 public:
  // Called for every record; may take it (move from it).
  using Sink = std::function<void(OwnedRecord&)>;

  explicit RecordStream(Sink sink) : sink_(std::move(sink)) {}

  // After an error the stream must not be fed again.
  Failure feed(std::span<const std::byte> piece);
  // Whether the stream ended after a whole record, and had at least one.
  Failure finish() const;

  uint64_t records() const { return records_; }

 private:
  Error bad_record(DecodeStatus status) const;

  Sink sink_;
  std::vector<std::byte> pending_;  // the beginning of a record whose end has not come yet
  OwnedRecord record_;
  uint64_t records_ = 0;
  uint64_t offset_ = 0;  // of pending_ in the stream
  bool has_header_ = false;
};

// All records of a file. `should_go_on` is asked every few MB; false ends the reading with the
// error code "interrupted".
Result<std::vector<OwnedRecord>> load_records(const std::filesystem::path& path,
                                              const std::function<bool()>& should_go_on);

}  // namespace predictor::engine

#endif
