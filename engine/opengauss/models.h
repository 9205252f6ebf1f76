// models.h - what openGauss's clients have configured and trained, on disk.
//
//   DATA/opengauss/NAMESPACE/MODEL/model.json     the last configuration
//                                  model.bundle   the network, and how labels and features go in
//                                  MODEL_log.json the course of its trainings
//                                  events.*       the same for TensorBoard
// MODEL is model_directory_name(). Bundles are written whole and verified when they are read; one
// that does not verify is renamed to *.quarantined, and the model has to be trained again.
//
// Thread-safe as files are: the last writer wins, no reader sees half of anything.
#ifndef PREDICTOR_ENGINE_OPENGAUSS_MODELS_H
#define PREDICTOR_ENGINE_OPENGAUSS_MODELS_H

#include <array>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/error.h"
#include "engine/opengauss/model_config.h"
#include "engine/opengauss/pca.h"
#include "engine/opengauss/plan_csv.h"
#include "plan/lstm.h"

namespace predictor::engine::opengauss {

// What a training leaves behind, besides the weights.
struct TrainingFacts {
  std::string labels;  // letters, in the order of the network's answers
  std::array<double, kLabelCount>
      maxima{};  // by letter: the largest label of all trainings, 1 at least
  std::array<double, kLabelCount>
      ratio{};         // by letter: mean ratio error on withheld queries; -1: none
  int64_t epochs = 0;  // of all trainings
  Pca pca;             // no outputs: features go in as they are
};

// A trained model, ready to answer. Immutable; may be used by many threads.
class TrainedModel {
 public:
  // Verifies everything; nothing if the bytes are not what write_trained_model() makes.
  static std::shared_ptr<const TrainedModel> open(std::vector<std::byte> bytes);

  const TrainingFacts& facts() const { return facts_; }
  const Lstm& network() const { return lstm_; }
  // Numbers per node in the CSV.
  int feature_count() const { return facts_.pca.outputs > 0 ? facts_.pca.inputs : lstm_.inputs(); }

 private:
  std::vector<std::byte> bytes_;
  TrainingFacts facts_;
  Lstm lstm_;
};

// Empty if it would be larger than a bundle may be.
std::vector<std::byte> write_trained_model(const TrainingFacts& facts, const LstmWeights& weights);

class Models {
 public:
  explicit Models(std::filesystem::path root) : root_(std::move(root)) {}

  Failure save_config(const std::string& space, const ModelConfig& config) const;
  Failure save_trained(const std::string& space, const std::string& model,
                       std::span<const std::byte> bytes) const;

  // Null if there is none that can be used; `is_damaged` says whether there was one.
  std::shared_ptr<const TrainedModel> load(const std::string& space, const std::string& model,
                                           bool& is_damaged) const;

  std::filesystem::path directory(const std::string& space, const std::string& model) const;
  std::filesystem::path log_path(const std::string& space, const std::string& model) const;

 private:
  const std::filesystem::path root_;
};

}  // namespace predictor::engine::opengauss

#endif
