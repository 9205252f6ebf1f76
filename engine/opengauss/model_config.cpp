#include "engine/opengauss/model_config.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>
#include <span>

#include "engine/opengauss/plan_csv.h"
#include "engine/sha256.h"

namespace predictor::engine::opengauss {
namespace {

using nlohmann::json;

constexpr size_t kMostNameBytes = 63;

// Numbers may be texts that look like numbers.
std::optional<double> number_of(const json& value) {
  if (value.is_number()) return value.get<double>();
  if (!value.is_string()) return std::nullopt;
  const auto& text = value.get_ref<const std::string&>();
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

bool read_count(const json& value, int64_t most, int64_t& count) {
  const std::optional<double> number = number_of(value);
  if (!number || !(*number >= 1) || !(*number < static_cast<double>(most) + 1)) return false;
  count = static_cast<int64_t>(*number);
  return true;
}

// Rounded to hundredths, as float4 values come with noise.
std::optional<double> hundredths(const json& value) {
  const std::optional<double> number = number_of(value);
  if (!number || !std::isfinite(*number)) return std::nullopt;
  return std::round(*number * 100) / 100;
}

bool read_labels(const json& value, std::string& labels) {
  if (!value.is_string()) return false;
  const auto& text = value.get_ref<const std::string&>();
  labels.clear();
  for (const char letter : std::string_view(kOpenGaussLetters)) {
    const auto count = std::count(text.begin(), text.end(), letter);
    if (count > 1) return false;
    if (count == 1) labels += letter;
  }
  return !labels.empty();
}

bool read_key(const std::string& key, const json& value, ModelConfig& config) {
  if (key == "template_name") return value == "rlstm";
  if (key == "model_name") {
    if (!value.is_string()) return false;
    config.model_name = value.get<std::string>();
    return is_model_name(config.model_name);
  }
  if (key == "labels") return read_labels(value, config.labels);
  if (key == "max_epoch") return read_count(value, kMostEpochs, config.max_epoch);
  if (key == "hidden_units") return read_count(value, kMostHiddenUnits, config.hidden_units);
  if (key == "batch_size") return read_count(value, kMostBatch, config.batch_size);
  const std::optional<double> number = hundredths(value);
  if (!number) return false;
  if (key == "learning_rate") {
    config.learning_rate = *number;
    return *number > 0;
  }
  config.dim_red = *number;
  return *number == -1 || (*number > 0 && *number <= 1);
}

constexpr std::string_view kKeys[] = {"template_name", "model_name", "labels",        "max_epoch",
                                      "hidden_units",  "batch_size", "learning_rate", "dim_red"};

// How many bytes of well-formed UTF-8 begin at `at`, 0 if none do (Unicode 15, table 3-7).
size_t utf8_length(std::string_view text, size_t at) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[at + i]); };
  const size_t left = text.size() - at;
  const auto follows = [&](size_t i, int least = 0x80, int most = 0xbf) {
    return i < left && byte(i) >= least && byte(i) <= most;
  };
  const unsigned char first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first <= 0xdf) return follows(1) ? 2 : 0;
  if (first >= 0xe0 && first <= 0xef) {
    const int least = first == 0xe0 ? 0xa0 : 0x80;
    const int most = first == 0xed ? 0x9f : 0xbf;
    return follows(1, least, most) && follows(2) ? 3 : 0;
  }
  if (first >= 0xf0 && first <= 0xf4) {
    const int least = first == 0xf0 ? 0x90 : 0x80;
    const int most = first == 0xf4 ? 0x8f : 0xbf;
    return follows(1, least, most) && follows(2) && follows(3) ? 4 : 0;
  }
  return 0;
}

}  // namespace

ConfigAnswer read_model_config(const json& request, ModelConfig& config) {
  if (!request.is_object()) return {'F', "the request is no JSON object"};
  for (const auto& [key, value] : request.items()) {
    if (std::find(std::begin(kKeys), std::end(kKeys), key) == std::end(kKeys)) {
      return {'I', "a key is not known"};
    }
  }
  for (const char* key : {"model_name", "labels"}) {
    if (!request.contains(key)) return {'M', std::string(key) + " is missing"};
  }
  for (const auto& [key, value] : request.items()) {
    if (!read_key(key, value, config)) return {'F', key + " has a value that is not allowed"};
  }
  return {'0', ""};
}

bool is_model_name(std::string_view name) {
  if (name.empty() || name.size() > kMostNameBytes) return false;
  for (size_t at = 0; at < name.size();) {
    const size_t length = utf8_length(name, at);
    const auto first = static_cast<unsigned char>(name[at]);
    if (length == 0 || first < 0x20 || first == 0x7f) return false;
    at += length;
  }
  return true;
}

std::string model_directory_name(const std::string& model_name) {
  std::string plain;
  for (const char c : model_name.substr(0, 32)) {
    const bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                          (c >= '0' && c <= '9') || c == '_' || c == '-';
    plain += is_plain ? c : '_';
  }
  return plain + "." + sha256_hex(std::as_bytes(std::span(model_name))).substr(0, 24);
}

}  // namespace predictor::engine::opengauss
