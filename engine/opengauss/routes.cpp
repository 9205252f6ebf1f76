#include "engine/opengauss/routes.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>

#include "engine/json_text.h"
#include "engine/log.h"
#include "engine/model/model.h"
#include "engine/opengauss/multipart.h"
#include "engine/opengauss/train_log.h"
#include "engine/opengauss/training.h"
#include "engine/text.h"

namespace predictor::engine::opengauss {
namespace {

using nlohmann::json;

constexpr size_t kMostPlanBytes = size_t{16} << 20;       // of one plan to predict
constexpr size_t kMostTrainingBytes = size_t{512} << 20;  // they are held in memory

Response text(std::string body) {
  Response response;
  response.content_type = "text/html; charset=utf-8";
  response.body = std::move(body);
  return response;
}

Response letter(char answer) { return text(std::string(1, answer)); }

std::string escaped(std::string_view message) {
  std::string html;
  for (const char c : message) {
    if (c == '<') {
      html += "&lt;";
    } else if (c == '&') {
      html += "&amp;";
    } else {
      html += c;
    }
  }
  return html;
}

Response page(int status, const std::string& message) {
  Response response = text("<!doctype html>\n<title>" + std::to_string(status) + "</title>\n<p>" +
                           escaped(printable(message, 1000)) + "</p>\n");
  response.status = status;
  return response;
}

Decision answered(Response response) {
  Decision decision;
  decision.answer = std::move(response);
  return decision;
}

Decision wanted(std::unique_ptr<Intake> intake) {
  Decision decision;
  decision.intake = std::move(intake);
  return decision;
}

// The member of a JSON object if it is a text; nothing if there is no such member.
std::optional<std::string> member(const std::string& body, const char* key) {
  const json request = json::parse(body, nullptr, false);
  if (!request.is_object() || !request.contains(key)) return std::nullopt;
  const json& value = request[key];
  return value.is_string() ? value.get<std::string>() : std::string();
}

// The value, where a label is trained; -1 where not, as the contract has it.
double of_label(const OpenGaussFacts& facts, const std::array<double, kOpenGaussLabels>& values,
                char label) {
  const bool is_trained = facts.labels.find(label) != std::string::npos;
  return is_trained ? values[std::string_view(kOpenGaussLetters).find(label)] : -1;
}

json training_answer(const TrainingOutcome& outcome) {
  const OpenGaussFacts& facts = outcome.facts;
  return {{"re_startup", of_label(facts, facts.ratio, 'S')},
          {"re_total", of_label(facts, facts.ratio, 'T')},
          {"re_row", of_label(facts, facts.ratio, 'R')},
          {"re_mem", of_label(facts, facts.ratio, 'M')},
          {"max_startup", of_label(facts, facts.maxima, 'S')},
          {"max_total", of_label(facts, facts.maxima, 'T')},
          {"max_row", of_label(facts, facts.maxima, 'R')},
          {"max_mem", of_label(facts, facts.maxima, 'M')},
          {"converged", outcome.is_converged ? 1 : 0},
          {"feature_length", outcome.feature_length}};
}

// Element k-1 belongs to plan_node_id k. An id that no node has gets -1, which openGauss hides; the
// nodes of InitPlans may have no id and then no place.
json label_answer(const std::vector<double>& labels, size_t label, size_t count,
                  const PlanCsv::Query& query) {
  uint32_t most = 1;
  for (const PlanCsv::Node& node : query.nodes) most = std::max(most, node.id);
  std::vector<int64_t> values(most, -1);
  for (size_t i = 0; i < query.nodes.size(); i++) {
    if (query.nodes[i].id == 0) continue;
    values[query.nodes[i].id - 1] = std::llround(labels[i * count + label]);
  }
  std::string list;
  for (const int64_t value : values) list += (list.empty() ? "" : ", ") + std::to_string(value);
  return list;
}

// Takes the whole body of a request that carries JSON.
class BodyIntake : public Intake {
 public:
  using Finish = std::function<Response(const std::string& body)>;
  BodyIntake(size_t limit, Finish finish) : limit_(limit), finish_(std::move(finish)) {}

