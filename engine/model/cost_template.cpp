#include "engine/model/cost_template.h"

#include <memory>

#include "engine/model/root_training.h"

namespace predictor::engine {

TrainingResult CostTemplate::train(std::span<const OwnedRecord> records,
                                   const TrainingOptions& options,
                                   const ProgressFunction& progress) const {
  RootTraining training("cost", records, options, progress);
  training.measure_cost();
  return training.finish();
}

}  // namespace predictor::engine
