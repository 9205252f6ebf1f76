// opengauss_model.h - a model that was trained on openGauss's encodings (opengauss_encoding.h), as
// a bundle: the R-LSTM (lstm.h), what of the encodings it reads, and how its labels come out.
//
// The engine makes it from what a client has gathered; the engine's /predict and the backend's
// EXPLAIN answer with it. Unlike the models of predict.h it knows nothing of records.
#ifndef PREDICTOR_PLAN_OPENGAUSS_MODEL_H
#define PREDICTOR_PLAN_OPENGAUSS_MODEL_H

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "plan/bundle.h"
#include "plan/lstm.h"

namespace predictor {

// Labels of a node, in the order of openGauss's letters: startup time and total time in ms and
// rows, all three over all loops, and peak memory in MB.
inline constexpr int kOpenGaussLabels = 4;
inline constexpr char kOpenGaussLetters[] = "STRM";

// Principal components of the features: what openGauss's dim_red asks for.
struct Pca {
  int inputs = 0;
  int outputs = 0;                // 0: features go in as they are
  std::vector<float> mean;        // [inputs]
  std::vector<float> components;  // [outputs][inputs]

  // `in` holds `inputs` numbers, `out` takes `outputs`.
  void apply(const float* in, float* out) const;
};

// What a training leaves behind, besides the weights. Arrays are by letter.
struct OpenGaussFacts {
  std::string labels;                             // letters, in the order of the network's answers
  std::array<double, kOpenGaussLabels> maxima{};  // the largest label of all trainings, at least 1
  std::array<double, kOpenGaussLabels> ratio{};   // mean ratio error on withheld queries; -1: none
  int64_t epochs = 0;                             // of all trainings
  Pca pca;
};

// Empty if it would be larger than a bundle may be.
std::vector<std::byte> write_opengauss_model(const OpenGaussFacts& facts,
                                             const LstmWeights& weights, Sha256Function sha256);

// One past the last node of each node's sub-plan. Nodes are in pre-order; a parent is the position
// of an earlier node, or -1 at a root.
std::vector<int32_t> subtree_ends(std::span<const int32_t> parents);

// Immutable once open; may then be used by many threads.
class OpenGaussModel {
 public:
  // Verifies everything. The bytes must be aligned to 8 and outlive the model.
  bool open(std::span<const std::byte> bytes, Sha256Function sha256);

  const OpenGaussFacts& facts() const { return facts_; }
  const Lstm& network() const { return lstm_; }
  // Numbers per node that predict() reads.
  int feature_count() const { return facts_.pca.outputs > 0 ? facts_.pca.inputs : lstm_.inputs(); }

  // The labels of each node of one plan, by node and then in the order of facts().labels.
  // `features` holds feature_count() numbers for each node.
  std::vector<double> predict(std::span<const float> features,
                              std::span<const int32_t> parents) const;

 private:
  OpenGaussFacts facts_;
  Lstm lstm_;
};

}  // namespace predictor

#endif
