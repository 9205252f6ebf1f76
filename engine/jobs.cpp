#include "engine/jobs.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <tuple>

#include "engine/files.h"
#include "engine/json_text.h"
#include "engine/log.h"
#include "engine/text.h"

namespace predictor::engine {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr size_t kJobFileLimit = 1 << 20;
constexpr char kJobSuffix[] = ".json";
constexpr char kRecordsSuffix[] = ".records";
constexpr char kCheckpointsSuffix[] = ".checkpoints";

std::string describe(const Job& job) {
  return "job " + job.request.id + " (model " + job.request.model + " version " +
         std::to_string(job.request.version) + ", namespace " + job.request.space + ")";
}

}  // namespace

JobQueue::JobQueue(Options options, Store& store, Trainer& trainer, TrainingSlots& slots)
    : options_(std::move(options)),
      store_(store),
      trainer_(trainer),
      slots_(slots),
      bounds_(options_.bounds) {}

JobQueue::~JobQueue() {
  request_stop();
  for (std::thread& runner : runners_) runner.join();
}

fs::path JobQueue::records_path(const Key& key) const {
  return options_.data_dir / "uploads" / key.first / (key.second + kRecordsSuffix);
}

fs::path JobQueue::checkpoints_path(const Key& key) const {
  return options_.data_dir / "uploads" / key.first / (key.second + kCheckpointsSuffix);
}

fs::path JobQueue::job_path(const Key& key) const {
  return options_.data_dir / "jobs" / key.first / (key.second + kJobSuffix);
}

// What earlier runs left

Failure JobQueue::open() {
  const std::lock_guard lock(mutex_);
  if (Failure failure = make_directory(options_.data_dir / "jobs")) return failure;
  if (Failure failure = make_directory(options_.data_dir / "uploads")) return failure;
  for (const std::string& space : directory_entries(options_.data_dir / "jobs")) {
    if (is_plain_name(space)) open_namespace(space);
  }
  remove_orphans();
  std::sort(waiting_.begin(), waiting_.end(), [this](const Key& left, const Key& right) {
    return std::tie(jobs_[left].submitted_at, left) < std::tie(jobs_[right].submitted_at, right);
  });
  return std::nullopt;
}

void JobQueue::open_namespace(const std::string& space) {
  const fs::path directory = options_.data_dir / "jobs" / space;
  for (const std::string& entry : directory_entries(directory)) {
    if (entry.ends_with(kTemporarySuffix)) remove_file(directory / entry);
    if (!entry.ends_with(kJobSuffix)) continue;
    const Result<std::vector<std::byte>> text = read_file(directory / entry, kJobFileLimit);
    std::optional<Job> job;
    if (text) {
      const char* begin = reinterpret_cast<const char*>(text.value().data());
      job = job_from_json(json::parse(begin, begin + text.value().size(), nullptr, false));
    }
    if (!job || job->request.space != space || job->request.id + kJobSuffix != entry) {
      log_error("job file " + (directory / entry).string() + " is damaged and is set aside");
      if (Failure failure =
              rename_durably(directory / entry, (directory / entry).string() + ".quarantined")) {
        log_error(failure->message);
      }
      continue;
    }
    reopen(std::move(*job));
  }
  forget_oldest(space);
}

void JobQueue::reopen(Job job) {
  const Key key = key_of(job.request);
  std::error_code status;
  Job& stored = jobs_[key] = std::move(job);
  if (is_final(stored.state)) return;
  if (stored.cancel_requested) {
    finish(stored, JobState::kCancelled, std::nullopt);
  } else if (!fs::exists(records_path(key), status)) {
    finish(stored, JobState::kFailed,
           Error{"records_lost",
                 "the records of the job are gone from the engine's disk; submit "
                 "them again as a new job"});
  } else if (stored.attempts >= (fs::exists(checkpoints_path(key), status)
                                     ? kMostAttemptsWithCheckpoints
                                     : kMostAttempts)) {
    finish(stored, JobState::kFailed,
           Error{"engine_died", "the engine died " + std::to_string(stored.attempts) +
                                    " times while it ran this job, perhaps for want of memory; "
                                    "send fewer plans"});
  } else {
    stored.state = JobState::kQueued;
    stored.progress.reset();
    waiting_.push_back(key);
    log_info(describe(stored) + " is queued again");
  }
}

void JobQueue::remove_orphans() {
  const fs::path root = options_.data_dir / "uploads";
  for (const std::string& space : directory_entries(root)) {
    std::error_code status;
    if (!fs::is_directory(root / space, status)) {
      remove_file(root / space);
      continue;
    }
    for (const std::string& entry : directory_entries(root / space)) {
      const bool is_known = entry.ends_with(kRecordsSuffix) || entry.ends_with(kCheckpointsSuffix);
      const auto job =
          is_known ? jobs_.find({space, entry.substr(0, entry.rfind('.'))}) : jobs_.end();
      if (job == jobs_.end() || is_final(job->second.state)) remove_tree(root / space / entry);
    }
  }
}

