// api_request.h - the words that requests and answers are made of, and the checks that many routes
// share.
#ifndef PREDICTOR_ENGINE_API_REQUEST_H
#define PREDICTOR_ENGINE_API_REQUEST_H

#include <cstdint>
#include <limits>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/access.h"
#include "engine/error.h"

namespace predictor::engine {

inline constexpr uint64_t kMostVersion = std::numeric_limits<int32_t>::max();

struct RequestHead {
  std::string method;
  std::string target;
  std::string content_type;
  std::string content_sha256;
  std::optional<uint64_t> content_length;
  bool is_chunked = false;
};

struct Response {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;
};

Response error_response(const Error& error);

Response json_response(const nlohmann::json& content, int status = 200);
Error bad_request(const std::string& code, const std::string& message);

// A target, taken apart.
struct ApiRequest {
  std::vector<std::string> path;             // "/v1/jobs/X" is {"v1", "jobs", "X"}
  std::map<std::string, std::string> query;  // no name twice

  // The parameter, or "" if it was not given.
  std::string get(const std::string& name) const;
  static Result<ApiRequest> parse(const std::string& target);
};

// The namespaces a request is about: the one it names, or all of the caller's.
Result<std::vector<std::string>> spaces_of(const Caller& caller, const std::string& named);

// Where something new goes.
Result<std::string> space_of(const Caller& caller, const std::string& named);

// A whole number in a parameter.
Failure read_number(const std::string& name, const std::string& text, uint64_t least, uint64_t most,
                    uint64_t& number);

}  // namespace predictor::engine

#endif
