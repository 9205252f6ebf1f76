#include "engine/training.h"

#include <malloc.h>
#include <unistd.h>

#include <fstream>
#include <new>

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

// Passes progress on and watches the memory.
class Watch {
 public:
  Watch(const TrainingTask& task, const ProgressFunction& progress)
      : task_(task), progress_(progress) {}

  bool operator()(const TrainingProgress& state) {
    if (task_.memory_mb != 0 && resident_megabytes() > task_.memory_mb) {
      is_memory_exceeded_ = true;
      return false;
    }
    return progress_(state);
  }
  bool is_memory_exceeded() const { return is_memory_exceeded_; }

 private:
  const TrainingTask& task_;
  const ProgressFunction& progress_;
  bool is_memory_exceeded_ = false;
};

Result<TrainingResult> train(const TrainingTask& task, const TemplateFactory& factory,
                             Watch& watch) {
  const std::unique_ptr<Template> chosen = factory(task.template_name);
  if (!chosen) {
    return Error{"unknown_template",
                 "there is no template \"" + printable(task.template_name) +
                     "\"; GET /v1/version lists the templates",
                 400};
  }
  TrainingProgress loading;
  loading.phase = "loading";
  Result<std::vector<OwnedRecord>> records =
      load_records(task.records, [&] { return watch(loading); });
  if (!records) {
    if (records.error().code == "interrupted") throw TrainingCancelled();
    return records.error();
  }
  return chosen->train(records.value(), task.options,
                       [&](const TrainingProgress& state) { return watch(state); });
}

}  // namespace

Result<TrainingResult> run_training(const TrainingTask& task, const TemplateFactory& factory,
                                    const ProgressFunction& progress) {
  Watch watch(task, progress);
  Result<TrainingResult> result = Error{"internal_error", "training gave no result"};
  try {
    result = train(task, factory, watch);
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
  // The records and the network are gone; give their pages back, the service lives on for long.
  malloc_trim(0);
  return result;
}

uint64_t resident_megabytes() {
  std::ifstream status("/proc/self/statm");
  uint64_t total = 0;
  uint64_t resident = 0;
  if (!(status >> total >> resident)) return 0;
  return resident * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE)) / (1 << 20);
}

}  // namespace predictor::engine
