// api.h - API v1 without the network: what each request means. docs/engine-api.md describes it.
//
// The session asks decide() when it has read a request's header, in a thread that may touch the
// disk (for the routes of decides_at_once() in its own); it gets the answer, or an Intake that
// takes the body and then gives the answer. Thread-safe; an Intake is used by one thread at a time.
// Nothing here throws for bad input. The table of routes and what is about the service itself are
// in api.cpp, jobs in api_jobs.cpp, models and predictions in api_models.cpp.
#ifndef PREDICTOR_ENGINE_API_H
#define PREDICTOR_ENGINE_API_H

#include <atomic>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "engine/access.h"
#include "engine/api_request.h"
#include "engine/error.h"
#include "engine/jobs.h"
#include "engine/live_settings.h"
#include "engine/metrics.h"
#include "engine/model_cache.h"
#include "engine/status.h"
#include "engine/store.h"

namespace predictor::engine {

// Takes the body of one request.
class Intake {
 public:
  virtual ~Intake() = default;
  // Which of the session's executors write() and finish() belong to.
  enum class Place {
    kDisk,        // both wait for the disk
    kPrediction,  // write() only copies and is called in place; finish() computes for a moment
    kLong,        // write() waits for the disk; finish() may take hours
  };
  virtual Place place() const { return Place::kDisk; }
  virtual Failure write(std::span<const std::byte> piece) = 0;
  virtual Response finish() = 0;
};

struct Decision {
  Response answer;                 // if there is no intake
  std::unique_ptr<Intake> intake;  // if the body is wanted
  const char* route = "other";     // the route's pattern, for the metrics
};

Decision answer(const nlohmann::json& content, int status = 200);
Decision refuse(const Error& error);

// What the API speaks for. Outlives it.
struct ApiParts {
  const LiveSettings& settings;
  Store& store;
  JobQueue& jobs;
  ModelCache& models;
  const Status& status;
  // The metrics' text.
  std::function<std::string()> metrics;
  Metrics& counters;
};

class Api {
 public:
  explicit Api(ApiParts parts) : parts_(std::move(parts)) {}

  Decision decide(const Caller& caller, const RequestHead& head);

  // Whether decide() touches neither the disk nor a lock that is held over it.
  static bool decides_at_once(const RequestHead& head);
  // Uploads that are arriving.
  size_t uploads() const { return uploads_; }

 private:
  using Request = ApiRequest;
  using Handler = Decision (Api::*)(const Caller&, const Request&, const RequestHead&);
  struct Route;
  static const std::vector<Route>& routes();

  Decision follow(const Route& route, const Caller&, const Request&, const RequestHead&);
  Decision livez(const Caller&, const Request&, const RequestHead&);
  Decision readyz(const Caller&, const Request&, const RequestHead&);
  Decision metrics(const Caller&, const Request&, const RequestHead&);
  Decision version(const Caller&, const Request&, const RequestHead&);
  Decision list_jobs(const Caller&, const Request&, const RequestHead&);
  Decision get_job(const Caller&, const Request&, const RequestHead&);
  Decision cancel_job(const Caller&, const Request&, const RequestHead&);
  Decision put_job(const Caller&, const Request&, const RequestHead&);
  Decision list_models(const Caller&, const Request&, const RequestHead&);
  Decision get_bundle(const Caller&, const Request&, const RequestHead&);
  Decision remove_version(const Caller&, const Request&, const RequestHead&);
  Decision predict(const Caller&, const Request&, const RequestHead&);

  Result<std::unique_ptr<Intake>> open_intake(const Caller& caller, const Request& request,
                                              const RequestHead& head);
  Failure check_upload_head(const RequestHead& head, const Limits& limits) const;

  const ApiParts parts_;
  std::atomic<size_t> uploads_ = 0;
  std::atomic<size_t> buffered_ = 0;  // bytes of plans to predict
};

}  // namespace predictor::engine

#endif
