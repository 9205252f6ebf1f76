// command_train.cpp - `predictord train`: one training without a server.
#include <CLI/CLI.hpp>
#include <iostream>
#include <nlohmann/json.hpp>

#include "engine/command.h"
#include "engine/files.h"
#include "engine/json_text.h"
#include "engine/training.h"
#include "engine/training_json.h"

namespace predictor::engine {
namespace {

constexpr char kExamples[] =
    "Example:\n"
    "  predictord train --input plans.bin --output model.bundle --seed 7\n"
    "Progress goes to standard error; facts about the result, in JSON, to standard output.";

class TrainCommand : public Command {
 public:
  void add_options(CLI::App& app) override {
    app.add_option("--input", task_.records, "file of records, as the codec writes them")
        ->required();
    app.add_option("--output", output_, "bundle to write")->required();
    app.add_option("--template", task_.template_name, "template to train")->capture_default_str();
    app.add_option("--seed", options_.seed, "seed of all random numbers")->capture_default_str();
    app.add_option("--max-epochs", options_.max_epochs, "epochs at most")
        ->check(CLI::PositiveNumber)
        ->capture_default_str();
    app.add_option("--threads", options_.threads, "threads to train with")
        ->check(CLI::PositiveNumber)
        ->capture_default_str();
    app.add_option("--device", options_.device, "what to train on: auto, cpu or cuda:N")
        ->capture_default_str();
    app.add_option("--checkpoints", task_.checkpoints,
                   "directory for checkpoints; a training that was cut off goes on from there");
    app.add_option("--memory", task_.memory_mb,
                   "MB of memory that the training may use; 0 is no limit")
        ->capture_default_str();
    app.footer(kExamples);
  }
  int threads() const override { return options_.threads; }
  int run() override;

 private:
  TrainingTask task_;
  TrainingOptions& options_ = task_.options;
  std::filesystem::path output_;
};

int TrainCommand::run() {
  const std::atomic<bool> stop = false;
  if (options_.device != "cpu") {
    const DeviceCheck check = check_device(options_.device);
    if (!check.problem.empty()) return fail(Error{"device_failed", check.problem});
    options_.device = check.device;
    std::cerr << "device " << check.device << ": its canary is off by " << check.worst_difference
              << std::endl;
  }
  Result<TrainingResult> result = run_training(
      task_, make_template,
      [](const auto& progress) {
        std::cerr << progress.phase << ": epoch " << progress.epoch << " of " << progress.max_epochs
                  << ", loss " << progress.loss << ", validation q50 " << progress.validation_q50
                  << std::endl;
        return true;
      },
      stop);
  if (!result) return fail(result.error());
  if (const Failure failure = write_file(output_, result.value().bundle)) return fail(*failure);
  nlohmann::json facts = result_to_json(result.value());
  facts["size"] = result.value().bundle.size();
  std::cout << json_text(facts) << std::endl;
  return 0;
}

}  // namespace

std::unique_ptr<Command> make_train_command() { return std::make_unique<TrainCommand>(); }

}  // namespace predictor::engine
