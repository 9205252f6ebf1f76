// error.h - how the engine says what went wrong: a typed value, passed by return.
//
// Exceptions stay inside a module and are turned into an Error at its border. `message` is for
// people: what is wrong and the next step; `code` is for programs and is part of the API.
#ifndef PREDICTOR_ENGINE_ERROR_H
#define PREDICTOR_ENGINE_ERROR_H

#include <optional>
#include <string>
#include <utility>
#include <variant>

namespace predictor::engine {

struct Error {
  std::string code;
  std::string message;
  int http_status = 500;
  int retry_after = 0;  // seconds, for 503
};

// Empty: it worked.
using Failure = std::optional<Error>;

// A value or the reason why there is none.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : content_(std::move(value)) {}
  Result(Error error) : content_(std::move(error)) {}

  bool ok() const { return std::holds_alternative<T>(content_); }
  explicit operator bool() const { return ok(); }
  T& value() { return std::get<T>(content_); }
  const T& value() const { return std::get<T>(content_); }
  const Error& error() const { return std::get<Error>(content_); }

 private:
  std::variant<T, Error> content_;
};

}  // namespace predictor::engine

#endif
