// device_memory.h - what to do when a device's memory does not suffice. No Torch in here.
#ifndef PREDICTOR_ENGINE_MODEL_DEVICE_MEMORY_H
#define PREDICTOR_ENGINE_MODEL_DEVICE_MEMORY_H

#include <stdexcept>
#include <string>

#include "engine/model/tree_trainer.h"

namespace predictor::engine {

// The device, not the machine, has no memory left.
class DeviceMemoryError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

inline constexpr int kLeastBatchPlans = 8;

// Calls `attempt` with batches halved, and at last with the CPU, until the device's memory
// suffices; `options` is what it succeeded with, and `note` says what was done. On a CPU it gives
// up.
template <class Attempt>
void attempt_with_less_memory(TrainerOptions& options, std::string& note, const Attempt& attempt) {
  while (true) {
    try {
      attempt();
      return;
    } catch (const DeviceMemoryError&) {
      if (options.device == "cpu") throw;
    }
    if (options.batch_plans / 2 >= kLeastBatchPlans) {
      options.batch_plans /= 2;
      note = options.device + " ran out of memory; batches of " +
             std::to_string(options.batch_plans) + " plans were used";
    } else {
      note = options.device + " ran out of memory; the CPU was used";
      options.device = "cpu";
    }
  }
}

}  // namespace predictor::engine

#endif
