#include "engine/training_process.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>

#include "engine/files.h"
#include "engine/json_text.h"
#include "engine/log.h"
#include "engine/text.h"
#include "engine/training_json.h"
#include "engine/worker_process.h"
#include "plan/bundle.h"

namespace predictor::engine {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using Clock = std::chrono::steady_clock;

constexpr auto kPause = std::chrono::milliseconds(50);      // between two looks at `stop`
constexpr auto kPatience = std::chrono::milliseconds(500);  // with a worker that is to stop
constexpr auto kMostDevicePatience = std::chrono::minutes(16);

json task_to_json(const TrainingTask& task, const fs::path& bundle) {
  return {{"records", task.records.string()},
          {"template", task.template_name},
          {"seed", task.options.seed},
          {"threads", task.options.threads},
          {"max_epochs", task.options.max_epochs},
          {"device", task.options.device},
          {"memory_mb", task.memory_mb},
          {"checkpoints", task.checkpoints.string()},
          {"bundle", bundle.string()}};
}

DeviceCheck device_from_json(const json& object) {
  return {json_string(object, "device"), json_real(object, "worst_difference"),
          json_string(object, "problem")};
}

// Why a worker that said nothing has ended.
Error explain_end(int status, const TrainingTask& task) {
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) {
    return Error{"out_of_memory",
                 "the training's process was killed, most likely by the kernel because memory ran "
                 "out; send fewer plans" +
                     std::string(task.memory_mb == 0 ? " or set the engine's memory limit" : "")};
  }
  const std::string how = WIFSIGNALED(status)
                              ? "was ended by signal " + std::string(strsignal(WTERMSIG(status)))
                              : "ended with status " + std::to_string(WEXITSTATUS(status));
  return Error{"training_crashed",
               "the training's process " + how +
                   "; the engine's log may say more, and this is worth a report"};
}

class ProcessTrainer : public Trainer {
 public:
  explicit ProcessTrainer(WorkerOptions options) : options_(std::move(options)) {}

  bool has_template(const std::string& name) const override {
    return make_template(name) != nullptr;
  }
  Result<TrainingResult> train(const TrainingTask& task, const ProgressFunction& progress,
                               const std::atomic<bool>& stop) override;
  DeviceCheck check_device(const std::string& wanted, const std::atomic<bool>& stop) override;

 private:
  std::optional<DeviceCheck> ask_device(const std::string& wanted, const std::atomic<bool>& stop,
                                        std::chrono::milliseconds patience);
  Result<WorkerProcess> start(int threads) const {
    std::vector<std::string> arguments = {options_.program,        "train-worker", "--threads",
                                          std::to_string(threads), "--log-level",  log_level()};
    if (!options_.log_file.empty()) {
      arguments.insert(arguments.end(), {"--log-file", options_.log_file});
    }
    return WorkerProcess::start(arguments);
  }

  const WorkerOptions options_;
};

// One conversation with a worker, up to its last message.
class Conversation {
 public:
  Conversation(WorkerProcess& worker, ProgressFunction progress, const std::atomic<bool>& stop,
               Clock::time_point end = Clock::time_point::max())
      : worker_(worker), progress_(std::move(progress)), stop_(stop), end_(end) {}

  // What the worker said at last; null if it said nothing, or was stopped.
  json run() {
    std::string line;
    while (true) {
      const WorkerProcess::Event event = worker_.next(line, kPause);
      if (event == WorkerProcess::Event::kEnd) break;
      if (event == WorkerProcess::Event::kLine) take(line);
      if (stop_ || is_cancelled_ || Clock::now() > end_) press();
    }
    return is_cancelled() ? json() : last_;
  }
  bool is_cancelled() const { return stopped_at_.has_value(); }

 private:
  void take(const std::string& line) {
    json message = json::parse(line, nullptr, false);
    if (!message.is_object()) return;
    if (!message.contains("progress")) {
      last_ = std::move(message);
    } else if (!progress_(progress_from_json(message["progress"]))) {
      is_cancelled_ = true;
    }
  }
  void press() {
    if (!stopped_at_) {
      stopped_at_ = Clock::now();
      worker_.close_input();
    } else if (Clock::now() - *stopped_at_ > kPatience) {
      worker_.kill();
    }
  }

