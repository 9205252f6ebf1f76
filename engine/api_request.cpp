#include "engine/api_request.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "engine/json_text.h"
#include "engine/text.h"

namespace predictor::engine {

using nlohmann::json;

Response json_response(const json& content, int status) {
  Response response;
  response.status = status;
  response.body = json_text(content);
  return response;
}

Error bad_request(const std::string& code, const std::string& message) {
  return Error{code, message, 400};
}

Response error_response(const Error& error) {
  Response response = json_response({{"error", {{"code", error.code}, {"message", error.message}}}},
                                    error.http_status);
  if (error.retry_after > 0) {
    response.headers.emplace_back("Retry-After", std::to_string(error.retry_after));
  }
  return response;
}

std::string ApiRequest::get(const std::string& name) const {
  const auto found = query.find(name);
  return found == query.end() ? "" : found->second;
}

Result<ApiRequest> ApiRequest::parse(const std::string& target) {
  const Error bad = bad_request("bad_target", "the request target cannot be read");
  const size_t question = target.find('?');
  const std::string path = target.substr(0, question);
  if (path.empty() || path[0] != '/') return bad;
  ApiRequest request;
  // Escapes are not decoded in the path: nothing we name needs one.
  request.path = split(std::string_view(path).substr(1), '/');
  if (question == std::string::npos) return request;
  for (const std::string& part : split(std::string_view(target).substr(question + 1), '&')) {
    const size_t equals = part.find('=');
    if (equals == std::string::npos) return bad;
    const auto name = percent_decode(part.substr(0, equals));
    const auto value = percent_decode(part.substr(equals + 1));
    if (!name || !value) return bad;
    if (!request.query.emplace(*name, *value).second) {
      return bad_request("bad_parameter", "parameter \"" + printable(*name) + "\" is given twice");
    }
  }
  return request;
}

Result<std::vector<std::string>> spaces_of(const Caller& caller, const std::string& named) {
  if (caller.spaces.empty()) {
    return Error{"no_namespace",
                 "no namespace is granted to client \"" + caller.name +
                     "\"; grant one in table [namespaces] of the engine's configuration",
                 403};
  }
  if (named.empty()) return caller.spaces;
  if (std::find(caller.spaces.begin(), caller.spaces.end(), named) == caller.spaces.end()) {
    return Error{
        "namespace_forbidden",
        "namespace \"" + printable(named) + "\" is not granted to client \"" + caller.name + "\"",
        403};
  }
  return std::vector<std::string>{named};
}

Result<std::string> space_of(const Caller& caller, const std::string& named) {
  const Result<std::vector<std::string>> spaces = spaces_of(caller, named);
  if (!spaces) return spaces.error();
  if (spaces.value().size() > 1) {
    return bad_request(
        "namespace_required",
        "client \"" + caller.name + "\" has several namespaces; name one with ?namespace=");
  }
  return spaces.value()[0];
}

Failure read_number(const std::string& name, const std::string& text, uint64_t least, uint64_t most,
                    uint64_t& number) {
  const auto value = parse_number(text, least, most);
  if (!value) {
    return bad_request("bad_parameter", "parameter \"" + name + "\" must be a whole number from " +
                                            std::to_string(least) + " to " + std::to_string(most));
  }
  number = *value;
  return std::nullopt;
}

}  // namespace predictor::engine
