// jobs.h - the queue of training jobs, and the one thread that trains.
//
//             submit
//                |        the runner takes it
//                v       ---------------------->            --> done
//             queued                            running ---+--> failed
//                |       <----------------------            --> cancelled
//                |        the engine stops or dies
//                '--> cancelled
//
// done, failed and cancelled are final. Every change of state is on disk before anyone is told
// (DATA/jobs/NAMESPACE/JOB.json; the records in DATA/uploads/NAMESPACE/JOB.records until the job is
// final), so that an engine that was killed queues again what it had not finished. A job under
// which the engine died kMostAttempts times fails, instead of taking it down for ever.
//
// The id is the client's: submitting the same job again returns the job there is, submitting
// another job under the same id is a conflict.
//
// Thread-safe; no function waits for a training. The runner holds the lock only to change a job.
#ifndef PREDICTOR_ENGINE_JOBS_H
#define PREDICTOR_ENGINE_JOBS_H

#include <chrono>
#include <condition_variable>
#include <deque>
#include <filesystem>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "engine/error.h"
#include "engine/job.h"
#include "engine/store.h"
#include "engine/training.h"

namespace predictor::engine {

class JobQueue {
 public:
  static constexpr int kMostAttempts = 3;

  struct Options {
    std::filesystem::path data_dir;
    size_t queue = 16;           // jobs waiting
    size_t finished_jobs = 256;  // remembered, per namespace
    int threads = 1;
    uint64_t memory_mb = 0;
  };

  JobQueue(Options options, Store& store, TemplateFactory factory);
  ~JobQueue();

  // Reads the jobs of earlier runs; then start() begins to train.
  Failure open();
  void start();

  // Interrupts the training, which goes back to the queue on disk. wait_stopped() returns false if
  // the training did not end in time; the process should then end without it.
  void request_stop();
  bool wait_stopped(std::chrono::milliseconds patience);

  // Whether submit() would take the job now; asked before its records are received.
  Failure admit(const JobRequest& request);

  // Takes over the file `records`, which must be on the file system of the data directory.
  Result<Job> submit(const JobRequest& request, uint64_t record_count,
                     const std::filesystem::path& records);

  // Looks in these namespaces only.
  Result<Job> find(const std::vector<std::string>& spaces, const std::string& id);
  std::vector<Job> list(const std::vector<std::string>& spaces);  // oldest first

  // A queued job is cancelled at once, a running one when its training has noticed (a second).
  Result<Job> cancel(const std::vector<std::string>& spaces, const std::string& id);

  // Directory for records that are still arriving; what is left in it is removed by open().
  std::filesystem::path arrivals_directory() const { return options_.data_dir / "uploads"; }

 private:
  using Key = std::pair<std::string, std::string>;  // namespace, id

  static Key key_of(const JobRequest& request) { return {request.space, request.id}; }
  std::filesystem::path records_path(const Key& key) const;
  std::filesystem::path job_path(const Key& key) const;

  void open_namespace(const std::string& space);
  void reopen(Job job);
  void remove_orphans();
  Failure save(const Job& job);
  void save_or_log(const Job& job);
  Job* locate(const std::vector<std::string>& spaces, const std::string& id);
  Failure check_admission(const JobRequest& request);
  void finish(Job& job, JobState state, Failure error);
  void forget_oldest(const std::string& space);

  void run();
  bool note_progress(const Key& key, const TrainingProgress& progress);
  void conclude(const Key& key, Result<TrainingResult> result);

  const Options options_;
  Store& store_;
  const TemplateFactory factory_;

  std::mutex mutex_;  // guards everything below; also held over the small writes of job files
  std::condition_variable changed_;
  std::map<Key, Job> jobs_;
  std::deque<Key> waiting_;
  bool is_stopping_ = false;
  bool is_running_ = false;  // the runner thread has not ended
  std::thread runner_;
};

}  // namespace predictor::engine

#endif