Failure JobQueue::save(const Job& job) {
  const fs::path path = job_path(key_of(job.request));
  if (Failure failure = make_directory(path.parent_path())) return failure;
  return write_file(path, json_text(job_to_json(job)));
}

void JobQueue::save_or_log(const Job& job) {
  if (Failure failure = save(job)) log_error(describe(job) + ": " + failure->message);
}

// What clients ask for

Failure JobQueue::check_admission(const JobRequest& request) {
  const auto existing = jobs_.find(key_of(request));
  if (existing != jobs_.end()) {
    if (existing->second.request == request) return std::nullopt;
    return Error{"job_exists",
                 "job " + request.id +
                     " exists with other parameters or other records; use a new "
                     "job id",
                 409};
  }
  if (is_stopping_) {
    return Error{"stopping", "the engine is stopping; submit the job again later", 503, 5};
  }
  if (waiting_.size() >= bounds_.queue) {
    return Error{"queue_full",
                 std::to_string(waiting_.size()) +
                     " jobs are waiting and the queue is full; submit the job again later",
                 503, 30};
  }
  return std::nullopt;
}

Failure JobQueue::admit(const JobRequest& request) {
  if (!trainer_.has_template(request.template_name)) {
    return Error{"unknown_template",
                 "there is no template \"" + printable(request.template_name) +
                     "\"; GET /v1/version lists the templates",
                 400};
  }
  const std::lock_guard lock(mutex_);
  return check_admission(request);
}

Result<Job> JobQueue::submit(const JobRequest& request, uint64_t record_count,
                             const fs::path& records) {
  const Key key = key_of(request);
  const std::lock_guard lock(mutex_);
  if (Failure failure = check_admission(request)) return *failure;
  if (const auto existing = jobs_.find(key); existing != jobs_.end()) {
    remove_file(records);
    return existing->second;
  }
  Job job;
  job.request = request;
  job.records = record_count;
  job.submitted_at = unix_milliseconds();
  const fs::path target = records_path(key);
  if (Failure failure = make_directory(target.parent_path())) return *failure;
  if (Failure failure = rename_durably(records, target)) return *failure;
  if (Failure failure = save(job)) {
    remove_file(target);
    return *failure;
  }
  jobs_[key] = job;
  waiting_.push_back(key);
  log_info(describe(job) + " is queued with " + std::to_string(record_count) + " records");
  changed_.notify_all();
  return job;
}

Job* JobQueue::locate(const std::vector<std::string>& spaces, const std::string& id) {
  for (const std::string& space : spaces) {
    const auto job = jobs_.find({space, id});
    if (job != jobs_.end()) return &job->second;
  }
  return nullptr;
}

namespace {

Error job_not_found(const std::string& id) {
  return Error{"job_not_found", "there is no job " + id + "; GET /v1/jobs lists the jobs", 404};
}

}  // namespace

Result<Job> JobQueue::find(const std::vector<std::string>& spaces, const std::string& id) {
  const std::lock_guard lock(mutex_);
  const Job* job = locate(spaces, id);
  if (job == nullptr) return job_not_found(id);
  return *job;
}

std::vector<Job> JobQueue::list(const std::vector<std::string>& spaces) {
  std::vector<Job> found;
  const std::lock_guard lock(mutex_);
  for (const auto& [key, job] : jobs_) {
    if (std::find(spaces.begin(), spaces.end(), key.first) != spaces.end()) found.push_back(job);
  }
  std::stable_sort(found.begin(), found.end(), [](const Job& left, const Job& right) {
    return left.submitted_at < right.submitted_at;
  });
  return found;
}

Result<Job> JobQueue::cancel(const std::vector<std::string>& spaces, const std::string& id) {
  const std::lock_guard lock(mutex_);
  Job* job = locate(spaces, id);
  if (job == nullptr) return job_not_found(id);
  if (job->state == JobState::kDone || job->state == JobState::kFailed) {
    return Error{
        "job_finished",
        "job " + id + " is " + job_state_text(job->state) + " already and cannot be cancelled",
        409};
  }
  if (job->state == JobState::kCancelled || job->cancel_requested) return *job;
  job->cancel_requested = true;
  if (job->state == JobState::kQueued) {
    std::erase(waiting_, key_of(job->request));
    Job answer = *job;
    finish(*job, JobState::kCancelled, std::nullopt);
    answer.state = JobState::kCancelled;
    return answer;
  }
  if (const auto stop = stops_.find(key_of(job->request)); stop != stops_.end()) {
    stop->second = true;
  }
  save_or_log(*job);
  return *job;
}

JobQueue::Load JobQueue::load() {
  const std::lock_guard lock(mutex_);
  Load load;
  load.waiting = waiting_.size();
  for (const auto& [key, stop] : stops_) load.running.push_back(jobs_[key]);
  return load;
}

