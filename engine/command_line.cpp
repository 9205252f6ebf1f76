#include "engine/command_line.h"

#include <CLI/CLI.hpp>
#include <iostream>
#include <vector>

namespace predictor::engine {
namespace {

struct Entry {
  const char* name;
  const char* summary;
  std::unique_ptr<Command> (*make)();
};

constexpr Entry kCommands[] = {
    {"serve", "Serve databases over HTTPS until told to stop", make_serve_command},
    {"train", "Train one bundle from a file of records, without a server", make_train_command},
    {"evaluate", "Train models on trace files and score them on others", make_evaluate_command},
    {"train-worker", "", make_train_worker_command},
    {"encode", "Turn plans in EXPLAIN's JSON into records to train with", make_encode_command},
    {"inspect", "Say what is in a bundle or a file of records", make_inspect_command},
    {"version", "Print versions and exit", make_version_command},
};

constexpr char kAbout[] =
    "predictord - trains models that predict how long statements of PostgreSQL will take.\n"
    "The server starts one by itself; run it by hand to train on another machine, or offline.\n"
    "`predictord COMMAND --help` explains a command.";

}  // namespace

int fail(const Error& error) {
  std::cerr << "predictord: " << error.message << std::endl;
  return 1;
}

CommandLine read_command_line(int argc, const char* const* argv) {
  CommandLine line;
  CLI::App app(kAbout, "predictord");
  app.require_subcommand(1);
  std::vector<std::pair<CLI::App*, std::unique_ptr<Command>>> commands;
  for (const Entry& entry : kCommands) {
    CLI::App* sub_command = app.add_subcommand(entry.name, entry.summary);
    if (*entry.summary == '\0') sub_command->group("");  // not in --help
    commands.emplace_back(sub_command, entry.make());
    commands.back().second->add_options(*sub_command);
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& problem) {
    line.exit_status = app.exit(problem) == 0 ? 0 : kUsageStatus;
    return line;
  }
  for (auto& [sub_command, command] : commands) {
    if (!sub_command->parsed()) continue;
    if (const Failure failure = command->complete()) {
      fail(*failure);
      line.exit_status = kUsageStatus;
      return line;
    }
    line.name = sub_command->get_name();
    line.command = std::move(command);
  }
  return line;
}

}  // namespace predictor::engine
