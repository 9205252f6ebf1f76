// main.cpp - predictord's entry: the environment its libraries need, the process's signals, and one
// function per subcommand.
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <nlohmann/json.hpp>
#include <thread>

#include "engine/command_line.h"
#include "engine/files.h"
#include "engine/job.h"
#include "engine/json_text.h"
#include "engine/log.h"
#include "engine/server.h"
#include "engine/version.h"
#include "plan/bundle.h"
#include "plan/codec.h"

namespace predictor::engine {
namespace {

// OpenBLAS and OpenMP read their thread counts while they are loaded, before main(): if they are
// not what they should be, the program starts itself once more. More than one BLAS thread costs
// training a factor of 2 to 30 (both libraries spin on the same processors).
void ensure_thread_environment(int threads, char** argv) {
  static constexpr char kMark[] = "PREDICTORD_ENVIRONMENT_SET";
  const auto is_set = [](const char* name, const std::string& value) {
    const char* current = std::getenv(name);
    return current != nullptr && value == current;
  };
  const std::string wanted = std::to_string(threads);
  const bool is_right = is_set("OPENBLAS_NUM_THREADS", "1") && is_set("OMP_NUM_THREADS", wanted);
  if (!is_right && std::getenv(kMark) == nullptr) {
    ::setenv("OPENBLAS_NUM_THREADS", "1", 1);
    ::setenv("OMP_NUM_THREADS", wanted.c_str(), 1);
    ::setenv(kMark, "1", 1);
    ::execv("/proc/self/exe", argv);
    std::cerr << "predictord: could not restart with its own environment: " << std::strerror(errno)
              << "; training may be slow" << std::endl;
  }
  ::unsetenv(kMark);
}

int fail(const Error& error) {
  std::cerr << "predictord: " << error.message << std::endl;
  return 1;
}

int print_version() {
  std::cout << "predictord " << kVersion << " (api " << kApiVersion << ", codec " << kCodecVersion
            << ", bundle " << kBundleVersion << ")" << std::endl;
  return 0;
}

// Turns the end of standard input into SIGTERM. The thread is never joined: it ends with the
// process.
void watch_standard_input() {
  std::thread([] {
    char dropped[256];
    while (true) {
      pollfd input{STDIN_FILENO, POLLIN, 0};
      if (::poll(&input, 1, -1) < 0 && errno == EINTR) continue;
      const ssize_t got = ::read(STDIN_FILENO, dropped, sizeof(dropped));
      if (got > 0 || (got < 0 && (errno == EINTR || errno == EAGAIN))) continue;
      break;
    }
    log_info("standard input has ended");
    ::kill(::getpid(), SIGTERM);
  }).detach();
}

// Blocked in every thread, and taken by sigwait() in this one.
sigset_t block_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (int number : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&signals, number);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  return signals;
}

int serve(const Settings& settings) {
  if (const Failure failure = open_log(settings.log_file, settings.log_level)) {
    return fail(*failure);
  }
  const sigset_t signals = block_signals();
  if (settings.exit_with_stdin) watch_standard_input();
  Result<std::unique_ptr<Server>> server = Server::start(settings, make_template);
  if (!server) {
    log_error(server.error().message);
    return 1;
  }
  if (!settings.port_file.empty()) {
    if (const Failure failure = write_file(settings.port_file, server.value()->address() + "\n")) {
      log_error(failure->message);
      return 1;
    }
  }
  int number = 0;
  while (sigwait(&signals, &number) == 0 && number == SIGHUP) {
    log_warning("SIGHUP: settings and certificates are read at start; restart to change them");
  }
  log_info(std::string("stopping after ") + strsignal(number));
  const bool is_stopped = server.value()->stop();
  if (is_stopped) {
    log_info("stopped");
  } else {
    log_error("the training did not stop in time; ending without it");
  }
  // Everything is on disk. Without the destructors of the libraries, which take a while.
  std::_Exit(is_stopped ? 0 : 1);
}

int train(const TrainCommand& command) {
  TrainingTask task;
  task.records = command.input;
  task.template_name = command.template_name;
  task.options = command.options;
  Result<TrainingResult> result = run_training(task, make_template, [](const auto& progress) {
    std::cerr << progress.phase << ": epoch " << progress.epoch << " of " << progress.max_epochs
              << ", loss " << progress.loss << ", validation q50 " << progress.validation_q50
              << std::endl;
    return true;
  });
  if (!result) return fail(result.error());
  if (const Failure failure = write_file(command.output, result.value().bundle)) {
    return fail(*failure);
  }
  nlohmann::json facts = result_to_json(result.value());
  facts["size"] = result.value().bundle.size();
  std::cout << json_text(facts) << std::endl;
  return 0;
}

}  // namespace
}  // namespace predictor::engine

int main(int argc, char** argv) {
  using namespace predictor::engine;
  const CommandLine line = read_command_line(argc, argv);
  switch (line.command) {
    case CommandLine::Command::kNone:
      return line.exit_status;
    case CommandLine::Command::kVersion:
      return print_version();
    case CommandLine::Command::kServe:
      ensure_thread_environment(line.settings.threads, argv);
      return serve(line.settings);
    case CommandLine::Command::kTrain:
      ensure_thread_environment(line.train.options.threads, argv);
      return train(line.train);
  }
}
