// lstm.h - openGauss's R-LSTM as plain loops over a bundle's weights.
//
// A sub-plan is the sequence of its nodes' features in pre-order. Two LSTM layers (Hochreiter and
// Schmidhuber 1997, with Gers' forget gate) read it; two dense layers with relu and an output layer
// answer from the state after the last node:
//   gates = b + W x + U h;   c = sigmoid(f) c + sigmoid(i) tanh(g);   h = sigmoid(o) tanh(c)
// The answers are ln(1 + label). engine/model/lstm_trainer trains it with LibTorch; a unit test
// holds both to the same numbers. A sequence is as long as its sub-plan: there is no padding.
//
// Evaluates in place over the bundle, without allocation; const after open().
#ifndef PREDICTOR_PLAN_LSTM_H
#define PREDICTOR_PLAN_LSTM_H

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace predictor {

inline constexpr uint32_t kLstmVersion = 1;
inline constexpr uint32_t kMaxLstmInputs = 1024;
inline constexpr uint32_t kMaxLstmHidden = 1024;
inline constexpr uint32_t kMaxLstmLabels = 16;
// Of a longer sub-plan the first so many nodes are read, in training as in use.
inline constexpr int kMaxLstmSequence = 512;

// The width of all layers for so many hidden units as asked for: a multiple of kLaneCount.
uint32_t lstm_width(uint32_t hidden);

// All matrices are [inputs][outputs]; the order of gates is i, f, g, o, each `width()` wide.
struct LstmWeights {
  struct Layer {
    std::vector<float> input;      // [inputs of the layer][4 width]
    std::vector<float> recurrent;  // [width][4 width]
    std::vector<float> bias;       // [4 width]
  };
  uint32_t inputs = 0;
  uint32_t hidden = 0;  // as asked for; width(), which is trained, is that rounded up
  uint32_t labels = 0;
  Layer layers[2];
  std::vector<float> dense[2], dense_bias[2];  // [width][width], [width]
  std::vector<float> output, output_bias;      // [width][kLaneCount], [kLaneCount]

  uint32_t width() const { return lstm_width(hidden); }
};

std::vector<std::byte> write_lstm(const LstmWeights& weights);

class Lstm {
 public:
  // False if the content is damaged. It must be aligned to 8 and outlive this.
  bool open(std::span<const std::byte> content);
  bool is_open() const { return width_ > 0; }

  int inputs() const { return static_cast<int>(inputs_); }
  int labels() const { return static_cast<int>(labels_); }

  // The weights again, for a training that goes on from them.
  LstmWeights weights() const;

  // Floats of scratch memory that run() needs, for any number of nodes.
  size_t scratch_floats() const;

  // Answers for one sub-plan: `features` holds `nodes` rows of inputs() numbers in pre-order, `out`
  // takes labels() numbers.
  void run(const float* features, int nodes, float* scratch, float* out) const;

 private:
  struct Layer {
    const float *input, *recurrent, *bias;
  };
  uint32_t inputs_ = 0, hidden_ = 0, labels_ = 0, width_ = 0;
  Layer layers_[2] = {};
  const float *dense_[2] = {}, *dense_bias_[2] = {};
  const float *output_ = nullptr, *output_bias_ = nullptr;
};

}  // namespace predictor

#endif
