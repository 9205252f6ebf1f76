#include "engine/training_json.h"

#include <nlohmann/json.hpp>

#include "engine/json_text.h"

namespace predictor::engine {
namespace {

using nlohmann::json;

json q_error_to_json(const QError& error) {
  return {{"q50", error.q50},   {"q90", error.q90}, {"q95", error.q95},    {"q99", error.q99},
          {"mean", error.mean}, {"max", error.max}, {"count", error.count}};
}

QError q_error_from_json(const json& parent, const char* key) {
  QError error;
  if (!parent.contains(key)) return error;
  const json& object = parent[key];
  error.q50 = json_real(object, "q50");
  error.q90 = json_real(object, "q90");
  error.q95 = json_real(object, "q95");
  error.q99 = json_real(object, "q99");
  error.mean = json_real(object, "mean");
  error.max = json_real(object, "max");
  error.count = static_cast<size_t>(json_number(object, "count", 0));
  return error;
}

}  // namespace

json progress_to_json(const TrainingProgress& progress) {
  return {{"phase", progress.phase},
          {"epoch", progress.epoch},
          {"max_epochs", progress.max_epochs},
          {"loss", progress.loss},
          {"validation_q50", progress.validation_q50},
          {"eta_seconds", progress.eta_seconds}};
}

TrainingProgress progress_from_json(const json& object) {
  TrainingProgress progress;
  progress.phase = json_string(object, "phase");
  progress.epoch = static_cast<int>(json_number(object, "epoch", 0));
  progress.max_epochs = static_cast<int>(json_number(object, "max_epochs", 0));
  progress.loss = json_real(object, "loss");
  progress.validation_q50 = json_real(object, "validation_q50");
  progress.eta_seconds = json_real(object, "eta_seconds");
  return progress;
}

json result_to_json(const TrainingResult& result) {
  json object = {{"plans", result.plans},
                 {"skipped", result.skipped},
                 {"epochs", result.epochs},
                 {"seconds", result.seconds},
                 {"validation", q_error_to_json(result.validation)},
                 {"baseline", q_error_to_json(result.baseline)},
                 {"coverage", result.coverage},
                 {"device", result.device}};
  if (!result.note.empty()) object["note"] = result.note;
  return object;
}

TrainingResult result_from_json(const json& object) {
  TrainingResult result;
  result.plans = static_cast<size_t>(json_number(object, "plans", 0));
  result.skipped = static_cast<size_t>(json_number(object, "skipped", 0));
  result.epochs = static_cast<int>(json_number(object, "epochs", 0));
  result.seconds = json_real(object, "seconds");
  result.validation = q_error_from_json(object, "validation");
  result.baseline = q_error_from_json(object, "baseline");
  result.coverage = json_real(object, "coverage");
  result.device = json_string(object, "device");
  result.note = json_string(object, "note");
  return result;
}

}  // namespace predictor::engine
