#include "plan/lstm_features.h"

#include <algorithm>

namespace predictor {
namespace {

constexpr float kNumericScale = 0.1f;  // logarithms reach 30, the other inputs 1

}  // namespace

void encode_lstm_node(const PredictorNode& node, const NodeFeatures& features, float* out) {
  std::fill(out, out + kLstmNodeInputs, 0.0f);
  auto put_one_hot = [&out](int value, int size) {
    out[value < size ? value : 0] = 1;
    out += size;
  };
  auto put_bits = [&out](uint64_t hash) {
    for (int bit = 0; bit < kLstmHashBits; bit++) out[bit] = static_cast<float>(hash >> bit & 1);
    out += kLstmHashBits;
  };
  put_one_hot(node.op, PREDICTOR_OPERATOR_COUNT);
  put_one_hot(node.join_type, PREDICTOR_JOIN_RIGHT_SEMI + 1);
  put_one_hot(node.strategy, PREDICTOR_STRATEGY_MIXED + 1);
  put_one_hot(node.partial_mode, PREDICTOR_PARTIAL_FINALIZE + 1);
  put_bits(node.predicate);
  put_bits(node.relation);
  for (int i = 0; i < kNumericCount; i++) out[i] = kNumericScale * features.numeric[i];
}

}  // namespace predictor
