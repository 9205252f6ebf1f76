// json_text.h - the one way to write JSON and to read small JSON files that may be damaged.
#ifndef PREDICTOR_ENGINE_JSON_TEXT_H
#define PREDICTOR_ENGINE_JSON_TEXT_H

#include <chrono>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>

namespace predictor::engine {

// Never throws for what is in a text: bytes that are no UTF-8 are replaced, and NaN and infinities
// become null.
std::string json_text(const nlohmann::json& content);

// A member of an object, or the default if it is not there or of another type.
std::string json_string(const nlohmann::json& object, const char* key);
int64_t json_number(const nlohmann::json& object, const char* key, int64_t otherwise);
double json_real(const nlohmann::json& object, const char* key);  // NaN if it is not there

// ms since 1970, as all times on the wire are.
int64_t unix_milliseconds(
    std::chrono::system_clock::time_point time = std::chrono::system_clock::now());

}  // namespace predictor::engine

#endif