// The job may be forgotten by this; do not use it afterwards.
void JobQueue::finish(Job& job, JobState state, Failure error) {
  job.state = state;
  job.error = std::move(error);
  job.finished_at = unix_milliseconds();
  save_or_log(job);
  remove_file(records_path(key_of(job.request)));
  remove_tree(checkpoints_path(key_of(job.request)));
  options_.on_end(state);
  if (job.error) {
    log_warning(describe(job) + " failed: " + job.error->code + ": " + job.error->message);
  } else {
    log_info(describe(job) + " is " + job_state_text(state));
  }
  const std::string space = job.request.space;
  forget_oldest(space);
}

void JobQueue::forget_oldest(const std::string& space) {
  std::vector<std::pair<int64_t, Key>> finished;
  for (auto job = jobs_.lower_bound({space, ""}); job != jobs_.end() && job->first.first == space;
       ++job) {
    if (is_final(job->second.state)) finished.emplace_back(job->second.finished_at, job->first);
  }
  if (finished.size() <= bounds_.finished_jobs) return;
  std::sort(finished.begin(), finished.end());
  finished.resize(finished.size() - bounds_.finished_jobs);
  for (const auto& [when, key] : finished) {
    remove_file(job_path(key));
    jobs_.erase(key);
  }
}

// The runners

void JobQueue::start(const DeviceCheck& device, size_t concurrency) {
  const std::lock_guard lock(mutex_);
  device_ = device;
  runners_left_ = concurrency;
  for (size_t i = 0; i < concurrency; i++) runners_.emplace_back([this] { run(); });
}

void JobQueue::change(const Bounds& bounds) {
  const std::lock_guard lock(mutex_);
  bounds_ = bounds;
}

void JobQueue::request_stop() {
  const std::lock_guard lock(mutex_);
  is_stopping_ = true;
  for (auto& [key, stop] : stops_) stop = true;
  changed_.notify_all();
}

bool JobQueue::wait_stopped(std::chrono::milliseconds patience) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, patience, [this] { return runners_left_ == 0; });
}

void JobQueue::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return is_stopping_ || !waiting_.empty(); });
    lock.unlock();
    const bool has_slot = slots_.acquire([this] { return is_stopping_.load(); });
    lock.lock();
    if (!has_slot) break;
    if (!is_stopping_ && !waiting_.empty()) {
      const Key key = waiting_.front();
      waiting_.pop_front();
      const TrainingTask task = begin(key);
      std::atomic<bool>& stop = stops_[key];
      lock.unlock();
      conclude(key,
               device_.problem.empty()
                   ? trainer_.train(
                         task, [&](const TrainingProgress& now) { return note_progress(key, now); },
                         stop)
                   : Error{"device_failed", device_.problem});
      lock.lock();
    }
    slots_.release();
  }
  runners_left_--;
  changed_.notify_all();
}

TrainingTask JobQueue::begin(const Key& key) {
  Job& job = jobs_[key];
  job.state = JobState::kRunning;
  job.started_at = unix_milliseconds();
  job.attempts++;
  job.device = device_.device;
  save_or_log(job);
  log_info(describe(job) + " is running on " + job.device);
  TrainingTask task;
  task.records = records_path(key);
  task.checkpoints = checkpoints_path(key);
  task.template_name = job.request.template_name;
  task.options.seed = job.request.seed;
  task.options.threads = bounds_.threads;
  task.options.device = device_.device;
  if (job.request.max_epochs > 0) task.options.max_epochs = job.request.max_epochs;
  task.memory_mb = bounds_.memory_mb;
  return task;
}

bool JobQueue::note_progress(const Key& key, const TrainingProgress& progress) {
  const std::lock_guard lock(mutex_);
  Job& job = jobs_[key];
  job.progress = progress;
  return !job.cancel_requested && !is_stopping_;
}

void JobQueue::conclude(const Key& key, Result<TrainingResult> result) {
  std::unique_lock lock(mutex_);
  Job& job = jobs_[key];  // stays where it is: only final jobs are forgotten
  Result<BundleFacts> stored = Error{"cancelled", ""};
  if (result && !job.cancel_requested) {
    const BundleName name = job.request.bundle_name();
    lock.unlock();
    stored = store_.put(name, result.value().bundle, key.second);
    lock.lock();
    if (stored && job.cancel_requested) store_.remove(name);
  }
  stops_.erase(key);
  if (job.cancel_requested) {
    finish(job, JobState::kCancelled, std::nullopt);
  } else if (stored) {
    job.bundle = stored.value();
    job.result = std::move(result.value());
    job.result->bundle.clear();
    finish(job, JobState::kDone, std::nullopt);
  } else if (result) {
    finish(job, JobState::kFailed, stored.error());
  } else if (result.error().code == "cancelled") {
    // Not by a client, so the engine is stopping.
    job.state = JobState::kQueued;
    job.attempts--;
    job.progress.reset();
    save_or_log(job);
    log_info(describe(job) + " is interrupted; it goes on when the engine starts again");
  } else {
    finish(job, JobState::kFailed, result.error());
  }
}

}  // namespace predictor::engine
