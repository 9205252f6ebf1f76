// command_evaluate.cpp - `predictord evaluate`: how well models do on trace files.
#include <CLI/CLI.hpp>
#include <thread>

#include "engine/command.h"
#include "engine/evaluate.h"

namespace predictor::engine {
namespace {

constexpr char kExamples[] =
    "Example:\n"
    "  predictord evaluate --train orders.train.jsonl.zst --test orders.test.jsonl.zst\n"
    "A trace file has one line per execution, what EXPLAIN (ANALYZE, FORMAT JSON) prints. The\n"
    "table or, with --json, one object per model goes to standard output; lines that cannot be\n"
    "used are counted on standard error.";

class CommandOfEvaluate : public Command {
 public:
  void add_options(CLI::App& app) override;
  int threads() const override { return options_.threads; }
  int run() override { return run_evaluate(command_); }

 private:
  EvaluateCommand command_;
  TrainingOptions& options_ = command_.options;
};

void CommandOfEvaluate::add_options(CLI::App& app) {
  options_.threads = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  app.add_option("--train", command_.train,
                 "trace files to train on; without any, the planner's cost at its usual price "
                 "answers, as it does in a new database")
      ->check(CLI::ExistingFile);
  app.add_option("--test", command_.test, "trace files to predict and to score")
      ->required()
      ->check(CLI::ExistingFile);
  app.add_option("--score", command_.score,
                 "what happened to the plans of --test, line for line; default: the same files")
      ->check(CLI::ExistingFile);
  app.add_option("--model", command_.models, "models to compare; default: all of them");
  app.add_option("--seed", options_.seed, "seed of all random numbers")->capture_default_str();
  app.add_option("--device", options_.device, "device to train on: cpu or cuda")
      ->capture_default_str();
  app.add_option("--threads", options_.threads, "threads to train with")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option(
         "--max-seconds", options_.max_seconds,
         "that the networks of tree are trained; then the best so far are taken; 0: no limit")
      ->check(CLI::NonNegativeNumber);
  app.add_option("--shots", command_.shots,
                 "so many groups of the test files are trained on and not tested")
      ->check(CLI::NonNegativeNumber);
  app.add_option_function<std::string>(
         "--seen", [this](const std::string&) { command_.seen_first = true; },
         "\"first\": the first plan of each test group is trained on, the others are tested")
      ->check(CLI::IsMember({"first"}));
  app.add_option_function<std::string>(
         "--without", [this](const std::string&) { options_.remember_rows = false; },
         "\"memory\": tree is trained without remembered rows, to see what they are worth")
      ->check(CLI::IsMember({"memory"}));
  app.add_flag("--json", command_.json, "print one JSON object per model and no table");
  app.footer(kExamples);
}

}  // namespace

std::unique_ptr<Command> make_evaluate_command() { return std::make_unique<CommandOfEvaluate>(); }

}  // namespace predictor::engine
