// lstm_features.h - a plan node as the R-LSTM reads it: what openGauss's
// encoding holds (operator, strategy, options, 12 bits of a hash of the
// condition), the relation likewise, and the planner's numbers in log space,
// which the original lacks.
#ifndef PREDICTOR_PLAN_LSTM_FEATURES_H
#define PREDICTOR_PLAN_LSTM_FEATURES_H

#include "plan/features.h"

namespace predictor {

inline constexpr int kLstmHashBits = 12;
// Operator, join, strategy and partial mode one-hot; two hashes; numbers.
inline constexpr int kLstmNodeInputs =
    PREDICTOR_OPERATOR_COUNT + (PREDICTOR_JOIN_RIGHT_SEMI + 1) + (PREDICTOR_STRATEGY_MIXED + 1) +
    (PREDICTOR_PARTIAL_FINALIZE + 1) + 2 * kLstmHashBits + kNumericCount;

// Fills out[0 .. kLstmNodeInputs).
void encode_lstm_node(const PredictorNode& node, const NodeFeatures& features, float* out);

}  // namespace predictor

#endif
