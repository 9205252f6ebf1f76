// models.h - what openGauss's clients have trained, on disk.
//
//   DATA/opengauss/NAMESPACE/MODEL/model.bundle   the network, and how labels and features go in
//                                  MODEL_log.json the course of its trainings
//                                  events.*       the same for TensorBoard
// MODEL is model_directory_name(). Bundles are written whole and verified when they are read; one
// that does not verify is renamed to *.quarantined, and the model has to be trained again.
//
// Thread-safe as files are: the last writer wins, no reader sees half of anything.
#ifndef PREDICTOR_ENGINE_OPENGAUSS_MODELS_H
#define PREDICTOR_ENGINE_OPENGAUSS_MODELS_H

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/error.h"
#include "engine/opengauss/model_config.h"
#include "plan/opengauss_model.h"

namespace predictor::engine::opengauss {

// A trained model, ready to answer. Immutable; may be used by many threads.
class TrainedModel : public OpenGaussModel {
 public:
  // Nothing if the bytes are not what write_opengauss_model() makes.
  static std::shared_ptr<const TrainedModel> open(std::vector<std::byte> bytes);

 private:
  std::vector<std::byte> bytes_;
};

class Models {
 public:
  explicit Models(std::filesystem::path root) : root_(std::move(root)) {}

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
