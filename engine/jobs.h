// jobs.h - the queue of training jobs, and the threads that see to their training.
//
//             submit
//                |        a runner takes it
//                v       ---------------------->            --> done
//             queued                            running ---+--> failed
//                |       <----------------------            --> cancelled
//                |        the engine stops or dies
//                '--> cancelled
//
// done, failed and cancelled are final. Every change of state is on disk before anyone is told
// (DATA/jobs/NAMESPACE/JOB.json). Until the job is final its records are in
// DATA/uploads/NAMESPACE/JOB.records and its checkpoints in JOB.checkpoints/ beside them, so that
// an engine that was killed queues again what it had not finished, and loses the current epoch at
// most. A job under which the engine died kMostAttempts times without a single checkpoint fails,
// instead of taking the engine down for ever.
//
// The id is the client's: submitting the same job again returns the job there is, submitting
// another job under the same id is a conflict.
//
// Thread-safe; no function waits for a training. The runner holds the lock only to change a job.
#ifndef PREDICTOR_ENGINE_JOBS_H
#define PREDICTOR_ENGINE_JOBS_H

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <filesystem>
#include <functional>
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
#include "engine/training_slots.h"

namespace predictor::engine {

class JobQueue {
 public:
  static constexpr int kMostAttempts = 3;
  static constexpr int kMostAttemptsWithCheckpoints = 20;

  // What may change while it works.
  struct Bounds {
    size_t queue = 16;           // jobs waiting
    size_t finished_jobs = 256;  // remembered, per namespace
    int threads = 1;
    uint64_t memory_mb = 0;  // for each training
  };
  struct Options {
    std::filesystem::path data_dir;
    Bounds bounds;
    std::function<void(JobState)> on_end = [](JobState) {};  // called under the lock
  };

  JobQueue(Options options, Store& store, Trainer& trainer, TrainingSlots& slots);
  ~JobQueue();

  // Reads the jobs of earlier runs; then start() begins to train on the device, so many jobs at the
  // same time. If the device has a problem, each job fails with it.
  Failure open();
  void start(const DeviceCheck& device, size_t concurrency);

  // Holds for jobs that are submitted, begun or finished after it.
  void change(const Bounds& bounds);

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

  struct Load {
    size_t waiting = 0;
    std::vector<Job> running;
  };
  Load load();

  // A queued job is cancelled at once, a running one when its training has noticed (a second).
  Result<Job> cancel(const std::vector<std::string>& spaces, const std::string& id);

  // Directory for records that are still arriving; what is left in it is removed by open().
  std::filesystem::path arrivals_directory() const { return options_.data_dir / "uploads"; }

 private:
  using Key = std::pair<std::string, std::string>;  // namespace, id

  static Key key_of(const JobRequest& request) { return {request.space, request.id}; }
  std::filesystem::path records_path(const Key& key) const;
  std::filesystem::path checkpoints_path(const Key& key) const;
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
  TrainingTask begin(const Key& key);
  bool note_progress(const Key& key, const TrainingProgress& progress);
  void conclude(const Key& key, Result<TrainingResult> result);

  const Options options_;
  Store& store_;
  Trainer& trainer_;
  TrainingSlots& slots_;
  DeviceCheck device_;  // written before the runners start

  std::mutex mutex_;  // guards everything below; also held over the small writes of job files
  Bounds bounds_;
  std::condition_variable changed_;
  std::map<Key, Job> jobs_;
  std::deque<Key> waiting_;
  std::map<Key, std::atomic<bool>> stops_;  // of the running trainings: set to end one
  std::atomic<bool> is_stopping_ = false;   // written under the lock
  size_t runners_left_ = 0;                 // that have not ended
  std::vector<std::thread> runners_;
};

}  // namespace predictor::engine

#endif
