#include "engine/opengauss/models.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "engine/files.h"
#include "engine/json_text.h"
#include "engine/log.h"
#include "engine/model/model.h"
#include "plan/bundle.h"

namespace predictor::engine::opengauss {
namespace {

namespace fs = std::filesystem;

constexpr uint32_t kFactsVersion = 1;
constexpr char kBundleName[] = "model.bundle";

using Letters = std::array<char, 8>;

std::vector<std::byte> write_facts(const TrainingFacts& facts) {
  SectionWriter out;
  Letters letters{};
  std::copy(facts.labels.begin(), facts.labels.end(), letters.begin());
  out.put(letters);
  out.put(facts.maxima);
  out.put(facts.ratio);
  out.put(facts.epochs);
  out.put(static_cast<int32_t>(facts.pca.inputs));
  out.put(static_cast<int32_t>(facts.pca.outputs));
  out.put_array(std::span<const float>(facts.pca.mean));
  out.put_array(std::span<const float>(facts.pca.components));
  return out.take();
}

bool read_labels(const Letters& letters, std::string& labels) {
  labels.assign(letters.begin(), std::find(letters.begin(), letters.end(), '\0'));
  const std::string_view known = kLabelLetters;
  size_t least = 0;  // each once, in order
  for (const char letter : labels) {
    const size_t at = known.find(letter, least);
    if (at == std::string_view::npos) return false;
    least = at + 1;
  }
  return !labels.empty();
}

bool read_facts(std::span<const std::byte> content, TrainingFacts& facts) {
  SectionReader in(content);
  const auto letters = in.get<Letters>();
  facts.maxima = in.get<std::array<double, kLabelCount>>();
  facts.ratio = in.get<std::array<double, kLabelCount>>();
  facts.epochs = in.get<int64_t>();
  facts.pca.inputs = in.get<int32_t>();
  facts.pca.outputs = in.get<int32_t>();
  const auto most = static_cast<int>(kMaxLstmInputs);
  if (!in.ok() || !read_labels(letters, facts.labels) || facts.pca.inputs < 0 ||
      facts.pca.inputs > most || facts.pca.outputs < 0 || facts.pca.outputs > facts.pca.inputs) {
    return false;
  }
  const auto inputs = static_cast<size_t>(facts.pca.inputs);
  const size_t count = inputs * static_cast<size_t>(facts.pca.outputs);
  const float* mean = in.get_array<float>(inputs);
  const float* components = in.get_array<float>(count);
  if (!in.finished()) return false;
  facts.pca.mean.assign(mean, mean + inputs);
  facts.pca.components.assign(components, components + count);
  const auto is_finite = [](float x) { return std::isfinite(x); };
  return std::all_of(facts.pca.mean.begin(), facts.pca.mean.end(), is_finite) &&
         std::all_of(facts.pca.components.begin(), facts.pca.components.end(), is_finite);
}

}  // namespace

std::vector<std::byte> write_trained_model(const TrainingFacts& facts, const LstmWeights& weights) {
  BundleWriter bundle;
  bundle.add(Section::kOpenGauss, kFactsVersion, write_facts(facts));
  bundle.add(Section::kLstm, kLstmVersion, write_lstm(weights));
  return bundle.finish(openssl_sha256);
}

std::shared_ptr<const TrainedModel> TrainedModel::open(std::vector<std::byte> bytes) {
  auto model = std::make_shared<TrainedModel>();
  model->bytes_ = std::move(bytes);
  BundleView view;
  if (view.open(model->bytes_, openssl_sha256) != BundleStatus::kOk) return nullptr;
  TrainingFacts& facts = model->facts_;
  if (!read_facts(view.section(Section::kOpenGauss, kFactsVersion), facts)) return nullptr;
  if (!model->lstm_.open(view.section(Section::kLstm, kLstmVersion))) return nullptr;
  if (model->lstm_.labels() != static_cast<int>(facts.labels.size())) return nullptr;
  if (facts.pca.outputs > 0 && facts.pca.outputs != model->lstm_.inputs()) return nullptr;
  return model;
}

fs::path Models::directory(const std::string& space, const std::string& model) const {
  return root_ / space / model_directory_name(model);
}

fs::path Models::log_path(const std::string& space, const std::string& model) const {
  const fs::path place = directory(space, model);
  return place / (place.filename().string() + "_log.json");
}

Failure Models::save_config(const std::string& space, const ModelConfig& config) const {
  const fs::path place = directory(space, config.model_name);
  if (Failure failure = make_directory(place)) return failure;
  return write_file(place / "model.json", std::string_view(json_text(config_to_json(config))));
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
