// job.h - one training job as data, and as JSON: the same object goes over the wire and to disk.
#ifndef PREDICTOR_ENGINE_JOB_H
#define PREDICTOR_ENGINE_JOB_H

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "engine/error.h"
#include "engine/model/model.h"
#include "engine/store.h"

namespace predictor::engine {

enum class JobState { kQueued, kRunning, kDone, kFailed, kCancelled };

const char* job_state_text(JobState state);
inline bool is_final(JobState state) { return state >= JobState::kDone; }

// What the client asked for. Two requests with the same id are the same job if all of it is equal.
struct JobRequest {
  std::string space;  // namespace
  std::string id;
  std::string model;
  uint32_t version = 0;
  std::string template_name;
  uint64_t seed = 1;
  int max_epochs = 0;  // 0: the template's default
  std::string sha256;  // of the records

  bool operator==(const JobRequest&) const = default;
  BundleName bundle_name() const { return {space, model, version}; }
};

struct Job {
  JobRequest request;
  JobState state = JobState::kQueued;
  uint64_t records = 0;
  int64_t submitted_at = 0;  // ms since 1970, as the next two; 0: not yet
  int64_t started_at = 0;
  int64_t finished_at = 0;
  int attempts = 0;  // runs that ended neither well nor badly: the engine died under them
  bool cancel_requested = false;
  std::string device;  // known when it runs or ran
  std::optional<TrainingProgress> progress;
  std::optional<TrainingResult> result;  // without the bundle's bytes
  BundleFacts bundle;                    // known when done
  Failure error;                         // known when failed
};

nlohmann::json job_to_json(const Job& job);

// Nothing if the object is not a job that job_to_json() wrote.
std::optional<Job> job_from_json(const nlohmann::json& object);

}  // namespace predictor::engine

#endif
