// api_models.cpp - what clients do with models: list, fetch and delete bundles, predict.
#include <nlohmann/json.hpp>

#include "engine/api.h"
#include "engine/json_text.h"
#include "engine/prediction.h"
#include "engine/text.h"

namespace predictor::engine {

using nlohmann::json;

Decision Api::list_models(const Caller& caller, const Request& request, const RequestHead&) {
  const auto spaces = spaces_of(caller, request.get("namespace"));
  if (!spaces) return refuse(spaces.error());
  json models = json::array();
  for (const auto& [name, facts] : parts_.store.list(spaces.value())) {
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

namespace {

// The names the path can stand for: one in each namespace that the request is about.
Result<std::vector<BundleName>> bundle_names(const Caller& caller, const ApiRequest& request) {
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

}  // namespace

Decision Api::get_bundle(const Caller& caller, const Request& request, const RequestHead&) {
  const auto names = bundle_names(caller, request);
  if (!names) return refuse(names.error());
  Error error;
  for (const BundleName& name : names.value()) {
    const Result<StoredBundle> bundle = parts_.store.get(name);
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
    Decision decision;
    decision.answer = std::move(response);
    return decision;
  }
  return refuse(error);
}

Decision Api::remove_version(const Caller& caller, const Request& request, const RequestHead&) {
  const auto names = bundle_names(caller, request);
  if (!names) return refuse(names.error());
  Failure failure;
  for (const BundleName& name : names.value()) {
    failure = parts_.store.remove(name);
    if (!failure) {
      return answer({{"model", name.model}, {"version", name.version}, {"deleted", true}});
    }
  }
  return refuse(*failure);
}

// Predictions

namespace {

// Bytes of requests' bodies that wait in memory, of all connections together.
class BufferedBytes {
 public:
  BufferedBytes(std::atomic<size_t>& used, size_t most) : used_(used), most_(most) {}
  ~BufferedBytes() { used_ -= taken_; }
  BufferedBytes(const BufferedBytes&) = delete;

  bool take(size_t count) {
    taken_ += count;
    return used_ += count, used_ <= most_;
  }

 private:
  std::atomic<size_t>& used_;
  const size_t most_;
  size_t taken_ = 0;
};

struct PredictionRequest {
  std::vector<BundleName> names;  // the first that exists is meant
  std::string content_type;
  bool with_nodes = true;
};

class PredictionIntake : public Intake {
 public:
  PredictionIntake(const ApiParts& parts, PredictionRequest request, std::atomic<size_t>& buffered)
      : parts_(parts),
        request_(std::move(request)),
        limits_(parts.settings.current()->limits),
        memory_(buffered, limits_.predict_memory_bytes) {}

  Place place() const override { return Place::kPrediction; }

  Failure write(std::span<const std::byte> piece) override {
    if (body_.size() + piece.size() > limits_.predict_bytes) {
      return Error{"body_too_large",
                   "the plans are larger than " + std::to_string(limits_.predict_bytes) +
                       " bytes; send fewer at once or raise limits.predict_kb",
                   413};
    }
    if (!memory_.take(piece.size())) {
      return Error{"busy", "too many predictions are asked for at the same time; ask again", 503,
                   1};
    }
    body_.insert(body_.end(), piece.begin(), piece.end());
    return std::nullopt;
  }

  Response finish() override {
    const auto plans = read_plans(request_.content_type, body_, limits_.predict_plans);
    if (!plans) return error_response(plans.error());
    Error error;
    for (const BundleName& name : request_.names) {
      const auto model = parts_.models.get(name);
      if (model) {
        parts_.counters.count_predicted_plans(plans.value().size());
        return json_response(predict_plans(*model.value(), plans.value(), request_.with_nodes));
      }
      error = model.error();
      if (error.http_status != 404) break;
    }
    return error_response(error);
  }

 private:
  const ApiParts& parts_;
  const PredictionRequest request_;
  const Limits limits_;
  BufferedBytes memory_;
  std::vector<std::byte> body_;
};

}  // namespace

Decision Api::predict(const Caller& caller, const Request& request, const RequestHead& head) {
  const auto spaces = spaces_of(caller, request.get("namespace"));
  if (!spaces) return refuse(spaces.error());
  PredictionRequest wanted;
  wanted.content_type = head.content_type.substr(0, head.content_type.find(';'));
  if (wanted.content_type != kRecordsType && wanted.content_type != kJsonType) {
    return refuse(
        Error{"bad_content_type",
              std::string("the content type must be ") + kJsonType + " or " + kRecordsType, 415});
  }
  if (!head.content_length && !head.is_chunked) {
    return refuse(Error{"length_required", "send a Content-Length or a chunked body", 411});
  }
  const auto model = canonical_uuid(request.get("model"));
  if (!model) return refuse(bad_request("bad_parameter", "parameter \"model\" must be a UUID"));
  uint64_t version = 0;  // the newest
  if (request.query.contains("version")) {
    const Failure failure =
        read_number("version", request.get("version"), 1, kMostVersion, version);
    if (failure) return refuse(*failure);
  }
  const std::string nodes = request.get("nodes");
  if (nodes != "" && nodes != "true" && nodes != "false") {
    return refuse(bad_request("bad_parameter", "parameter \"nodes\" must be true or false"));
  }
  wanted.with_nodes = nodes != "false";
  for (const std::string& space : spaces.value()) {
    const BundleName name{space, *model, static_cast<uint32_t>(version)};
    const std::optional<uint32_t> newest =
        version == 0 ? parts_.store.newest(space, *model) : std::nullopt;
    wanted.names.push_back(newest ? BundleName{space, *model, *newest} : name);
  }
  Decision decision;
  decision.intake = std::make_unique<PredictionIntake>(parts_, std::move(wanted), buffered_);
  return decision;
}

}  // namespace predictor::engine
