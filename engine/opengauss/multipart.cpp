#include "engine/opengauss/multipart.h"

#include "engine/text.h"

namespace predictor::engine::opengauss {
namespace {

constexpr size_t kMostHeader = 4096;  // bytes of one part's header
constexpr size_t kMostPreamble = 4096;
constexpr size_t kMostBoundary = 70;

Error malformed(const std::string& what) {
  return Error{"bad_multipart", "the multipart body is malformed: " + what, 400};
}

// The value of a parameter such as name="file" in a header's value; quotes are taken off.
std::optional<std::string> parameter(std::string_view value, std::string_view name) {
  size_t at = value.find(';');
  while (at != std::string_view::npos) {
    const std::string_view rest = value.substr(at + 1);
    const size_t equals = rest.find('=');
    if (equals == std::string_view::npos) return std::nullopt;
    const bool is_it = to_lower(trimmed(rest.substr(0, equals))) == name;
    std::string text;
    size_t end = equals + 1;
    while (end < rest.size() && (rest[end] == ' ' || rest[end] == '\t')) end++;
    if (end < rest.size() && rest[end] == '"') {
      for (end++; end < rest.size() && rest[end] != '"'; end++) {
        if (rest[end] == '\\' && end + 1 < rest.size()) end++;
        text += rest[end];
      }
      if (end == rest.size()) return std::nullopt;  // the closing quote is missing
    } else {
      const size_t semicolon = rest.find(';', end);
      text = std::string(trimmed(rest.substr(end, semicolon - end)));
    }
    if (is_it) return text;
    const size_t next = rest.find(';', end);
    at = next == std::string_view::npos ? next : at + 1 + next;
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> multipart_boundary(std::string_view content_type) {
  const std::string_view type = trimmed(content_type.substr(0, content_type.find(';')));
  if (to_lower(type) != "multipart/form-data") return std::nullopt;
  std::optional<std::string> boundary = parameter(content_type, "boundary");
  if (!boundary || boundary->empty() || boundary->size() > kMostBoundary) return std::nullopt;
  return boundary;
}

// The first boundary need not follow a line end: one is put in front of the body for it.
MultipartFile::MultipartFile(std::string boundary, std::string name, size_t limit)
    : delimiter_("\r\n--" + std::move(boundary)),
      name_(std::move(name)),
      limit_(limit),
      pending_("\r\n") {}

Failure MultipartFile::write(std::span<const std::byte> piece) {
  pending_.append(reinterpret_cast<const char*>(piece.data()), piece.size());
  return consume();
}

// Takes from pending_ what can be decided about.
Failure MultipartFile::consume() {
  while (place_ != Place::kEpilogue) {
    if (place_ == Place::kHeader) {
      const size_t end = pending_.find("\r\n\r\n");
      if (end == std::string::npos) {
        if (pending_.size() > kMostHeader) return malformed("a part's header is too long");
        return std::nullopt;
      }
      if (Failure failure = read_header(std::string_view(pending_).substr(0, end))) return failure;
      pending_.erase(0, end + 4);
      place_ = Place::kContent;
      continue;
    }
    const size_t at = pending_.find(delimiter_);
    if (at == std::string::npos) {
      if (place_ == Place::kPreamble && pending_.size() > kMostPreamble) {
        return malformed("no boundary where the first part should begin");
      }
      const size_t decided =
          pending_.size() < delimiter_.size() ? 0 : pending_.size() - delimiter_.size() + 1;
      if (place_ == Place::kPreamble) return std::nullopt;
      Failure failure = keep(std::string_view(pending_).substr(0, decided));
      pending_.erase(0, decided);
      return failure;
    }
    if (place_ == Place::kContent) {
      if (Failure failure = keep(std::string_view(pending_).substr(0, at))) return failure;
      pending_.erase(0, at);
    }
    if (!consume_boundary(place_ == Place::kContent ? 0 : at)) {
      if (pending_.size() > kMostHeader) return malformed("a boundary's line does not end");
      return std::nullopt;
    }
  }
  pending_.clear();  // what follows the last boundary means nothing
  return std::nullopt;
}

// `at` is where a boundary begins; false if it has not arrived whole.
bool MultipartFile::consume_boundary(size_t at) {
  const size_t after = at + delimiter_.size();
  if (pending_.compare(after, 2, "--") == 0) {
    place_ = Place::kEpilogue;
    return true;
  }
  const size_t line_end = pending_.find("\r\n", after);
  if (line_end == std::string::npos) return false;
  // The line end belongs to the header too: a part may have an empty one.
  pending_.erase(0, line_end);
  place_ = Place::kHeader;
  return true;
}

Failure MultipartFile::read_header(std::string_view header) {
  is_wanted_ = false;
  size_t from = 0;
  while (from < header.size()) {
    size_t end = header.find("\r\n", from);
    if (end == std::string_view::npos) end = header.size();
    const std::string_view line = header.substr(from, end - from);
    from = end + 2;
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    if (to_lower(trimmed(line.substr(0, colon))) != "content-disposition") continue;
    is_wanted_ = parameter(line.substr(colon + 1), "name") == name_ && !content_;
  }
  if (is_wanted_) content_.emplace();
  return std::nullopt;
}

Failure MultipartFile::keep(std::string_view bytes) {
  if (!is_wanted_) return std::nullopt;
  if (bytes.size() > limit_ - content_->size()) {
    return Error{"body_too_large",
                 "the file is larger than " + std::to_string(limit_ >> 20) +
                     " MB; the setting limits.upload_mb may be raised",
                 413};
  }
  content_->append(bytes);
  return std::nullopt;
}

Failure MultipartFile::finish() {
  if (place_ != Place::kEpilogue) return malformed("it ends before its last boundary");
  return std::nullopt;
}

}  // namespace predictor::engine::opengauss
