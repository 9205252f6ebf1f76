// training.h - one training from a file of records to a result; the job queue and the command line
// share it. Every exception of a template ends here and comes out as an Error.
#ifndef PREDICTOR_ENGINE_TRAINING_H
#define PREDICTOR_ENGINE_TRAINING_H

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "engine/error.h"
#include "engine/model/model.h"

namespace predictor::engine {

// nullptr for an unknown name. make_template() in the program; tests may bring their own.
using TemplateFactory = std::function<std::unique_ptr<Template>(const std::string& name)>;

struct TrainingTask {
  std::filesystem::path records;
  std::string template_name = "tree";
  TrainingOptions options;            // `stop` and `checkpoints` are set by run_training()
  uint64_t memory_mb = 0;             // that the training may use; 0: not limited
  std::filesystem::path checkpoints;  // directory to keep them in; empty: none are kept
};

// Trains in this process. Calls `progress` as model.h says, with the phase "loading" before; when
// it returns false, or `stop` is set, the error code is "cancelled". A watch looks at the process's
// memory many times a second; a training that brings it beyond the limit ends with "out_of_memory".
Result<TrainingResult> run_training(const TrainingTask& task, const TemplateFactory& factory,
                                    const ProgressFunction& progress,
                                    const std::atomic<bool>& stop);

// Who trains for the job queue. Thread-safe: several trainings may run at the same time.
class Trainer {
 public:
  virtual ~Trainer() = default;
  virtual bool has_template(const std::string& name) const = 0;
  // Takes as long as the training; otherwise as run_training().
  virtual Result<TrainingResult> train(const TrainingTask& task, const ProgressFunction& progress,
                                       const std::atomic<bool>& stop) = 0;
  // Finds the device for a setting (auto, cpu, cuda:N) and tries it; see model.h.
  virtual DeviceCheck check_device(const std::string& wanted, const std::atomic<bool>& stop) = 0;
};

// In this process, on the CPU, with templates of one's own.
std::unique_ptr<Trainer> make_local_trainer(TemplateFactory factory);

// Resident memory of this process in MB; 0 if it is not known.
uint64_t resident_megabytes();

}  // namespace predictor::engine

#endif
