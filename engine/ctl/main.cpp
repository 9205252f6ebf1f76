// main.cpp - predictorctl's entry: the command line.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <functional>
#include <iostream>

#include "engine/ctl/commands.h"
#include "engine/version.h"

namespace predictor::engine::ctl {

int fail(const Error& error) {
  std::cerr << "predictorctl: " << error.message << std::endl;
  return 1;
}

namespace {

constexpr int kUsageStatus = 2;

struct Options {
  std::string conninfo;
  std::string model;
  int version = 0;
  bool does_not_wait = false, does_not_promote = false, skips_engine = false, is_quiet = false,
       is_talkative = false;
  ImportCommand import;
  std::string file = "-";
};

// Runs a command on a connection.
int connected(const Options& options, const std::function<int(Database&)>& command) {
  Result<Database> database = Database::connect(options.conninfo);
  if (!database) return fail(database.error());
  return command(database.value());
}

void add_commands(CLI::App& app, Options& options, std::function<int()>& chosen) {
  CLI::App* doctor = app.add_subcommand(
      "doctor", "Look for what is wrong, and say what to do; status 0 well, 1 warnings, 2 errors");
  doctor->add_flag("--skip-engine", options.skips_engine,
                   "do not ask the engine whether it answers");
  doctor->callback(
      [&] { chosen = [&] { return run_doctor(options.conninfo, !options.skips_engine); }; });

  CLI::App* import = app.add_subcommand("import", "Add plans that were executed to the history");
  import
      ->add_option("FILE", options.import.files,
                   "EXPLAIN JSON, trace files (.zst too), logs with auto_explain's JSON; - is "
                   "standard input")
      ->required();
  import->add_flag("-q,--quiet", options.is_quiet, "no progress bar");
  import->add_flag("--progress", options.is_talkative,
                   "a progress bar, also where standard error is no terminal");
  import->callback([&] {
    options.import.shows_progress =
        !options.is_quiet && (options.is_talkative || ::isatty(STDERR_FILENO) != 0);
  chosen = [&] {
    return connected(options, [&](Database& d) { return run_import(d, options.import); });
  };
});

CLI::App* export_command = app.add_subcommand("export", "Write the history as a trace file");
export_command->add_option("FILE", options.file, "where to; - is standard output")
    ->capture_default_str();
export_command->callback([&] {
  chosen = [&] {
    return connected(options, [&](Database& d) { return run_export(d, options.file); });
  };
});

CLI::App* models = app.add_subcommand("models", "List the models of the database");
models->callback([&] { chosen = [&] { return connected(options, run_models); }; });

CLI::App* train = app.add_subcommand("train", "Train a model");
train->add_option("MODEL", options.model)->required();
train->add_flag("--no-wait", options.does_not_wait, "return at once");
train->add_flag("--no-promote", options.does_not_promote, "only look how good it would be");
train->callback([&] {
  chosen = [&] {
    return connected(options, [&](Database& d) {
      return run_train(d, options.model, !options.does_not_wait, !options.does_not_promote);
    });
  };
});

CLI::App* activate =
    app.add_subcommand("activate", "Make a version of a model the one that answers");
activate->add_option("MODEL", options.model)->required();
activate->add_option("VERSION", options.version)->required()->check(CLI::NonNegativeNumber);
activate->callback([&] {
  chosen = [&] {
    return connected(options,
                     [&](Database& d) { return run_activate(d, options.model, options.version); });
  };
});
}  // namespace

}  // namespace predictor::engine::ctl
}  // namespace predictor::engine::ctl

int main(int argc, char** argv) {
  using namespace predictor::engine;
  ctl::Options options;
  std::function<int()> chosen;
  CLI::App app("predictorctl - steers Predictor for PostgreSQL from the command line",
               "predictorctl");
  app.set_version_flag("--version", std::string("predictorctl ") + kVersion);
  app.add_option("-d,--dbname", options.conninfo,
                 "database, connection string or URI; otherwise PGHOST, PGDATABASE and so on");
  app.require_subcommand(1);
  app.fallthrough();
  ctl::add_commands(app, options, chosen);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& problem) {
    return app.exit(problem) == 0 ? 0 : ctl::kUsageStatus;
  }
  return chosen();
}
