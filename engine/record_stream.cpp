#include "engine/record_stream.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "engine/files.h"

namespace predictor::engine {

Error RecordStream::bad_record(DecodeStatus status) const {
  const std::string place =
      has_header_ ? "record " + std::to_string(records_ + 1) + " at byte " + std::to_string(offset_)
                  : std::string("the stream's header");
  return Error{"bad_records",
               place + ": " + decode_status_text(status) +
                   "; send the records again, encoded in codec version " +
                   std::to_string(kCodecVersion),
               422};
}

Failure RecordStream::feed(std::span<const std::byte> piece) {
  pending_.insert(pending_.end(), piece.begin(), piece.end());
  std::span<const std::byte> rest(pending_);
  if (!has_header_) {
    if (rest.size() < kStreamHeaderSize) return std::nullopt;
    const DecodeStatus status = check_header(rest.first(kStreamHeaderSize));
    if (status != DecodeStatus::kOk) return bad_record(status);
    has_header_ = true;
    offset_ = kStreamHeaderSize;
    rest = rest.subspan(kStreamHeaderSize);
  }
  while (!rest.empty()) {
    size_t consumed = 0;
    const DecodeStatus status = decode_owned(rest, record_, consumed);
    // A piece may end anywhere; but no whole record is longer than the largest one.
    if (status == DecodeStatus::kTruncated && rest.size() < encoded_size(PREDICTOR_MAX_NODES)) {
      break;
    }
    if (status != DecodeStatus::kOk) return bad_record(status);
    records_++;
    offset_ += consumed;
    rest = rest.subspan(consumed);
    sink_(record_);
  }
  pending_.erase(pending_.begin(), pending_.end() - static_cast<ptrdiff_t>(rest.size()));
  return std::nullopt;
}

Failure RecordStream::finish() const {
  if (!has_header_ || !pending_.empty()) return bad_record(DecodeStatus::kTruncated);
  if (records_ == 0) {
    return Error{"no_records", "the stream holds no record; send at least one executed plan", 422};
  }
  return std::nullopt;
}

Result<std::vector<OwnedRecord>> load_records(const std::filesystem::path& path,
                                              const std::function<bool()>& should_go_on) {
  File file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.is_open()) return file_error("read", path);
  std::vector<OwnedRecord> records;
  RecordStream stream([&](OwnedRecord& record) { records.push_back(std::move(record)); });
  std::vector<std::byte> piece(size_t{1} << 20);
  while (true) {
    if (!should_go_on()) return Error{"interrupted", "reading " + path.string() + " was stopped"};
    const ssize_t got = ::read(file.descriptor(), piece.data(), piece.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return file_error("read", path);
    if (got == 0) break;
    if (Failure failure = stream.feed(std::span(piece).first(static_cast<size_t>(got)))) {
      return *failure;
    }
  }
  if (Failure failure = stream.finish()) return *failure;
  return records;
}

}  // namespace predictor::engine
