// live_settings.h - the settings in force, which SIGHUP replaces. Thread-safe.
//
// Whoever works on a request takes them once and keeps them until it is done, so that no request
// sees two of them.
#ifndef PREDICTOR_ENGINE_LIVE_SETTINGS_H
#define PREDICTOR_ENGINE_LIVE_SETTINGS_H

#include <memory>
#include <mutex>
#include <utility>

#include "engine/settings.h"

namespace predictor::engine {

class LiveSettings {
 public:
  explicit LiveSettings(Settings settings)
      : settings_(std::make_shared<const Settings>(std::move(settings))) {}

  std::shared_ptr<const Settings> current() const {
    const std::lock_guard lock(mutex_);
    return settings_;
  }
  void replace(Settings settings) {
    auto next = std::make_shared<const Settings>(std::move(settings));
    const std::lock_guard lock(mutex_);
    settings_.swap(next);
  }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const Settings> settings_;
};

}  // namespace predictor::engine

#endif