  Failure write(std::span<const std::byte> piece) override {
    if (piece.size() > limit_ - body_.size()) {
      return Error{"body_too_large", "the request's body is larger than it may be", 413};
    }
    body_.append(reinterpret_cast<const char*>(piece.data()), piece.size());
    return std::nullopt;
  }
  Response finish() override { return finish_(body_); }

 private:
  const size_t limit_;
  const Finish finish_;
  std::string body_;
};

// Takes the file of a multipart body; `count` counts the bodies that arrive at the same time.
class FileIntake : public Intake {
 public:
  using Finish = std::function<Response(std::optional<std::string> file)>;
  FileIntake(std::string boundary, size_t limit, Place place, std::atomic<size_t>& count,
             Finish finish)
      : file_(std::move(boundary), "file", limit),
        place_(place),
        count_(count),
        finish_(std::move(finish)) {}
  ~FileIntake() override { leave(); }

  Place place() const override { return place_; }
  Failure write(std::span<const std::byte> piece) override { return file_.write(piece); }
  Response finish() override {
    leave();
    if (Failure failure = file_.finish()) return Routes::refusal(*failure);
    return finish_(file_.take());
  }

 private:
  void leave() {
    if (!has_left_) count_--;
    has_left_ = true;
  }

  MultipartFile file_;
  const Place place_;
  std::atomic<size_t>& count_;
  bool has_left_ = false;
  const Finish finish_;
};

// Gives the slot back, whatever happens.
class SlotHolder {
 public:
  explicit SlotHolder(TrainingSlots& slots) : slots_(slots) {}
  ~SlotHolder() { slots_.release(); }
  SlotHolder(const SlotHolder&) = delete;

