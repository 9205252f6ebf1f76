#include "plan/lstm.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "plan/bundle.h"
#include "plan/kernels.h"

namespace predictor {
namespace {

constexpr uint32_t kLayers = 2;
constexpr uint32_t kGates = 4;

// y += x W; most features of a node are 0, which need no work.
template <int V>
PREDICTOR_INLINE void add_sparse_product_as(const float* x, int inputs, const float* weights,
                                            int outputs, float* y) {
  for (int i = 0; i < inputs; i++) {
    if (x[i] == 0) continue;
    const float* row = weights + static_cast<size_t>(i) * outputs;
    for (int j = 0; j < outputs; j += V) *vector_at<V>(y + j) += x[i] * *vector_at<V>(row + j);
  }
}

template <int V>
PREDICTOR_INLINE void add_dense_product_as(const float* x, int inputs, const float* weights,
                                           int outputs, float* y) {
  add_product<V>(x, inputs, weights, outputs, y);
}

template <int V>
PREDICTOR_INLINE void run_dense_as(const float* x, const float* weights, const float* bias,
                                   int width, float* y) {
  std::memcpy(y, bias, static_cast<size_t>(width) * sizeof(float));
  add_product<V>(x, width, weights, width, y);
  relu<V>(width, y);
}

PREDICTOR_FOR_EVERY_CPU(add_sparse_product,
                        (const float* x, int inputs, const float* weights, int outputs, float* y),
                        (x, inputs, weights, outputs, y))
PREDICTOR_FOR_EVERY_CPU(add_dense_product,
                        (const float* x, int inputs, const float* weights, int outputs, float* y),
                        (x, inputs, weights, outputs, y))
PREDICTOR_FOR_EVERY_CPU(run_dense,
                        (const float* x, const float* weights, const float* bias, int width,
                         float* y),
                        (x, weights, bias, width, y))

float sigmoid(float x) { return 1 / (1 + std::exp(-x)); }

void apply_gates(const float* gates, int width, float* cell, float* state) {
  for (int j = 0; j < width; j++) {
    cell[j] =
        sigmoid(gates[width + j]) * cell[j] + sigmoid(gates[j]) * std::tanh(gates[2 * width + j]);
    state[j] = sigmoid(gates[3 * width + j]) * std::tanh(cell[j]);
  }
}

}  // namespace

uint32_t lstm_width(uint32_t hidden) {
  return (hidden + kLaneCount - 1) / kLaneCount * static_cast<uint32_t>(kLaneCount);
}

std::vector<std::byte> write_lstm(const LstmWeights& weights) {
  SectionWriter out;
  out.put(weights.inputs);
  out.put(weights.hidden);
  out.put(weights.labels);
  const auto put = [&out](const std::vector<float>& x) {
    out.put_array(std::span<const float>(x));
  };
  for (const LstmWeights::Layer& layer : weights.layers) {
    put(layer.input), put(layer.recurrent), put(layer.bias);
  }
  for (uint32_t i = 0; i < kLayers; i++) put(weights.dense[i]), put(weights.dense_bias[i]);
  put(weights.output), put(weights.output_bias);
  return out.take();
}

bool Lstm::open(std::span<const std::byte> content) {
  width_ = 0;
  SectionReader in(content);
  inputs_ = in.get<uint32_t>();
  hidden_ = in.get<uint32_t>();
  labels_ = in.get<uint32_t>();
  if (!in.ok() || inputs_ == 0 || inputs_ > kMaxLstmInputs || hidden_ == 0 ||
      hidden_ > kMaxLstmHidden || labels_ == 0 || labels_ > kMaxLstmLabels) {
    return false;
  }
  const uint64_t width = lstm_width(hidden_);
  bool finite = true;
  const auto read = [&in, &finite](uint64_t rows, uint64_t columns) {
    const float* x = in.get_array<float>(rows * columns);
    finite = finite && all_finite(x, rows * columns);
    return x;
  };
  for (uint32_t i = 0; i < kLayers; i++) {
    layers_[i].input = read(i == 0 ? inputs_ : width, kGates * width);
    layers_[i].recurrent = read(width, kGates * width);
    layers_[i].bias = read(1, kGates * width);
  }
  for (uint32_t i = 0; i < kLayers; i++) {
    dense_[i] = read(width, width);
    dense_bias_[i] = read(1, width);
  }
  output_ = read(width, kLaneCount);
  output_bias_ = read(1, kLaneCount);
  if (in.finished() && finite) width_ = static_cast<uint32_t>(width);
  return is_open();
}

LstmWeights Lstm::weights() const {
  LstmWeights weights;
  weights.inputs = inputs_;
  weights.hidden = hidden_;
  weights.labels = labels_;
  const auto copy = [](const float* from, size_t count) {
    return std::vector<float>(from, from + count);
  };
  const size_t width = width_;
  for (uint32_t i = 0; i < kLayers; i++) {
    weights.layers[i].input = copy(layers_[i].input, (i == 0 ? inputs_ : width) * kGates * width);
    weights.layers[i].recurrent = copy(layers_[i].recurrent, width * kGates * width);
    weights.layers[i].bias = copy(layers_[i].bias, kGates * width);
    weights.dense[i] = copy(dense_[i], width * width);
    weights.dense_bias[i] = copy(dense_bias_[i], width);
  }
  weights.output = copy(output_, width * kLaneCount);
  weights.output_bias = copy(output_bias_, kLaneCount);
  return weights;
}

size_t Lstm::scratch_floats() const { return size_t{width_} * (kGates + 2 * kLayers) + kLaneCount; }

void Lstm::run(const float* features, int nodes, float* scratch, float* out) const {
  const int width = static_cast<int>(width_);
  const int gate_width = static_cast<int>(kGates) * width;
  float* gates = scratch;
  float* state[kLayers] = {gates + gate_width, gates + gate_width + width};
  float* cell[kLayers] = {state[1] + width, state[1] + 2 * width};
  float* answers = cell[1] + width;
  std::fill(state[0], answers, 0.0F);
  nodes = std::min(nodes, kMaxLstmSequence);
  for (int t = 0; t < nodes; t++) {
    for (uint32_t i = 0; i < kLayers; i++) {
      std::memcpy(gates, layers_[i].bias, static_cast<size_t>(gate_width) * sizeof(float));
      if (i == 0) {
        add_sparse_product(features + static_cast<size_t>(t) * inputs_, inputs(), layers_[0].input,
                           gate_width, gates);
      } else {
        add_dense_product(state[i - 1], width, layers_[i].input, gate_width, gates);
      }
      add_dense_product(state[i], width, layers_[i].recurrent, gate_width, gates);
      apply_gates(gates, width, cell[i], state[i]);
    }
  }
  run_dense(state[1], dense_[0], dense_bias_[0], width, gates);
  run_dense(gates, dense_[1], dense_bias_[1], width, gates + width);
  std::memcpy(answers, output_bias_, kLaneCount * sizeof(float));
  add_dense_product(gates + width, width, output_, kLaneCount, answers);
  std::copy(answers, answers + labels_, out);
}

}  // namespace predictor
