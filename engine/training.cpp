#include "engine/training.h"

#include <malloc.h>
#include <unistd.h>

#include <condition_variable>
#include <fstream>
#include <mutex>
#include <new>
#include <thread>

#include "engine/checkpoint_files.h"
#include "engine/record_stream.h"
#include "engine/text.h"

namespace predictor::engine {
namespace {

Error out_of_memory(const TrainingTask& task) {
  return Error{"out_of_memory", "training needs more than " +
                                    (task.memory_mb != 0 ? std::to_string(task.memory_mb) + " MB"
                                                         : std::string("the memory there is")) +
                                    "; send fewer plans or raise the engine's memory setting"};
}

// A thread that looks, for as long as the object lives, whether the training is to end: because
// somebody wants it to, or because of its memory.
class Watch {
 public:
  Watch(const TrainingTask& task, const std::atomic<bool>& stop)
      : memory_mb_(task.memory_mb), wanted_(stop) {
    look();  // so that a limit below what is there already holds for the shortest training
    thread_ = std::thread([this] { run(); });
  }
  ~Watch() {
    {
      const std::lock_guard lock(mutex_);
      is_over_ = true;
    }
    changed_.notify_one();
    thread_.join();
  }

  const std::atomic<bool>& stop() const { return stop_; }
  bool is_memory_exceeded() const { return is_memory_exceeded_; }

 private:
  static constexpr auto kPause = std::chrono::milliseconds(50);

  void run() {
    std::unique_lock lock(mutex_);
    while (!is_over_) {
      changed_.wait_for(lock, kPause);
      look();
    }
  }
  void look() {
    if (memory_mb_ != 0 && resident_megabytes() > memory_mb_) is_memory_exceeded_ = true;
    if (is_memory_exceeded_ || wanted_) stop_ = true;
  }

  const uint64_t memory_mb_;
  const std::atomic<bool>& wanted_;
  std::atomic<bool> stop_ = false;
  std::atomic<bool> is_memory_exceeded_ = false;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool is_over_ = false;
  std::thread thread_;
};

Result<TrainingResult> train(const TrainingTask& task, const TemplateFactory& factory,
                             const ProgressFunction& progress, const std::atomic<bool>& stop) {
  const std::unique_ptr<Template> chosen = factory(task.template_name);
  if (!chosen) {
    return Error{"unknown_template",
                 "there is no template \"" + printable(task.template_name) +
                     "\"; GET /v1/version lists the templates",
                 400};
  }
  const auto report = [&](const TrainingProgress& state) { return !stop && progress(state); };
  TrainingProgress loading;
  loading.phase = "loading";
  Result<std::vector<OwnedRecord>> records =
      load_records(task.records, [&] { return report(loading); });
  if (!records) {
    if (records.error().code == "interrupted") throw TrainingCancelled();
    return records.error();
  }
  CheckpointFiles checkpoints(task.checkpoints);
  TrainingOptions options = task.options;
  options.stop = &stop;
  options.checkpoints = task.checkpoints.empty() ? nullptr : &checkpoints;
  return chosen->train(records.value(), options, report);
}

class LocalTrainer : public Trainer {
 public:
  explicit LocalTrainer(TemplateFactory factory) : factory_(std::move(factory)) {}

  bool has_template(const std::string& name) const override { return factory_(name) != nullptr; }
  Result<TrainingResult> train(const TrainingTask& task, const ProgressFunction& progress,
                               const std::atomic<bool>& stop) override {
    return run_training(task, factory_, progress, stop);
  }
  DeviceCheck check_device(const std::string&, const std::atomic<bool>&) override {
    return {"cpu", 0, ""};
  }

 private:
  const TemplateFactory factory_;
};

}  // namespace

Result<TrainingResult> run_training(const TrainingTask& task, const TemplateFactory& factory,
                                    const ProgressFunction& progress,
                                    const std::atomic<bool>& stop) {
  Watch watch(task, stop);
  Result<TrainingResult> result = Error{"internal_error", "training gave no result"};
  try {
    result = train(task, factory, progress, watch.stop());
  } catch (const TrainingCancelled&) {
    result = watch.is_memory_exceeded() ? out_of_memory(task)
                                        : Error{"cancelled", "the training was cancelled"};
  } catch (const TrainingError& problem) {
    result = Error{"training_failed", problem.what()};
  } catch (const std::bad_alloc&) {
    result = out_of_memory(task);
  } catch (const std::exception& problem) {
    result = Error{"internal_error", std::string("training stopped: ") + problem.what()};
  }
  // The records and the network are gone; give their pages back, the process may live on for long.
  malloc_trim(0);
  return result;
}

std::unique_ptr<Trainer> make_local_trainer(TemplateFactory factory) {
  return std::make_unique<LocalTrainer>(std::move(factory));
}

uint64_t resident_megabytes() {
  std::ifstream status("/proc/self/statm");
  uint64_t total = 0;
  uint64_t resident = 0;
  if (!(status >> total >> resident)) return 0;
  return resident * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE)) / (1 << 20);
}

}  // namespace predictor::engine
