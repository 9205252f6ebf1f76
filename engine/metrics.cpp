#include "engine/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <cmath>

#include "engine/version.h"

namespace predictor::engine {
namespace {

using prometheus::BuildCounter;
using prometheus::BuildGauge;
using prometheus::BuildHistogram;
using prometheus::Counter;
using prometheus::Family;
using prometheus::Gauge;
using prometheus::Histogram;
using prometheus::Registry;

const Histogram::BucketBoundaries kSeconds = {0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01,
                                              0.025,   0.05,   0.1,   0.25,   1,     10};

Family<Counter>& counter(Registry& registry, const char* name, const char* help) {
  return BuildCounter().Name(name).Help(help).Register(registry);
}

void gauge(Registry& registry, const char* name, const char* help, double value,
           const std::map<std::string, std::string>& labels = {}) {
  BuildGauge().Name(name).Help(help).Register(registry).Add(labels).Set(value);
}

void add_jobs(Registry& registry, const Metrics::Snapshot& now) {
  gauge(registry, "predictord_queued_jobs", "Jobs that wait to be trained", now.queued_jobs);
  gauge(registry, "predictord_running_jobs", "Jobs that are being trained", now.running.size());
  auto family = [&](const char* name, const char* help) -> Family<Gauge>& {
    return BuildGauge().Name(name).Help(help).Register(registry);
  };
  auto& epoch = family("predictord_job_epoch", "Epochs that a running job has finished");
  auto& epochs = family("predictord_job_max_epochs", "Epochs that a running job has at most");
  auto& loss = family("predictord_job_loss", "Training loss of a running job");
  auto& q50 = family("predictord_job_validation_q50", "Median q-error on withheld queries");
  auto& eta = family("predictord_job_eta_seconds", "Seconds that a running job still needs");
  for (const Job& job : now.running) {
    if (!job.progress) continue;
    const std::map<std::string, std::string> labels = {{"job", job.request.id},
                                                       {"namespace", job.request.space}};
    epoch.Add(labels).Set(job.progress->epoch);
    epochs.Add(labels).Set(job.progress->max_epochs);
    loss.Add(labels).Set(job.progress->loss);
    q50.Add(labels).Set(job.progress->validation_q50);
    eta.Add(labels).Set(job.progress->eta_seconds);
  }
}

}  // namespace

struct Metrics::Counters {
  Registry registry;
  Family<Counter>& requests =
      counter(registry, "predictord_requests_total", "Requests answered, by route and status");
  Family<Histogram>& seconds = BuildHistogram()
                                   .Name("predictord_request_seconds")
                                   .Help("From a request's header to its answer")
                                   .Register(registry);
  Counter& connections =
      counter(registry, "predictord_connections_total", "Connections accepted").Add({});
  Family<Counter>& refused = counter(registry, "predictord_refused_connections_total",
                                     "Connections ended before their first request");
  Counter& plans = counter(registry, "predictord_predicted_plans_total", "Plans predicted").Add({});
  Family<Counter>& jobs = counter(registry, "predictord_jobs_total", "Jobs ended, by their state");
};

Metrics::Metrics() : counters_(std::make_unique<Counters>()) {}
Metrics::~Metrics() = default;

void Metrics::count_request(const std::string& route, const std::string& method, int status,
                            double seconds) {
  counters_->requests
      .Add({{"route", route}, {"method", method}, {"status", std::to_string(status)}})
      .Increment();
  counters_->seconds.Add({{"route", route}}, kSeconds).Observe(seconds);
}

void Metrics::count_connection() { counters_->connections.Increment(); }

void Metrics::count_refused_connection(const char* reason) {
  counters_->refused.Add({{"reason", reason}}).Increment();
}

void Metrics::count_predicted_plans(size_t count) {
  counters_->plans.Increment(static_cast<double>(count));
}

void Metrics::count_job(JobState state) {
  counters_->jobs.Add({{"state", job_state_text(state)}}).Increment();
}

std::string Metrics::text(const Snapshot& now) const {
  Registry registry;
  gauge(registry, "predictord_build_info", "1; the version is a label", 1, {{"version", kVersion}});
  gauge(registry, "predictord_ready", "1 once the store is loaded", now.is_ready);
  gauge(registry, "predictord_connections", "Connections open", now.connections);
  gauge(registry, "predictord_uploads", "Uploads arriving", now.uploads);
  auto& tasks = BuildGauge()
                    .Name("predictord_tasks")
                    .Help("Requests' work waiting and being done, by executor")
                    .Register(registry);
  tasks.Add({{"executor", "disk"}}).Set(now.disk_tasks);
  tasks.Add({{"executor", "prediction"}}).Set(now.prediction_tasks);
  add_jobs(registry, now);
  gauge(registry, "predictord_bundles", "Bundles in the store", now.bundles);
  gauge(registry, "predictord_bundle_bytes", "Bytes of bundles in the store", now.bundle_bytes);
  gauge(registry, "predictord_device_info", "1; the training device is a label", 1,
        {{"device", now.device}});
  gauge(registry, "predictord_resident_memory_bytes", "Resident memory of the server's process",
        now.resident_bytes);
  auto& days = BuildGauge()
                   .Name("predictord_certificate_days_left")
                   .Help("Whole days until a certificate or the revocation list ends")
                   .Register(registry);
  for (const Expiry& expiry : now.certificates) {
    days.Add({{"name", expiry.name}, {"file", expiry.file.filename()}})
        .Set(static_cast<double>(expiry.days_left()));
  }
  std::vector<prometheus::MetricFamily> all = counters_->registry.Collect();
  for (auto& family : registry.Collect()) all.push_back(std::move(family));
  return prometheus::TextSerializer().Serialize(all);
}

}  // namespace predictor::engine