  WorkerProcess& worker_;
  const ProgressFunction progress_;
  const std::atomic<bool>& stop_;
  const Clock::time_point end_;
  std::optional<Clock::time_point> stopped_at_;
  bool is_cancelled_ = false;
  json last_;
};

// The file goes away with the object.
struct TemporaryFile {
  fs::path path;
  ~TemporaryFile() { remove_file(path); }
};

Result<TrainingResult> read_result(const json& object, const fs::path& bundle) {
  TrainingResult result = result_from_json(object);
  Result<std::vector<std::byte>> bytes = read_file(bundle, kBundleSizeLimit);
  if (!bytes) return bytes.error();
  result.bundle = std::move(bytes.value());
  return result;
}

Result<TrainingResult> ProcessTrainer::train(const TrainingTask& task,
                                             const ProgressFunction& progress,
                                             const std::atomic<bool>& stop) {
  static std::atomic<uint64_t> counter = 0;
  const TemporaryFile bundle{options_.directory /
                             ("trained-" + std::to_string(++counter) + kTemporarySuffix)};
  remove_file(bundle.path);
  Result<WorkerProcess> worker = start(task.options.threads);
  if (!worker) return worker.error();
  // A worker that ended before it read this explains itself below.
  (void)worker.value().send(json_text(task_to_json(task, bundle.path)));
  Conversation conversation(worker.value(), progress, stop);
  const json last = conversation.run();
  const int status = worker.value().wait();
  if (conversation.is_cancelled()) return Error{"cancelled", "the training was cancelled"};
  if (last.contains("result")) return read_result(last["result"], bundle.path);
  if (last.contains("error")) {
    return Error{json_string(last["error"], "code"), json_string(last["error"], "message")};
  }
  return explain_end(status, task);
}

DeviceCheck ProcessTrainer::check_device(const std::string& wanted, const std::atomic<bool>& stop) {
  for (auto patience = options_.device_patience; patience <= kMostDevicePatience; patience *= 2) {
    const std::optional<DeviceCheck> check = ask_device(wanted, stop, patience);
    if (check) return *check;
    if (stop) break;
    log_warning("device " + wanted + " has not answered for " + std::to_string(patience.count()) +
                " ms; it is asked again");
  }
  return {wanted, 0, "the device did not answer in time"};
}

// Nothing if it did not answer in time.
std::optional<DeviceCheck> ProcessTrainer::ask_device(const std::string& wanted,
                                                      const std::atomic<bool>& stop,
                                                      std::chrono::milliseconds patience) {
  Result<WorkerProcess> worker = start(1);
  if (!worker) return DeviceCheck{wanted, 0, worker.error().message};
  (void)worker.value().send(json_text({{"check_device", wanted}}));
  Conversation conversation(
      worker.value(), [](const TrainingProgress&) { return true; }, stop, Clock::now() + patience);
  const json last = conversation.run();
  const int status = worker.value().wait();
  if (last.contains("device")) return device_from_json(last["device"]);
  if (conversation.is_cancelled()) return std::nullopt;
  return DeviceCheck{wanted, 0, explain_end(status, {}).message};
}

}  // namespace

std::unique_ptr<Trainer> make_process_trainer(WorkerOptions options) {
  return std::make_unique<ProcessTrainer>(std::move(options));
}

TrainingTask task_from_json(const json& object) {
  TrainingTask task;
  task.records = json_string(object, "records");
  task.template_name = json_string(object, "template");
  task.options.seed = static_cast<uint64_t>(json_number(object, "seed", 1));
  task.options.threads = static_cast<int>(json_number(object, "threads", 1));
  task.options.max_epochs = static_cast<int>(json_number(object, "max_epochs", 1));
  task.options.device = json_string(object, "device");
  task.memory_mb = static_cast<uint64_t>(json_number(object, "memory_mb", 0));
  task.checkpoints = json_string(object, "checkpoints");
  return task;
}

json device_to_json(const DeviceCheck& check) {
  return {{"device", check.device},
          {"worst_difference", check.worst_difference},
          {"problem", check.problem}};
}

}  // namespace predictor::engine
