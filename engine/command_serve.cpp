// command_serve.cpp - `predictord serve`: settings from three places, and the process's signals.
#include "engine/command_serve.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "engine/files.h"
#include "engine/log.h"
#include "engine/server.h"
#include "engine/training_process.h"

namespace predictor::engine {
namespace {

constexpr char kExamples[] =
    "Examples:\n"
    "  predictord serve --listen 127.0.0.1:8443 --data-dir DATA --ca-dir CERTIFICATES\n"
    "  predictord serve --config /etc/predictord/predictord.toml\n"
    "Every setting can be given on the command line, in the environment (--data-dir is\n"
    "PREDICTORD_DATA_DIR) and in the file (data_dir; --limits-queue is queue in [limits]); the\n"
    "first that has it wins, in this order. SIGTERM ends the server after the requests in flight,\n"
    "SIGHUP reads certificates and settings anew.";

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

// Settings and files are read anew; what is wrong with them leaves everything as it was.
void reload(Server& server, const Result<Settings>& settings) {
  const Failure failure = settings ? server.reload(settings.value()) : Failure(settings.error());
  if (failure) {
    log_error("SIGHUP: nothing was changed: " + failure->message);
  } else {
    set_log_level(settings.value().log_level);
  }
}

}  // namespace

std::unique_ptr<Command> make_serve_command() { return std::make_unique<ServeCommand>(); }

void ServeCommand::add_options(CLI::App& app) {
  app.add_option("--config", config_, "TOML file with settings; unknown keys are refused")
      ->envname("PREDICTORD_CONFIG");
  for (const SettingInfo& setting : all_settings()) {
    CLI::Option* option =
        setting.is_switch ? app.add_flag(option_name(setting), switches_[setting.key], setting.help)
                          : app.add_option(option_name(setting), texts_[setting.key], setting.help);
    options_[setting.key] = option->envname(environment_name(setting));
  }
  app.footer(kExamples);
}

Failure ServeCommand::complete() {
  for (const SettingInfo& setting : all_settings()) {
    // The environment counts as given, unless the command line says otherwise.
    if (options_.at(setting.key)->count() == 0) continue;
    given_[setting.key] =
        setting.is_switch ? (switches_.at(setting.key) ? "true" : "false") : texts_.at(setting.key);
  }
  options_.clear();  // CLI11's objects end with the parsing
  Result<Settings> settings = read_settings();
  if (!settings) return settings.error();
  settings_ = std::move(settings.value());
  return std::nullopt;
}

Result<Settings> ServeCommand::read_settings() const {
  Settings settings;
  if (!config_.empty()) {
    if (Failure failure = read_settings_file(settings, config_)) return *failure;
  }
  for (const auto& [key, text] : given_) {
    if (Failure failure = apply_setting(settings, key, text)) return *failure;
  }
  if (Failure failure = complete_settings(settings)) return *failure;
  return settings;
}

int ServeCommand::run() {
  if (const Failure failure = open_log(settings_.log_file, settings_.log_level)) {
    return fail(*failure);
  }
  const sigset_t signals = block_signals();
  if (settings_.exit_with_stdin) watch_standard_input();
  Result<std::unique_ptr<Server>> server = Server::start(
      settings_, make_process_trainer({"/proc/self/exe", settings_.data_dir, settings_.log_file}));
  Failure failure = server ? server.value()->wait_ready() : Failure(server.error());
  if (!failure && !settings_.port_file.empty()) {
    failure = write_file(settings_.port_file, server.value()->address() + "\n");
  }
  if (failure) {
    log_error(failure->message);
    std::_Exit(1);
  }
  int number = 0;
  while (sigwait(&signals, &number) == 0 && number == SIGHUP) {
    reload(*server.value(), read_settings());
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

}  // namespace predictor::engine
