#include "engine/api.h"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>

#include "engine/json_text.h"
#include "engine/sha256.h"
#include "engine/text.h"
#include "engine/upload.h"
#include "engine/version.h"
#include "plan/bundle.h"
#include "plan/codec.h"

namespace predictor::engine {
namespace {

using nlohmann::json;

constexpr char kRecordsType[] = "application/vnd.predictor.records";
constexpr uint64_t kMostVersion = std::numeric_limits<int32_t>::max();

Response json_response(const json& content, int status = 200) {
  Response response;
  response.status = status;
  response.body = json_text(content);
  return response;
}

Decision answer(const json& content, int status = 200) {
  return {json_response(content, status), nullptr};
}

Decision refuse(const Error& error) { return {error_response(error), nullptr}; }

Error bad_request(const std::string& code, const std::string& message) {
  return Error{code, message, 400};
}

}  // namespace

Response error_response(const Error& error) {
  Response response = json_response({{"error", {{"code", error.code}, {"message", error.message}}}},
                                    error.http_status);
  if (error.retry_after > 0) {
    response.headers.emplace_back("Retry-After", std::to_string(error.retry_after));
  }
  return response;
}

// Requests

struct Api::Request {
  std::vector<std::string> path;             // "/v1/jobs/X" is {"v1", "jobs", "X"}
  std::map<std::string, std::string> query;  // no name twice

  std::string get(const std::string& name) const {
    const auto found = query.find(name);
    return found == query.end() ? "" : found->second;
  }

  static Result<Request> parse(const std::string& target);
};

Result<Api::Request> Api::Request::parse(const std::string& target) {
  const Error bad = bad_request("bad_target", "the request target cannot be read");
  const size_t question = target.find('?');
  const std::string path = target.substr(0, question);
  if (path.empty() || path[0] != '/') return bad;
  Request request;
  // Escapes are not decoded in the path: nothing we name needs one.
  request.path = split(std::string_view(path).substr(1), '/');
  if (question == std::string::npos) return request;
  for (const std::string& part : split(std::string_view(target).substr(question + 1), '&')) {
    const size_t equals = part.find('=');
    if (equals == std::string::npos) return bad;
    const auto name = percent_decode(part.substr(0, equals));
    const auto value = percent_decode(part.substr(equals + 1));
    if (!name || !value) return bad;
    if (!request.query.emplace(*name, *value).second) {
      return bad_request("bad_parameter", "parameter \"" + printable(*name) + "\" is given twice");
    }
  }
  return request;
}

// In a pattern, "*" stands for any one part of the path.
struct Api::Route {
  std::string method;
  std::vector<std::string> pattern;
  std::vector<std::string> parameters;
  Handler handler;

