// training_slots.h - how many trainings may run at the same time, whoever runs them. Thread-safe.
#ifndef PREDICTOR_ENGINE_TRAINING_SLOTS_H
#define PREDICTOR_ENGINE_TRAINING_SLOTS_H

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <mutex>

namespace predictor::engine {

class TrainingSlots {
 public:
  // There are none at first: how many is known when the device is.
  void add(size_t count) {
    const std::lock_guard lock(mutex_);
    free_ += count;
    changed_.notify_all();
  }

  // Waits for a slot; false, without one, as soon as `should_stop` says so (it is asked a few times
  // a second).
  bool acquire(const std::function<bool()>& should_stop) {
    std::unique_lock lock(mutex_);
    while (free_ == 0 && !should_stop()) changed_.wait_for(lock, std::chrono::milliseconds(100));
    if (should_stop()) return false;
    free_--;
    return true;
  }
  void release() { add(1); }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  size_t free_ = 0;
};

}  // namespace predictor::engine

#endif
