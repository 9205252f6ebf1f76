#include "engine/opengauss/models.h"

#include "engine/files.h"
#include "engine/log.h"
#include "engine/model/model.h"

namespace predictor::engine::opengauss {
namespace {

namespace fs = std::filesystem;

constexpr char kBundleName[] = "model.bundle";

}  // namespace

std::shared_ptr<const TrainedModel> TrainedModel::open(std::vector<std::byte> bytes) {
  auto model = std::make_shared<TrainedModel>();
  model->bytes_ = std::move(bytes);
  return model->OpenGaussModel::open(model->bytes_, openssl_sha256) ? model : nullptr;
}

fs::path Models::directory(const std::string& space, const std::string& model) const {
  return root_ / space / model_directory_name(model);
}

fs::path Models::log_path(const std::string& space, const std::string& model) const {
  const fs::path place = directory(space, model);
  return place / (place.filename().string() + "_log.json");
}

Failure Models::save_trained(const std::string& space, const std::string& model,
                             std::span<const std::byte> bytes) const {
  const fs::path place = directory(space, model);
  if (Failure failure = make_directory(place)) return failure;
  return write_file(place / kBundleName, bytes);
}

std::shared_ptr<const TrainedModel> Models::load(const std::string& space, const std::string& model,
                                                 bool& is_damaged) const {
  is_damaged = false;
  const fs::path path = directory(space, model) / kBundleName;
  std::error_code ignored;
  if (!fs::exists(path, ignored)) return nullptr;
  Result<std::vector<std::byte>> bytes = read_file(path, kBundleSizeLimit);
  std::shared_ptr<const TrainedModel> trained;
  if (bytes) trained = TrainedModel::open(std::move(bytes.value()));
  if (trained) return trained;
  is_damaged = true;
  log_error(path.string() + ": " + (bytes ? "is damaged" : bytes.error().message) +
            "; the model must be trained again");
  if (bytes) fs::rename(path, path.string() + ".quarantined", ignored);
  return nullptr;
}

}  // namespace predictor::engine::opengauss
