// model_config.h - what openGauss's /configure says about a model, and its rules.
//
// The answers are the contract's letters: '0' accepted, 'M' model_name or labels missing, 'F' a
// value that is not allowed, 'I' a key that is not known.
#ifndef PREDICTOR_ENGINE_OPENGAUSS_MODEL_CONFIG_H
#define PREDICTOR_ENGINE_OPENGAUSS_MODEL_CONFIG_H

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace predictor::engine::opengauss {

// What openGauss advises is far below these.
inline constexpr int64_t kMostEpochs = 1000000;
inline constexpr int64_t kMostHiddenUnits = 1024;
inline constexpr int64_t kMostBatch = 10000000;

struct ModelConfig {
  std::string model_name;
  int64_t max_epoch = 500;  // of one training
  double learning_rate = 1;
  double dim_red = -1;  // share of the variance to keep; -1: all features as they are
  int64_t hidden_units = 50;
  int64_t batch_size = 500;  // samples, that is plan nodes
  std::string labels;        // subset of "STRM" in that order
};

struct ConfigAnswer {
  char letter;         // '0', 'M', 'F' or 'I'
  std::string reason;  // for the log; empty if accepted
};

// Fills `config`, which is complete if the answer is '0'.
ConfigAnswer read_model_config(const nlohmann::json& request, ModelConfig& config);

// Model names are openGauss's type name: 1 to 63 bytes of UTF-8 without control characters.
bool is_model_name(std::string_view name);

// A file name for the model that no name can lead astray: what is plain of it, and a hash of it.
std::string model_directory_name(const std::string& model_name);

}  // namespace predictor::engine::opengauss

#endif
