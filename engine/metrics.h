// metrics.h - what the engine counts and measures, in the text format of Prometheus.
//
// Counters live here; what can be read off when somebody asks (queue, memory, days left) comes in
// as a Snapshot. Labels come from small fixed sets, never from what a client sends. Thread-safe.
#ifndef PREDICTOR_ENGINE_METRICS_H
#define PREDICTOR_ENGINE_METRICS_H

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/job.h"
#include "engine/tls.h"

namespace predictor::engine {

class Metrics {
 public:
  Metrics();
  ~Metrics();

  // `route` is a pattern of the API's table, not a target.
  void count_request(const std::string& route, const std::string& method, int status,
                     double seconds);
  void count_connection();
  void count_refused_connection(const char* reason);
  void count_predicted_plans(size_t count);
  void count_job(JobState state);

  struct Snapshot {
    bool is_ready = false;
    size_t connections = 0;
    size_t disk_tasks = 0, prediction_tasks = 0;  // waiting and running
    size_t queued_jobs = 0;
    std::vector<Job> running;
    size_t bundles = 0;
    uint64_t bundle_bytes = 0;
    size_t uploads = 0;
    std::string device;
    uint64_t resident_bytes = 0;
    std::vector<Expiry> certificates;
  };
  std::string text(const Snapshot& now) const;

 private:
  struct Counters;
  std::unique_ptr<Counters> counters_;
};

}  // namespace predictor::engine

#endif
