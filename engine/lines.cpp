#include "engine/lines.h"

#include <fcntl.h>
#include <unistd.h>
#include <zstd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/files.h"

namespace predictor::engine {
namespace {

// Cuts a stream of bytes into lines.
class LineSplitter {
 public:
  explicit LineSplitter(const std::function<bool(std::string_view)>& sink) : sink_(sink) {}

  void feed(std::string_view piece) {
    while (is_wanted_ && !piece.empty()) {
      size_t end = piece.find('\n');
      append(piece.substr(0, end));
      if (end == std::string_view::npos) return;
      finish_line();
      piece.remove_prefix(end + 1);
    }
  }

  void finish() {
    if (is_wanted_ && !line_.empty()) finish_line();
  }
  bool is_wanted() const { return is_wanted_; }

 private:
  // Of a line that is too long one byte more than the limit is kept, so that it can be told.
  void append(std::string_view part) {
    line_.append(part.substr(0, std::min(part.size(), kLongestLine + 1 - line_.size())));
  }
  void finish_line() {
    is_wanted_ = sink_(line_);
    line_.clear();
  }

  const std::function<bool(std::string_view)>& sink_;
  std::string line_;
  bool is_wanted_ = true;
};

class Decompressor {
 public:
  explicit Decompressor(LineSplitter& out)
      : out_(out), stream_(ZSTD_createDStream(), ZSTD_freeDStream) {}

  bool feed(std::string_view piece) {
    ZSTD_inBuffer in{piece.data(), piece.size(), 0};
    char buffer[1 << 16];
    bool is_full = false;
    while (in.pos < in.size || is_full) {
      ZSTD_outBuffer out{buffer, sizeof buffer, 0};
      rest_ = ZSTD_decompressStream(stream_.get(), &out, &in);
      if (ZSTD_isError(rest_)) return false;
      out_.feed({buffer, out.pos});
      is_full = out.pos == out.size;
    }
    return true;
  }
  // Whether the last frame is complete.
  bool is_complete() const { return rest_ == 0; }

 private:
  LineSplitter& out_;
  std::unique_ptr<ZSTD_DStream, size_t (*)(ZSTD_DStream*)> stream_;
  size_t rest_ = 0;
};

bool is_zstd(std::string_view start) {
  constexpr char kMagic[] = "\x28\xb5\x2f\xfd";
  return start.substr(0, 4) == std::string_view(kMagic, 4);
}

Error damaged(const std::filesystem::path& path, const char* how) {
  return Error{"bad_trace", path.string() + " " + how + "; compress or copy it again"};
}

}  // namespace

Failure read_lines(const std::filesystem::path& path,
                   const std::function<bool(std::string_view)>& sink) {
  File file(path == "-" ? ::dup(STDIN_FILENO) : ::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.is_open()) return file_error("read", path);
  LineSplitter lines(sink);
  Decompressor decompressor(lines);
  std::vector<char> buffer(size_t{1} << 20);
  bool is_first = true, is_compressed = false;
  while (lines.is_wanted()) {
    const ssize_t got = ::read(file.descriptor(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return file_error("read", path);
    if (got == 0) break;
    const std::string_view piece(buffer.data(), static_cast<size_t>(got));
    if (std::exchange(is_first, false)) is_compressed = is_zstd(piece);
    if (!is_compressed)
      lines.feed(piece);
    else if (!decompressor.feed(piece))
      return damaged(path, "is damaged: it is not what zstd wrote");
  }
  if (lines.is_wanted() && is_compressed && !decompressor.is_complete())
    return damaged(path, "ends in the middle of its compressed data");
  lines.finish();
  return std::nullopt;
}

}  // namespace predictor::engine
