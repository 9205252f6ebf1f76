#include "engine/job.h"

#include <iterator>
#include <limits>
#include <nlohmann/json.hpp>

#include "engine/json_text.h"
#include "engine/text.h"
#include "engine/training_json.h"

namespace predictor::engine {
namespace {

using nlohmann::json;

constexpr const char* kStateTexts[] = {"queued", "running", "done", "failed", "cancelled"};

void add_progress(json& object, const Job& job) {
  object.update(progress_to_json(*job.progress));
  if (is_final(job.state)) object.erase("eta_seconds");
}

void read_result(const json& object, Job& job) {
  if (!object.contains("bundle")) return;
  job.result = result_from_json(object);
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

}  // namespace

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
  if (!job.device.empty()) object["device"] = job.device;
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
  job.device = json_string(object, "device");
  if (object.contains("phase")) job.progress = progress_from_json(object);
  read_result(object, job);
  if (object.contains("error")) {
    job.error =
        Error{json_string(object["error"], "code"), json_string(object["error"], "message")};
  }
  return job;
}

}  // namespace predictor::engine
