// status.h - how far the service's start has come. Thread-safe.
#ifndef PREDICTOR_ENGINE_STATUS_H
#define PREDICTOR_ENGINE_STATUS_H

#include <mutex>
#include <string>

#include "engine/model/model.h"

namespace predictor::engine {

class Status {
 public:
  enum class Phase { kLoading, kReady, kStopping };

  Phase phase() const {
    const std::lock_guard lock(mutex_);
    return phase_;
  }
  void set_phase(Phase phase) {
    const std::lock_guard lock(mutex_);
    phase_ = phase;
  }
  // "checking" as the device's name until it is known.
  DeviceCheck device() const {
    const std::lock_guard lock(mutex_);
    return device_;
  }
  void set_device(const DeviceCheck& device) {
    const std::lock_guard lock(mutex_);
    device_ = device;
  }

 private:
  mutable std::mutex mutex_;
  Phase phase_ = Phase::kLoading;
  DeviceCheck device_{"checking", 0, ""};
};

}  // namespace predictor::engine

#endif
