#include "engine/api.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "engine/json_text.h"
#include "engine/text.h"
#include "engine/version.h"
#include "plan/bundle.h"
#include "plan/codec.h"

namespace predictor::engine {

using nlohmann::json;

Decision answer(const json& content, int status) {
  Decision decision;
  decision.answer = json_response(content, status);
  return decision;
}

Decision refuse(const Error& error) {
  Decision decision;
  decision.answer = error_response(error);
  return decision;
}

// In a pattern, "*" stands for any one part of the path.
struct Api::Route {
  const char* method;
  const char* pattern;
  std::vector<std::string> parameters;
  Handler handler;
  bool at_once = false;     // see decides_at_once()
  bool needs_store = true;  // refused while the store is being loaded
  std::vector<std::string> parts = split(std::string_view(pattern).substr(1), '/');

  bool matches(const std::vector<std::string>& path) const {
    return std::equal(path.begin(), path.end(), parts.begin(), parts.end(),
                      [](const std::string& part, const std::string& wanted) {
                        return wanted == "*" || part == wanted;
                      });
  }
};

const std::vector<Api::Route>& Api::routes() {
  static const std::vector<std::string> space = {"namespace"};
  static const std::vector<std::string> job = {"namespace", "model", "version",
                                               "template",  "seed",  "max_epochs"};
  static const std::vector<std::string> prediction = {"namespace", "model", "version", "nodes"};
  static const std::vector<Route> table = {
      {"GET", "/livez", {}, &Api::livez, true, false},
      {"GET", "/readyz", {}, &Api::readyz, true, false},
      {"GET", "/metrics", {}, &Api::metrics, false, false},
      {"GET", "/v1/version", {}, &Api::version, true, false},
      {"GET", "/v1/jobs", space, &Api::list_jobs},
      {"GET", "/v1/jobs/*", space, &Api::get_job},
      {"DELETE", "/v1/jobs/*", space, &Api::cancel_job},
      {"PUT", "/v1/jobs/*", job, &Api::put_job},
      {"GET", "/v1/models", space, &Api::list_models},
      {"GET", "/v1/models/*/*/bundle", space, &Api::get_bundle},
      {"DELETE", "/v1/models/*/*", space, &Api::remove_version},
      {"POST", "/v1/predict", prediction, &Api::predict, true},
  };
  return table;
}

bool Api::decides_at_once(const RequestHead& head) {
  const std::string path = head.target.substr(0, head.target.find('?'));
  return std::any_of(routes().begin(), routes().end(), [&](const Route& route) {
    return route.at_once && path == route.pattern && head.method == route.method;
  });
}

Decision Api::decide(const Caller& caller, const RequestHead& head) {
  const Result<Request> request = Request::parse(head.target);
  if (!request) return refuse(request.error());
  std::string allowed;
  for (const Route& route : routes()) {
    if (!route.matches(request.value().path)) continue;
    if (head.method != route.method) {
      allowed += (allowed.empty() ? "" : ", ") + std::string(route.method);
      continue;
    }
    Decision decision = follow(route, caller, request.value(), head);
    decision.route = route.pattern;
    return decision;
  }
  if (allowed.empty()) {
    return refuse(Error{"not_found", "there is nothing at this path; see docs/engine-api.md", 404});
  }
  Decision decision =
      refuse(Error{"method_not_allowed", "this path answers " + allowed + " only", 405});
  decision.answer.headers.emplace_back("Allow", allowed);
  return decision;
}

Decision Api::follow(const Route& route, const Caller& caller, const Request& request,
                     const RequestHead& head) {
  for (const auto& [name, value] : request.query) {
    if (std::find(route.parameters.begin(), route.parameters.end(), name) ==
        route.parameters.end()) {
      return refuse(bad_request("bad_parameter", "unknown parameter \"" + printable(name) +
                                                     "\"; see docs/engine-api.md"));
    }
  }
  if (route.needs_store && parts_.status.phase() == Status::Phase::kLoading) {
    return refuse(
        Error{"starting", "the engine is loading its store; ask again in a moment", 503, 1});
  }
  return (this->*route.handler)(caller, request, head);
}

// The service itself

Decision Api::livez(const Caller&, const Request&, const RequestHead&) {
  return answer({{"status", "ok"}});
}

Decision Api::readyz(const Caller&, const Request&, const RequestHead&) {
  switch (parts_.status.phase()) {
    case Status::Phase::kLoading:
      return refuse(Error{"starting", "the engine is loading its store", 503, 1});
    case Status::Phase::kStopping:
      return refuse(Error{"stopping", "the engine is stopping", 503, 5});
    case Status::Phase::kReady:
      break;
  }
  return answer({{"status", "ok"}});
}

Decision Api::metrics(const Caller&, const Request&, const RequestHead&) {
  Decision decision;
  decision.answer.content_type = "text/plain; version=0.0.4; charset=utf-8";
  decision.answer.body = parts_.metrics();
  return decision;
}

Decision Api::version(const Caller&, const Request&, const RequestHead&) {
  const DeviceCheck device = parts_.status.device();
  json facts = {{"name", "predictord"},
                {"version", kVersion},
                {"api", kApiVersion},
                {"codec", kCodecVersion},
                {"bundle", kBundleVersion},
                {"templates", template_names()},
                {"capabilities", {"train", "predict", "predict_json"}},
                {"device", device.device}};
  if (!device.problem.empty()) facts["device_problem"] = device.problem;
  return answer(facts);
}

}  // namespace predictor::engine
