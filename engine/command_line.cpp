#include "engine/command_line.h"

#include <CLI/CLI.hpp>
#include <iostream>
#include <map>
#include <thread>

namespace predictor::engine {
namespace {

constexpr int kUsageStatus = 2;

// The texts that the command line and the environment give for the settings, by key.
struct GivenSettings {
  std::map<std::string, std::string> texts;
  std::map<std::string, bool> switches;
  std::map<std::string, CLI::Option*> options;
  std::string config;
};

void add_settings(CLI::App& serve, GivenSettings& given) {
  serve.add_option("--config", given.config, "TOML file with settings; unknown keys are refused")
      ->envname("PREDICTORD_CONFIG");
  for (const SettingInfo& setting : all_settings()) {
    CLI::Option* option =
        setting.is_switch
            ? serve.add_flag(option_name(setting), given.switches[setting.key], setting.help)
            : serve.add_option(option_name(setting), given.texts[setting.key], setting.help);
    given.options[setting.key] = option->envname(environment_name(setting));
  }
}

Failure apply_given(const GivenSettings& given, Settings& settings) {
  if (!given.config.empty()) {
    if (Failure failure = read_settings_file(settings, given.config)) return failure;
  }
  for (const SettingInfo& setting : all_settings()) {
    // The environment counts as given, unless the command line says otherwise.
    if (given.options.at(setting.key)->count() == 0) continue;
    const std::string text = setting.is_switch ? (given.switches.at(setting.key) ? "true" : "false")
                                               : given.texts.at(setting.key);
    if (Failure failure = apply_setting(settings, setting.key, text)) return failure;
  }
  return complete_settings(settings);
}

void add_train(CLI::App& train, TrainCommand& command) {
  train.add_option("--input", command.input, "file of records, as the codec writes them")
      ->required();
  train.add_option("--output", command.output, "bundle to write")->required();
  train.add_option("--template", command.template_name, "template to train")->capture_default_str();
  train.add_option("--seed", command.options.seed, "seed of all random numbers")
      ->capture_default_str();
  train.add_option("--max-epochs", command.options.max_epochs, "epochs at most")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  train.add_option("--threads", command.options.threads, "threads to train with")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
}

}  // namespace

CommandLine read_command_line(int argc, const char* const* argv) {
  CommandLine line;
  GivenSettings given;
  line.train.options.threads = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  CLI::App app(
      "predictord - trains models that predict how long statements of PostgreSQL will take",
      "predictord");
  app.require_subcommand(1);
  CLI::App* serve = app.add_subcommand("serve", "Serve databases over HTTPS until told to stop");
  CLI::App* train = app.add_subcommand("train", "Train one bundle from a file of records");
  CLI::App* version = app.add_subcommand("version", "Print versions and exit");
  add_settings(*serve, given);
  add_train(*train, line.train);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& problem) {
    line.exit_status = app.exit(problem) == 0 ? 0 : kUsageStatus;
    return line;
  }
  if (version->parsed()) line.command = CommandLine::Command::kVersion;
  if (train->parsed()) line.command = CommandLine::Command::kTrain;
  if (!serve->parsed()) return line;
  if (const Failure failure = apply_given(given, line.settings)) {
    std::cerr << "predictord: " << failure->message << std::endl;
    line.exit_status = kUsageStatus;
    return line;
  }
  line.command = CommandLine::Command::kServe;
  return line;
}

}  // namespace predictor::engine