 private:
  TrainingSlots& slots_;
};

}  // namespace

Routes::Routes(const LiveSettings& settings, TrainingSlots& slots, Leases::Options leases)
    : settings_(settings),
      slots_(slots),
      models_(settings.current()->data_dir / "opengauss"),
      leases_(leases) {}

bool Routes::serves(std::string_view target) {
  constexpr std::string_view kTargets[] = {"/check", "/configure",   "/train",  "/track_process",
                                           "/setup", "/model_setup", "/predict"};
  const std::string_view path = target.substr(0, target.find('?'));
  return std::find(std::begin(kTargets), std::end(kTargets), path) != std::end(kTargets);
}

Response Routes::refusal(const Error& error) { return page(error.http_status, error.message); }

// A client of several namespaces has openGauss's models in the one that bears its name.
Result<Routes::Client> Routes::client_of(const Caller& caller) const {
  const auto own = std::find(caller.spaces.begin(), caller.spaces.end(), caller.name);
  if (own != caller.spaces.end()) return Client{caller.name, *own};
  if (caller.spaces.size() == 1) return Client{caller.name, caller.spaces[0]};
  return Error{"no_namespace",
               caller.spaces.empty()
                   ? "no namespace is granted to client \"" + caller.name +
                         "\"; grant one in table [namespaces] of the engine's configuration"
                   : "client \"" + caller.name +
                         "\" has several namespaces and none of its own name; grant it that one",
               403};
}

Decision Routes::decide(const Caller& caller, const RequestHead& head) {
  Decision decision = follow(caller, head);
  decision.route = "opengauss";
  return decision;
}

Decision Routes::follow(const Caller& caller, const RequestHead& head) {
  const Result<Client> found = client_of(caller);
  if (!found) return answered(refusal(found.error()));
  const Client& client = found.value();
  if (head.method != "POST") {
    Response response = page(405, "this path answers POST only");
    response.headers.emplace_back("Allow", "POST");
    return answered(std::move(response));
  }
  const std::string path = head.target.substr(0, head.target.find('?'));
  if (path == "/check") return answered(letter('0'));  // its body means nothing
  if (path == "/train" || path == "/predict") return file_decision(client, head, path == "/train");
  JsonAnswer reply = &Routes::model_setup;
  if (path == "/configure") reply = &Routes::configure;
  if (path == "/track_process") reply = &Routes::track;
  return wanted(std::make_unique<BodyIntake>(
      settings_.current()->limits.body_bytes,
      [this, client, reply](const std::string& body) { return (this->*reply)(client, body); }));
}

Decision Routes::file_decision(const Client& client, const RequestHead& head, bool is_training) {
  std::optional<std::string> boundary = multipart_boundary(head.content_type);
  const auto absorb = [this](std::function<Response()> finish) -> Decision {
    return wanted(std::make_unique<BodyIntake>(settings_.current()->limits.body_bytes,
                                               [finish](const std::string&) { return finish(); }));
  };
  if (!boundary) {
    if (is_training) return absorb([] { return letter('M'); });
    return absorb([this, client] { return predict(client, std::nullopt); });
  }
  if (++uploads_ > settings_.current()->limits.uploads) {
    uploads_--;
    return absorb([] { return letter('R'); });
  }
  if (!is_training) {
    return wanted(std::make_unique<FileIntake>(
        std::move(*boundary), kMostPlanBytes, Intake::Place::kPrediction, uploads_,
        [this, client](std::optional<std::string> csv) { return predict(client, csv); }));
  }
  const Result<Training> wanted_training = training_of(client, head.target);
  if (!wanted_training) {
    uploads_--;
    return absorb([error = wanted_training.error()] { return refusal(error); });
  }
  const Training& training = wanted_training.value();
  const size_t limit =
      std::min<uint64_t>(settings_.current()->limits.upload_bytes, kMostTrainingBytes);
  return wanted(std::make_unique<FileIntake>(
      std::move(*boundary), limit, Intake::Place::kLong, uploads_,
      [this, client, training](std::optional<std::string> csv) {
        return csv ? train(client, training, std::move(*csv)) : letter('M');
      }));
}

Result<Routes::Training> Routes::training_of(const Client& client, const std::string& target) {
  constexpr std::string_view kWithBundle = "/train?bundle=";
  Training training;
  if (target.starts_with(kWithBundle)) {
    const std::string request = from_hex(std::string_view(target).substr(kWithBundle.size()));
    const ConfigAnswer found =
        read_model_config(json::parse(request, nullptr, false), training.config);
    if (found.letter != '0') return Error{"bad_configuration", found.reason, 400};
    training.wants_bundle = true;
    return training;
  }
  const std::lock_guard lock(mutex_);
  const auto configured = configured_.find(client.name);
  if (configured == configured_.end()) {
    return Error{"not_configured", "no model is configured; ask /configure first", 409};
  }
  training.config = configured->second;
  return training;
}

Response Routes::configure(const Client& client, const std::string& body) {
  const json request = json::parse(body, nullptr, false);
  if (request.is_discarded()) return page(400, "the request's body is no JSON");
  ModelConfig config;
  const ConfigAnswer found = read_model_config(request, config);
  if (found.letter != '0') {
    log_warning(client.name + ": /configure refused: " + printable(found.reason));
    return letter(found.letter);
  }
  const std::lock_guard lock(mutex_);
  configured_[client.name] = config;
  return letter('0');
}

Response Routes::track(const Client& client, const std::string& body) {
  const std::optional<std::string> model = member(body, "modelName");
  if (!model) return letter('M');
  if (!is_model_name(*model)) return letter('F');
  const std::filesystem::path path = models_.log_path(client.space, *model);
  std::error_code error;
  if (std::filesystem::file_size(path, error) == 0 || error) return letter('F');
  return text(std::filesystem::absolute(path).string());
}

Response Routes::model_setup(const Client& client, const std::string& body) {
  const std::optional<std::string> model = member(body, "model_name");
  if (!model) return letter('M');
  if (!is_model_name(*model)) return letter('N');
  bool is_damaged = false;
  std::shared_ptr<const TrainedModel> trained = models_.load(client.space, *model, is_damaged);
  if (!trained) return letter(is_damaged ? 'i' : 'N');
  return letter(leases_.grant(client.name, *model, std::move(trained)) ? '0' : 'R');
}

bool Routes::begin_training(const std::string& space, const std::string& model) {
  const std::lock_guard lock(mutex_);
  return !stop_ && training_.emplace(space, model).second;
}

void Routes::end_training(const std::string& space, const std::string& model) {
  const std::lock_guard lock(mutex_);
  training_.erase({space, model});
}

Response Routes::train(const Client& client, const Training& training, std::string csv) {
  const ModelConfig& config = training.config;
  if (!begin_training(client.space, config.model_name)) return letter('R');
  Response response;
  try {
    const Result<PlanCsv> plans = parse_plan_csv(csv);
    csv = {};
    if (!plans) {
      response = page(500, plans.error().message);
    } else if (!slots_.acquire([this] { return stop_.load(); })) {
      response = letter('R');
    } else {
      const SlotHolder holder(slots_);
      response = train_in_slot(client, training, plans.value());
    }
  } catch (const std::exception& problem) {
    log_error(client.name + ": training \"" + printable(config.model_name) +
              "\": " + problem.what());
    response = page(500, problem.what());
  }
  end_training(client.space, config.model_name);
  return response;
}

Response Routes::train_in_slot(const Client& client, const Training& training,
                               const PlanCsv& plans) {
  const ModelConfig& config = training.config;
  bool is_damaged = false;
  const auto earlier = models_.load(client.space, config.model_name, is_damaged);
  TrainLog log(models_.log_path(client.space, config.model_name), config.model_name, config.labels,
               config.max_epoch);
  TrainingRequest request{config, &plans, earlier.get(), settings_.current()->threads, &stop_};
  const TrainingOutcome outcome =
      train_model(request, [&log](const LstmReport& report) { log.note(report); });
  log.finish();
  const std::vector<std::byte> bytes =
      write_opengauss_model(outcome.facts, outcome.weights, openssl_sha256);
  if (bytes.empty()) {
    return page(500, "the model is larger than a model may be; configure fewer hidden_units");
  }
  if (Failure failure = models_.save_trained(client.space, config.model_name, bytes)) {
    return refusal(*failure);
  }
  log_info(client.name + ": trained \"" + printable(config.model_name) + "\" on " +
           std::to_string(plans.queries.size()) + " queries, " +
           std::to_string(plans.node_count()) + " nodes");
  json answer = training_answer(outcome);
  if (training.wants_bundle) {
    const std::span<const std::byte> all = bytes;
    answer["bundle"] = to_hex({reinterpret_cast<const uint8_t*>(all.data()), all.size()});
  }
  Response response;
  response.body = json_text(answer);
  return response;
}

Response Routes::predict(const Client& client, const std::optional<std::string>& csv) {
  const std::shared_ptr<const TrainedModel> model = leases_.take(client.name);
  if (!model) return letter('S');
  if (!csv) return letter('M');
  const Result<PlanCsv> plans = parse_plan_csv(*csv);
  if (!plans) return page(500, plans.error().message);
  if (plans.value().queries.size() != 1) return page(400, "the plans of one query are expected");
  if (plans.value().feature_count != model->feature_count()) {
    return page(400, "the model was trained on " + std::to_string(model->feature_count()) +
                         " numbers per node, not on " +
                         std::to_string(plans.value().feature_count));
  }
  const PlanCsv::Query& query = plans.value().queries[0];
  const std::vector<double> labels = predict_nodes(*model, plans.value(), query);
  json content = {{"pred_startup", nullptr},
                  {"pred_total", nullptr},
                  {"pred_rows", nullptr},
                  {"pred_mem", nullptr}};
  constexpr const char* kKeys[kOpenGaussLabels] = {"pred_startup", "pred_total", "pred_rows",
                                                   "pred_mem"};
  const std::string& trained = model->facts().labels;
  for (size_t i = 0; i < trained.size(); i++) {
    content[kKeys[std::string_view(kOpenGaussLetters).find(trained[i])]] =
        label_answer(labels, i, trained.size(), query);
  }
  Response response;
  response.body = json_text(content);
  return response;
}

}  // namespace predictor::engine::opengauss
