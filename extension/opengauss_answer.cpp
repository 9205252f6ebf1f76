// opengauss_answer.cpp - see opengauss_answer.h.
#include "extension/opengauss_answer.h"

#include <charconv>
#include <limits>
#include <vector>

#include "plan/opengauss_encoding.h"
#include "plan/opengauss_model.h"

namespace {

constexpr float kUnknown = std::numeric_limits<float>::quiet_NaN();
constexpr float kKilobytes = 1024;  // in a MB

// The numbers that the node's encoding prints, which are what the model was trained on.
void append_features(const PredictorNode& node, std::vector<float>& features) {
  char text[PREDICTOR_OPENGAUSS_TEXT_SIZE];
  const char* end = text + predictor_opengauss_encode_node(&node, text);
  for (const char* at = text; at < end; at++) {
    float number = 0;
    at = std::from_chars(at, end, number).ptr;
    features.push_back(number);
  }
}

void put(char letter, double label, PredictorNodePrediction& node) {
  const auto number = static_cast<float>(label);
  switch (letter) {
    case 'S':
      node.startup_ms = number;
      break;
    case 'T':
      node.total_ms = number;
      break;
    case 'R':
      node.rows = number;
      break;
    default:
      node.memory_kb = number * kKilobytes;
      break;
  }
}

}  // namespace

OpenGaussAnswer opengauss_answer(const void* bundle, size_t size, const PredictorRecord* record,
                                 PredictorNodePrediction* nodes) noexcept try {
  predictor::OpenGaussModel model;
  if (!model.open({static_cast<const std::byte*>(bundle), size}, predictor_sha256) ||
      model.feature_count() != PREDICTOR_OPENGAUSS_FEATURES) {
    return OPENGAUSS_DAMAGED;
  }
  std::vector<float> features;
  std::vector<int32_t> parents;
  for (int i = 0; i < record->node_count; i++) {
    append_features(record->nodes[i], features);
    parents.push_back(record->nodes[i].parent);
  }
  const std::vector<double> labels = model.predict(features, parents);
  auto label = labels.begin();
  for (int i = 0; i < record->node_count; i++) {
    nodes[i] = {kUnknown, kUnknown, kUnknown, kUnknown, kUnknown, 1, kUnknown};
    for (const char letter : model.facts().labels) put(letter, *label++, nodes[i]);
  }
  return OPENGAUSS_ANSWERED;
} catch (...) {
  return OPENGAUSS_NO_MEMORY;
}
