// training.h - one training from a file of records to a result; the job queue and the command line
// share it. Every exception of a template ends here and comes out as an Error.
#ifndef PREDICTOR_ENGINE_TRAINING_H
#define PREDICTOR_ENGINE_TRAINING_H

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
  TrainingOptions options;
  uint64_t memory_mb = 0;  // resident memory of the process; 0: not limited
};

// Calls `progress` as model.h says, with the phase "loading" before; when it returns false, the
// error code is "cancelled". The memory limit is looked at whenever progress is reported, so that
// it ends a training that grows, and not one sudden large allocation.
Result<TrainingResult> run_training(const TrainingTask& task, const TemplateFactory& factory,
                                    const ProgressFunction& progress);

// Resident memory of this process in MB; 0 if it is not known.
uint64_t resident_megabytes();

}  // namespace predictor::engine

#endif
