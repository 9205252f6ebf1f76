// multipart.h - takes the one part of a multipart/form-data body that carries a file.
//
// Fed piece by piece as the body arrives; holds no more than the file itself, and that is bounded.
// Other parts are skipped. Not for nested multiparts or transfer encodings, which libcurl does not
// send (RFC 7578 section 4.7 forbids the latter).
#ifndef PREDICTOR_ENGINE_OPENGAUSS_MULTIPART_H
#define PREDICTOR_ENGINE_OPENGAUSS_MULTIPART_H

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "engine/error.h"

namespace predictor::engine::opengauss {

// The boundary named in a Content-Type header; nothing if it is no multipart/form-data with a
// boundary of 1 to 70 characters (RFC 2046 section 5.1.1).
std::optional<std::string> multipart_boundary(std::string_view content_type);

class MultipartFile {
 public:
  // Takes the first part whose name is `name`; its content may have up to `limit` bytes.
  MultipartFile(std::string boundary, std::string name, size_t limit);

  Failure write(std::span<const std::byte> piece);
  // Fails unless the body's last boundary has come.
  Failure finish();

  // The part's content; nothing if there was no such part.
  std::optional<std::string> take() { return std::move(content_); }

 private:
  enum class Place { kPreamble, kHeader, kContent, kEpilogue };

  Failure consume();
  bool consume_boundary(size_t at);
  Failure read_header(std::string_view header);
  Failure keep(std::string_view bytes);

  const std::string delimiter_;  // CR LF "--" boundary
  const std::string name_;
  const size_t limit_;
  Place place_ = Place::kPreamble;
  bool is_wanted_ = false;  // the part we are in is the one
  std::string pending_;     // bytes not yet decided about; short
  std::optional<std::string> content_;
};

}  // namespace predictor::engine::opengauss

#endif
