// api.h - API v1 without the network: what each request means. docs/engine-api.md describes it.
//
// The session asks decide() when it has read a request's header, in a thread that may touch the
// disk; it gets the answer, or an Intake that takes the body and then gives the answer.
// Thread-safe; an Intake is used by one thread at a time. Nothing here throws for bad input.
#ifndef PREDICTOR_ENGINE_API_H
#define PREDICTOR_ENGINE_API_H

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "engine/access.h"
#include "engine/error.h"
#include "engine/jobs.h"
#include "engine/settings.h"
#include "engine/store.h"

namespace predictor::engine {

struct RequestHead {
  std::string method;
  std::string target;
  std::string content_type;
  std::string content_sha256;
  std::optional<uint64_t> content_length;
  bool is_chunked = false;
};

struct Response {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;
};

Response error_response(const Error& error);

// Takes the body of one request.
class Intake {
 public:
  virtual ~Intake() = default;
  virtual Failure write(std::span<const std::byte> piece) = 0;
  virtual Response finish() = 0;
};

struct Decision {
  Response answer;                 // if there is no intake
  std::unique_ptr<Intake> intake;  // if the body is wanted
};

class Api {
 public:
  Api(const Settings& settings, Store& store, JobQueue& jobs);

  Decision decide(const Caller& caller, const RequestHead& head);

  // Answers that touch neither disk nor lock, so that they come whatever else is going on.
  static bool is_probe(const std::string& target);

 private:
  struct Request;  // a parsed target
  using Handler = Decision (Api::*)(const Caller&, const Request&, const RequestHead&);
  struct Route;
  static const std::vector<Route>& routes();

  Decision health(const Caller&, const Request&, const RequestHead&);
  Decision version(const Caller&, const Request&, const RequestHead&);
  Decision list_jobs(const Caller&, const Request&, const RequestHead&);
  Decision get_job(const Caller&, const Request&, const RequestHead&);
  Decision cancel_job(const Caller&, const Request&, const RequestHead&);
  Decision put_job(const Caller&, const Request&, const RequestHead&);
  Decision list_models(const Caller&, const Request&, const RequestHead&);
  Decision get_bundle(const Caller&, const Request&, const RequestHead&);
  Decision remove_version(const Caller&, const Request&, const RequestHead&);

  Result<std::unique_ptr<Intake>> open_intake(const Caller& caller, const Request& request,
                                              const RequestHead& head);
  Failure check_upload_head(const RequestHead& head) const;
  Result<std::vector<BundleName>> bundle_names(const Caller& caller, const Request& request) const;

  const Settings& settings_;
  Store& store_;
  JobQueue& jobs_;
  std::atomic<size_t> uploads_ = 0;
};

}  // namespace predictor::engine

#endif
