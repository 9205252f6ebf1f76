#include "engine/job.h"

#include <iterator>
#include <limits>
#include <nlohmann/json.hpp>

#include "engine/json_text.h"
#include "engine/text.h"

namespace predictor::engine {
namespace {

using nlohmann::json;

constexpr const char* kStateTexts[] = {"queued", "running", "done", "failed", "cancelled"};

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

void add_progress(json& object, const Job& job) {
  const TrainingProgress& progress = *job.progress;
  object["phase"] = progress.phase;
  object["epoch"] = progress.epoch;
  object["max_epochs"] = progress.max_epochs;
  object["loss"] = progress.loss;
  object["validation_q50"] = progress.validation_q50;
  if (!is_final(job.state)) object["eta_seconds"] = progress.eta_seconds;
}

void read_progress(const json& object, Job& job) {
  if (!object.contains("phase")) return;
  TrainingProgress progress;
  progress.phase = json_string(object, "phase");
  progress.epoch = static_cast<int>(json_number(object, "epoch", 0));
  progress.max_epochs = static_cast<int>(json_number(object, "max_epochs", 0));
  progress.loss = json_real(object, "loss");
  progress.validation_q50 = json_real(object, "validation_q50");
  job.progress = progress;
}

void read_result(const json& object, Job& job) {
  if (!object.contains("bundle")) return;
  TrainingResult result;
  result.plans = static_cast<size_t>(json_number(object, "plans", 0));
  result.skipped = static_cast<size_t>(json_number(object, "skipped", 0));
  result.epochs = static_cast<int>(json_number(object, "epochs", 0));
  result.seconds = json_real(object, "seconds");
  result.validation = q_error_from_json(object, "validation");
  result.baseline = q_error_from_json(object, "baseline");
  result.coverage = json_real(object, "coverage");
  result.device = json_string(object, "device");
  job.result = std::move(result);
  job.bundle.size = static_cast<uint64_t>(json_number(object["bundle"], "size", 0));
  job.bundle.sha256 = json_string(object["bundle"], "sha256");
}

bool read_request(const json& object, JobRequest& request) {
  const auto id = canonical_uuid(json_string(object, "job"));
  const auto model = canonical_uuid(json_string(object, "model"));
  const int64_t version = json_number(object, "version", 0);
  request.space = json_string(object, "namespace");
  request.template_name = json_string(object, "template");
  request.seed = static_cast<uint64_t>(json_number(object, "seed", 1));
  request.max_epochs = static_cast<int>(json_number(object, "max_epochs_asked", 0));
  const auto sum = canonical_sha256(json_string(object, "records_sha256"));
  if (!id || !model || !sum || !is_plain_name(request.space) || version < 1 ||
      version > std::numeric_limits<int32_t>::max()) {
    return false;
  }
  request.id = *id;
  request.model = *model;
  request.sha256 = *sum;
  request.version = static_cast<uint32_t>(version);
  return true;
}

json q_error_to_json(const QError& error) {
  return {{"q50", error.q50},   {"q90", error.q90}, {"q95", error.q95},    {"q99", error.q99},
          {"mean", error.mean}, {"max", error.max}, {"count", error.count}};
}

}  // namespace

json result_to_json(const TrainingResult& result) {
  return {{"plans", result.plans},
          {"skipped", result.skipped},
          {"epochs", result.epochs},
          {"seconds", result.seconds},
          {"validation", q_error_to_json(result.validation)},
          {"baseline", q_error_to_json(result.baseline)},
          {"coverage", result.coverage},
          {"device", result.device}};
}

const char* job_state_text(JobState state) { return kStateTexts[static_cast<int>(state)]; }

json job_to_json(const Job& job) {
  json object = {{"job", job.request.id},
                 {"namespace", job.request.space},
                 {"model", job.request.model},
                 {"version", job.request.version},
                 {"template", job.request.template_name},
                 {"seed", job.request.seed},
                 {"max_epochs_asked", job.request.max_epochs},
                 {"records_sha256", job.request.sha256},
                 {"records", job.records},
                 {"state", job_state_text(job.state)},
                 {"submitted_at", job.submitted_at},
                 {"attempts", job.attempts}};
  if (job.started_at != 0) object["started_at"] = job.started_at;
  if (job.finished_at != 0) object["finished_at"] = job.finished_at;
  if (job.state == JobState::kRunning) object["device"] = "cpu";
  if (job.cancel_requested) object["cancel_requested"] = true;
  if (job.progress) add_progress(object, job);
  if (job.result) {
    object.update(result_to_json(*job.result));
    object["bundle"] = {{"size", job.bundle.size}, {"sha256", job.bundle.sha256}};
  }
  if (job.error) object["error"] = {{"code", job.error->code}, {"message", job.error->message}};
  return object;
}

std::optional<Job> job_from_json(const json& object) {
  Job job;
  if (!object.is_object() || !read_request(object, job.request)) return std::nullopt;
  const std::string state = json_string(object, "state");
  int number = 0;
  while (number < static_cast<int>(std::size(kStateTexts)) && state != kStateTexts[number]) {
    number++;
  }
  if (number == static_cast<int>(std::size(kStateTexts))) return std::nullopt;
  job.state = static_cast<JobState>(number);
  job.records = static_cast<uint64_t>(json_number(object, "records", 0));
  job.submitted_at = json_number(object, "submitted_at", 0);
  job.started_at = json_number(object, "started_at", 0);
  job.finished_at = json_number(object, "finished_at", 0);
  job.attempts = static_cast<int>(json_number(object, "attempts", 0));
  job.cancel_requested = object.contains("cancel_requested");
  read_progress(object, job);
  read_result(object, job);
  if (object.contains("error")) {
    job.error =
        Error{json_string(object["error"], "code"), json_string(object["error"], "message")};
  }
  return job;
}

}  // namespace predictor::engine
