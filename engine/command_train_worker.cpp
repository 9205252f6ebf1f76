// command_train_worker.cpp - `predictord train-worker`: the process that the server trains in. Not
// for people; training_process.h is what it speaks.
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <fstream>
#include <iostream>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>

#include "engine/command.h"
#include "engine/files.h"
#include "engine/json_text.h"
#include "engine/log.h"
#include "engine/text.h"
#include "engine/training_json.h"
#include "engine/training_process.h"

namespace predictor::engine {
namespace {

using nlohmann::json;

constexpr auto kGrace = std::chrono::seconds(2);  // for a training that is to stop

// When memory runs out, the kernel should end a training and not the server or a database.
void become_first_victim() { std::ofstream("/proc/self/oom_score_adj") << 1000; }

// Beside the watch of training.h, which may see a sudden large allocation too late: the allocation
// then fails, and the training with a clear reason. Counts what may be written, not what is
// resident, hence the margin; CUDA maps far more than it uses, so it is not limited this way.
void limit_data(const TrainingTask& task) {
  constexpr uint64_t kMarginMegabytes = 512;
  if (task.memory_mb == 0 || task.options.device.starts_with("cuda")) return;
  std::ifstream statm("/proc/self/statm");
  uint64_t data = 0;
  for (int field = 0; field < 6; field++) statm >> data;
  const rlim_t most = data * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE)) +
                      ((task.memory_mb + kMarginMegabytes) << 20);
  const rlimit limit{most, most};
  ::setrlimit(RLIMIT_DATA, &limit);
}

class TrainWorkerCommand : public Command {
 public:
  void add_options(CLI::App& app) override {
    app.add_option("--threads", threads_)->check(CLI::PositiveNumber);
    app.add_option("--log-file", log_file_);
    app.add_option("--log-level", log_level_);
  }
  int threads() const override { return threads_; }
  int run() override;

 private:
  void answer(const json& message);
  void obey_end_of_input();
  json do_task(const json& task);

  int threads_ = 1;
  std::string log_file_;
  std::string log_level_ = "info";
  File channel_;
  std::atomic<bool> stop_ = false;
};

void TrainWorkerCommand::answer(const json& message) {
  const std::string text = json_text(message) + "\n";
  if (channel_.write(std::as_bytes(std::span(text.data(), text.size())))) stop_ = true;
}

// The server closes our input to make us stop; so does its death.
void TrainWorkerCommand::obey_end_of_input() {
  std::thread([this] {
    char dropped[64];
    while (true) {
      const ssize_t got = ::read(STDIN_FILENO, dropped, sizeof(dropped));
      if (got == 0 || (got < 0 && errno != EINTR)) break;
    }
    stop_ = true;
    std::this_thread::sleep_for(kGrace);
    ::_exit(1);
  }).detach();
}

json TrainWorkerCommand::do_task(const json& message) {
  if (message.contains("check_device")) {
    return {{"device", device_to_json(check_device(json_string(message, "check_device")))}};
  }
  const TrainingTask task = task_from_json(message);
  limit_data(task);
  Result<TrainingResult> result = run_training(
      task, make_template,
      [this](const TrainingProgress& progress) {
        answer({{"progress", progress_to_json(progress)}});
        return true;
      },
      stop_);
  Failure failure = result ? write_file(json_string(message, "bundle"), result.value().bundle)
                           : Failure(result.error());
  if (failure) return {{"error", {{"code", failure->code}, {"message", failure->message}}}};
  return {{"result", result_to_json(result.value())}};
}

int TrainWorkerCommand::run() {
  if (const Failure failure = open_log(log_file_, log_level_)) return fail(*failure);
  become_first_victim();
  // Whatever a library prints must not be taken for an answer.
  channel_ = File(::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3));
  ::dup2(STDERR_FILENO, STDOUT_FILENO);
  std::string line;
  std::getline(std::cin, line);
  const json task = json::parse(line, nullptr, false);
  if (!task.is_object()) return fail(Error{"bad_task", "no task came; the server starts this"});
  obey_end_of_input();
  answer(do_task(task));
  std::_Exit(0);  // without the destructors of the libraries, which take a while
}

}  // namespace

std::unique_ptr<Command> make_train_worker_command() {
  return std::make_unique<TrainWorkerCommand>();
}

}  // namespace predictor::engine
