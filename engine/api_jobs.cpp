// api_jobs.cpp - what clients do with jobs: submit, follow, list, cancel.
#include <nlohmann/json.hpp>

#include "engine/api.h"
#include "engine/json_text.h"
#include "engine/prediction.h"
#include "engine/text.h"
#include "engine/upload.h"

namespace predictor::engine {
namespace {

using nlohmann::json;

Result<std::string> job_id(const std::string& text) {
  const auto id = canonical_uuid(text);
  if (!id) return bad_request("bad_job_id", "a job id must be a UUID");
  return *id;
}

json job_brief(const Job& job) {
  return {{"job", job.request.id}, {"state", job_state_text(job.state)}};
}

}  // namespace

Decision Api::list_jobs(const Caller& caller, const Request& request, const RequestHead&) {
  const auto spaces = spaces_of(caller, request.get("namespace"));
  if (!spaces) return refuse(spaces.error());
  json list = json::array();
  for (const Job& job : parts_.jobs.list(spaces.value())) list.push_back(job_to_json(job));
  return answer({{"jobs", list}});
}

Decision Api::get_job(const Caller& caller, const Request& request, const RequestHead&) {
  const auto spaces = spaces_of(caller, request.get("namespace"));
  if (!spaces) return refuse(spaces.error());
  const auto id = job_id(request.path[2]);
  if (!id) return refuse(id.error());
  const Result<Job> job = parts_.jobs.find(spaces.value(), id.value());
  if (!job) return refuse(job.error());
  return answer(job_to_json(job.value()));
}

Decision Api::cancel_job(const Caller& caller, const Request& request, const RequestHead&) {
  const auto spaces = spaces_of(caller, request.get("namespace"));
  if (!spaces) return refuse(spaces.error());
  const auto id = job_id(request.path[2]);
  if (!id) return refuse(id.error());
  const Result<Job> job = parts_.jobs.cancel(spaces.value(), id.value());
  if (!job) return refuse(job.error());
  return answer(job_to_json(job.value()), is_final(job.value().state) ? 200 : 202);
}

namespace {

// Counts one of the uploads that may arrive at the same time.
class UploadSlot {
 public:
  UploadSlot(std::atomic<size_t>& used, size_t limit) : used_(used), is_free_(++used <= limit) {}
  ~UploadSlot() { --used_; }
  UploadSlot(const UploadSlot&) = delete;
  bool is_free() const { return is_free_; }

 private:
  std::atomic<size_t>& used_;
  const bool is_free_;
};

class JobIntake : public Intake {
 public:
  JobIntake(JobQueue& jobs, JobRequest request, std::unique_ptr<Upload> upload,
            std::unique_ptr<UploadSlot> slot)
      : jobs_(jobs),
        request_(std::move(request)),
        slot_(std::move(slot)),
        upload_(std::move(upload)) {}

  Failure write(std::span<const std::byte> piece) override { return upload_->write(piece); }

  Response finish() override {
    if (Failure failure = upload_->finish()) return error_response(*failure);
    const Result<Job> job = jobs_.submit(request_, upload_->records(), upload_->path());
    if (!job) return error_response(job.error());
    return json_response(job_brief(job.value()), 202);
  }

 private:
  JobQueue& jobs_;
  const JobRequest request_;
  const std::unique_ptr<UploadSlot> slot_;
  const std::unique_ptr<Upload> upload_;
};

Failure read_job_parameters(const std::map<std::string, std::string>& query, JobRequest& job) {
  const auto text = [&](const char* name) {
    const auto found = query.find(name);
    return found == query.end() ? std::string() : found->second;
  };
  const auto model = canonical_uuid(text("model"));
  if (!model) return bad_request("bad_parameter", "parameter \"model\" must be a UUID");
  job.model = *model;
  job.template_name = query.contains("template") ? text("template") : "tree";
  uint64_t number = 0;
  if (Failure failure = read_number("version", text("version"), 1, kMostVersion, number)) {
    return failure;
  }
  job.version = static_cast<uint32_t>(number);
  if (query.contains("seed")) {
    const uint64_t most = std::numeric_limits<uint64_t>::max();
    if (Failure failure = read_number("seed", text("seed"), 0, most, job.seed)) return failure;
  }
  if (query.contains("max_epochs")) {
    if (Failure failure = read_number("max_epochs", text("max_epochs"), 1, 100000, number)) {
      return failure;
    }
    job.max_epochs = static_cast<int>(number);
  }
  return std::nullopt;
}

}  // namespace

Failure Api::check_upload_head(const RequestHead& head, const Limits& limits) const {
  if (head.content_type != kRecordsType) {
    return Error{"bad_content_type", std::string("the content type must be ") + kRecordsType, 415};
  }
  if (!head.content_length && !head.is_chunked) {
    return Error{"length_required", "send a Content-Length or a chunked body", 411};
  }
  if (head.content_length && *head.content_length > limits.upload_bytes) {
    return Error{"upload_too_large",
                 "the upload is larger than " + std::to_string(limits.upload_bytes) +
                     " bytes; send fewer plans or raise limits.upload_mb",
                 413};
  }
  return std::nullopt;
}

Result<std::unique_ptr<Intake>> Api::open_intake(const Caller& caller, const Request& request,
                                                 const RequestHead& head) {
  JobRequest job;
  const auto space = space_of(caller, request.get("namespace"));
  if (!space) return space.error();
  const auto id = job_id(request.path[2]);
  if (!id) return id.error();
  job.space = space.value();
  job.id = id.value();
  if (Failure failure = read_job_parameters(request.query, job)) return *failure;
  const Limits limits = parts_.settings.current()->limits;
  if (Failure failure = check_upload_head(head, limits)) return *failure;
  const auto sum = canonical_sha256(head.content_sha256);
  if (!sum) {
    return bad_request("bad_checksum",
                       "header X-Content-SHA256 must hold the content's SHA-256 as 64 hexadecimal "
                       "digits");
  }
  job.sha256 = *sum;
  if (Failure failure = parts_.jobs.admit(job)) return *failure;
  auto slot = std::make_unique<UploadSlot>(uploads_, limits.uploads);
  if (!slot->is_free()) {
    return Error{"too_many_uploads", "other uploads are arriving; submit the job again", 503, 5};
  }
  Result<std::unique_ptr<Upload>> upload =
      Upload::create(parts_.jobs.arrivals_directory(), limits.upload_bytes, job.sha256);
  if (!upload) return upload.error();
  return std::unique_ptr<Intake>(std::make_unique<JobIntake>(
      parts_.jobs, std::move(job), std::move(upload.value()), std::move(slot)));
}

Decision Api::put_job(const Caller& caller, const Request& request, const RequestHead& head) {
  Result<std::unique_ptr<Intake>> intake = open_intake(caller, request, head);
  if (!intake) return refuse(intake.error());
  Decision decision;
  decision.intake = std::move(intake.value());
  return decision;
}

}  // namespace predictor::engine
