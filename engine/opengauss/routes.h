// routes.h - openGauss's AiEngine, served: /check, /configure, /train, /track_process, /setup,
// /model_setup and /predict, as openGauss's kernel asks them. docs/opengauss.md describes them.
//
// The kernel ignores the HTTP status and reads the body's first byte or the body as JSON, so an
// answer is never empty, and none that means an error can be taken for JSON: refusals are one
// letter, or a page that begins with '<'.
//
// State is kept per client, by its name: the last configuration (which a training takes a copy of
// when it begins), and leases for predictions. Trained models are files and outlive the process.
// Thread-safe; must outlive the intakes that it hands out.
#ifndef PREDICTOR_ENGINE_OPENGAUSS_ROUTES_H
#define PREDICTOR_ENGINE_OPENGAUSS_ROUTES_H

#include <atomic>
#include <cstddef>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "engine/api.h"
#include "engine/live_settings.h"
#include "engine/opengauss/leases.h"
#include "engine/opengauss/models.h"
#include "engine/opengauss/plan_csv.h"
#include "engine/training_slots.h"

namespace predictor::engine::opengauss {

class Routes {
 public:
  Routes(const LiveSettings& settings, TrainingSlots& slots, Leases::Options leases = {});

  // Whether a request for this target is for us.
  static bool serves(std::string_view target);
  // What a client that is not let in is told; no JSON, as all our answers.
  static Response refusal(const Error& error);

  Decision decide(const Caller& caller, const RequestHead& head);

  // Trainings end soon, and begin no more.
  void request_stop() { stop_ = true; }

 private:
  // Whose request it is: where his models are, and by which name his state is kept.
  struct Client {
    std::string name;
    std::string space;
  };
  // What a training was asked for. openGauss's kernel gets what it configured last. A PostgreSQL
  // server, whose sessions are one client, says itself what it wants, in hexadecimal digits:
  // /train?bundle=JSON; and it gets the model as well, to answer with it by itself.
  struct Training {
    ModelConfig config;
    bool wants_bundle = false;
  };
  using JsonAnswer = Response (Routes::*)(const Client&, const std::string& body);

  Response configure(const Client& client, const std::string& body);
  Response track(const Client& client, const std::string& body);
  Response model_setup(const Client& client, const std::string& body);
  Response train(const Client& client, const Training& training, std::string csv);
  Response predict(const Client& client, const std::optional<std::string>& csv);

  Decision follow(const Caller& caller, const RequestHead& head);
  Result<Client> client_of(const Caller& caller) const;
  Decision file_decision(const Client& client, const RequestHead& head, bool is_training);
  Result<Training> training_of(const Client& client, const std::string& target);
  bool begin_training(const std::string& space, const std::string& model);
  void end_training(const std::string& space, const std::string& model);
  Response train_in_slot(const Client& client, const Training& training, const PlanCsv& plans);

  const LiveSettings& settings_;
  TrainingSlots& slots_;
  const Models models_;
  Leases leases_;
  std::atomic<bool> stop_ = false;
  std::atomic<size_t> uploads_ = 0;

  std::mutex mutex_;
  std::map<std::string, ModelConfig> configured_;           // by client; guarded by mutex_
  std::set<std::pair<std::string, std::string>> training_;  // namespace, model; guarded by mutex_
};

}  // namespace predictor::engine::opengauss

#endif