  bool matches(const std::vector<std::string>& path) const {
    return std::equal(path.begin(), path.end(), pattern.begin(), pattern.end(),
                      [](const std::string& part, const std::string& wanted) {
                        return wanted == "*" || part == wanted;
                      });
  }
};

const std::vector<Api::Route>& Api::routes() {
  static const std::vector<Route> table = {
      {"GET", {"livez"}, {}, &Api::health},
      {"GET", {"readyz"}, {}, &Api::health},
      {"GET", {"v1", "version"}, {}, &Api::version},
      {"GET", {"v1", "jobs"}, {"namespace"}, &Api::list_jobs},
      {"GET", {"v1", "jobs", "*"}, {"namespace"}, &Api::get_job},
      {"DELETE", {"v1", "jobs", "*"}, {"namespace"}, &Api::cancel_job},
      {"PUT",
       {"v1", "jobs", "*"},
       {"namespace", "model", "version", "template", "seed", "max_epochs"},
       &Api::put_job},
      {"GET", {"v1", "models"}, {"namespace"}, &Api::list_models},
      {"GET", {"v1", "models", "*", "*", "bundle"}, {"namespace"}, &Api::get_bundle},
      {"DELETE", {"v1", "models", "*", "*"}, {"namespace"}, &Api::remove_version},
  };
  return table;
}

Api::Api(const Settings& settings, Store& store, JobQueue& jobs)
    : settings_(settings), store_(store), jobs_(jobs) {}

bool Api::is_probe(const std::string& target) { return target == "/livez" || target == "/readyz"; }

Decision Api::decide(const Caller& caller, const RequestHead& head) {
  const Result<Request> request = Request::parse(head.target);
  if (!request) return refuse(request.error());
  std::string allowed;
  for (const Route& route : routes()) {
    if (!route.matches(request.value().path)) continue;
    if (route.method != head.method) {
      allowed += (allowed.empty() ? "" : ", ") + route.method;
      continue;
    }
    for (const auto& [name, value] : request.value().query) {
      if (std::find(route.parameters.begin(), route.parameters.end(), name) ==
          route.parameters.end()) {
        return refuse(bad_request("bad_parameter", "unknown parameter \"" + printable(name) +
                                                       "\"; see docs/engine-api.md"));
      }
    }
    return (this->*route.handler)(caller, request.value(), head);
  }
  if (allowed.empty()) {
    return refuse(Error{"not_found", "there is nothing at this path; see docs/engine-api.md", 404});
  }
  Decision decision =
      refuse(Error{"method_not_allowed", "this path answers " + allowed + " only", 405});
  decision.answer.headers.emplace_back("Allow", allowed);
  return decision;
}

namespace {

// The namespaces a request is about: the one it names, or all of the caller's.
Result<std::vector<std::string>> spaces_of(const Caller& caller, const std::string& named) {
  if (caller.spaces.empty()) {
    return Error{"no_namespace",
                 "no namespace is granted to client \"" + caller.name +
                     "\"; grant one in table [namespaces] of the engine's configuration",
                 403};
  }
  if (named.empty()) return caller.spaces;
  if (std::find(caller.spaces.begin(), caller.spaces.end(), named) == caller.spaces.end()) {
    return Error{
        "namespace_forbidden",
        "namespace \"" + printable(named) + "\" is not granted to client \"" + caller.name + "\"",
        403};
  }
  return std::vector<std::string>{named};
}

// Where something new goes.
Result<std::string> space_of(const Caller& caller, const std::string& named) {
  const Result<std::vector<std::string>> spaces = spaces_of(caller, named);
  if (!spaces) return spaces.error();
  if (spaces.value().size() > 1) {
    return bad_request(
        "namespace_required",
        "client \"" + caller.name + "\" has several namespaces; name one with ?namespace=");
  }
  return spaces.value()[0];
}

Result<std::string> job_id(const std::string& text) {
  const auto id = canonical_uuid(text);
  if (!id) return bad_request("bad_job_id", "a job id must be a UUID");
  return *id;
}

json job_brief(const Job& job) {
  return {{"job", job.request.id}, {"state", job_state_text(job.state)}};
}

}  // namespace

// Service

Decision Api::health(const Caller&, const Request&, const RequestHead&) {
  return answer({{"status", "ok"}});
}

Decision Api::version(const Caller&, const Request&, const RequestHead&) {
  return answer({{"name", "predictord"},
                 {"version", kVersion},
                 {"api", kApiVersion},
                 {"codec", kCodecVersion},
                 {"bundle", kBundleVersion},
                 {"templates", json::array({"tree"})},
                 {"device", "cpu"}});
}

// Jobs

Decision Api::list_jobs(const Caller& caller, const Request& request, const RequestHead&) {
  const auto spaces = spaces_of(caller, request.get("namespace"));
  if (!spaces) return refuse(spaces.error());
  json list = json::array();
  for (const Job& job : jobs_.list(spaces.value())) list.push_back(job_to_json(job));
  return answer({{"jobs", list}});
}

Decision Api::get_job(const Caller& caller, const Request& request, const RequestHead&) {
  const auto spaces = spaces_of(caller, request.get("namespace"));
  if (!spaces) return refuse(spaces.error());
  const auto id = job_id(request.path[2]);
  if (!id) return refuse(id.error());
  const Result<Job> job = jobs_.find(spaces.value(), id.value());
  if (!job) return refuse(job.error());
  return answer(job_to_json(job.value()));
}

Decision Api::cancel_job(const Caller& caller, const Request& request, const RequestHead&) {
  const auto spaces = spaces_of(caller, request.get("namespace"));
  if (!spaces) return refuse(spaces.error());
  const auto id = job_id(request.path[2]);
  if (!id) return refuse(id.error());
  const Result<Job> job = jobs_.cancel(spaces.value(), id.value());
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

Failure read_number(const std::string& name, const std::string& text, uint64_t least, uint64_t most,
                    uint64_t& number) {
  const auto value = parse_number(text, least, most);
  if (!value) {
    return bad_request("bad_parameter", "parameter \"" + name + "\" must be a whole number from " +
                                            std::to_string(least) + " to " + std::to_string(most));
  }
  number = *value;
  return std::nullopt;
}

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

Failure Api::check_upload_head(const RequestHead& head) const {
  if (head.content_type != kRecordsType) {
    return Error{"bad_content_type", std::string("the content type must be ") + kRecordsType, 415};
  }
  if (!head.content_length && !head.is_chunked) {
    return Error{"length_required", "send a Content-Length or a chunked body", 411};
  }
  if (head.content_length && *head.content_length > settings_.limits.upload_bytes) {
    return Error{"upload_too_large",
                 "the upload is larger than " + std::to_string(settings_.limits.upload_bytes) +
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
  if (Failure failure = check_upload_head(head)) return *failure;
  const auto sum = canonical_sha256(head.content_sha256);
  if (!sum) {
    return bad_request("bad_checksum",
                       "header X-Content-SHA256 must hold the content's SHA-256 as 64 hexadecimal "
                       "digits");
  }
  job.sha256 = *sum;
  if (Failure failure = jobs_.admit(job)) return *failure;
  auto slot = std::make_unique<UploadSlot>(uploads_, settings_.limits.uploads);
  if (!slot->is_free()) {
    return Error{"too_many_uploads", "other uploads are arriving; submit the job again", 503, 5};
  }
  Result<std::unique_ptr<Upload>> upload =
      Upload::create(jobs_.arrivals_directory(), settings_.limits.upload_bytes, job.sha256);
  if (!upload) return upload.error();
  return std::unique_ptr<Intake>(std::make_unique<JobIntake>(
      jobs_, std::move(job), std::move(upload.value()), std::move(slot)));
}

Decision Api::put_job(const Caller& caller, const Request& request, const RequestHead& head) {
  Result<std::unique_ptr<Intake>> intake = open_intake(caller, request, head);
  if (!intake) return refuse(intake.error());
  return {Response{}, std::move(intake.value())};
}

// Models

Decision Api::list_models(const Caller& caller, const Request& request, const RequestHead&) {
  const auto spaces = spaces_of(caller, request.get("namespace"));
  if (!spaces) return refuse(spaces.error());
  json models = json::array();
  for (const auto& [name, facts] : store_.list(spaces.value())) {
    if (models.empty() || models.back()["model"] != name.model ||
        models.back()["namespace"] != name.space) {
      models.push_back(
          {{"namespace", name.space}, {"model", name.model}, {"versions", json::array()}});
    }
    models.back()["versions"].push_back({{"version", name.version},
                                         {"size", facts.size},
                                         {"sha256", facts.sha256},
                                         {"created_at", facts.created_at},
                                         {"job", facts.job}});
  }
  return answer({{"models", models}});
}

// The names the path can stand for: one in each namespace that the request is about.
Result<std::vector<BundleName>> Api::bundle_names(const Caller& caller,
                                                  const Request& request) const {
  const auto spaces = spaces_of(caller, request.get("namespace"));
  if (!spaces) return spaces.error();
  const auto model = canonical_uuid(request.path[2]);
  if (!model) return bad_request("bad_model", "a model must be named by its UUID");
  const auto version = parse_number(request.path[3], 1, kMostVersion);
  if (!version) return bad_request("bad_version", "a version must be a whole number from 1");
  std::vector<BundleName> names;
  for (const std::string& space : spaces.value()) {
    names.push_back({space, *model, static_cast<uint32_t>(*version)});
  }
  return names;
}

Decision Api::get_bundle(const Caller& caller, const Request& request, const RequestHead&) {
  const auto names = bundle_names(caller, request);
  if (!names) return refuse(names.error());
  Error error;
  for (const BundleName& name : names.value()) {
    const Result<StoredBundle> bundle = store_.get(name);
    if (!bundle) {
      error = bundle.error();
      if (error.http_status != 404) break;
      continue;
    }
    const std::vector<std::byte>& bytes = bundle.value().bytes;
    Response response;
    response.content_type = "application/octet-stream";
    response.body.assign(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    response.headers.emplace_back("X-Content-SHA256", bundle.value().facts.sha256);
    return {std::move(response), nullptr};
  }
  return refuse(error);
}

Decision Api::remove_version(const Caller& caller, const Request& request, const RequestHead&) {
  const auto names = bundle_names(caller, request);
  if (!names) return refuse(names.error());
  Failure failure;
  for (const BundleName& name : names.value()) {
    failure = store_.remove(name);
    if (!failure) {
      return answer({{"model", name.model}, {"version", name.version}, {"deleted", true}});
    }
  }
  return refuse(*failure);
}

}  // namespace predictor::engine
