#include "engine/opengauss/leases.h"

#include <algorithm>

namespace predictor::engine::opengauss {

bool Leases::grant(const std::string& client, const std::string& model,
                   std::shared_ptr<const TrainedModel> trained) {
  std::unique_lock lock(mutex_);
  const Clock::time_point deadline = Clock::now() + options_.patience;
  forget_expired();
  if (!has_room(client, model)) {
    if (waiting_ >= options_.waiting) return false;
    waiting_++;
    while (!has_room(client, model) && Clock::now() < deadline) {
      changed_.wait_until(lock, std::min(deadline, leases_.at(client).front().end));
      forget_expired();
    }
    waiting_--;
    if (!has_room(client, model)) return false;
  }
  leases_[client].push_back({model, std::move(trained), Clock::now() + options_.term});
  return true;
}

std::shared_ptr<const TrainedModel> Leases::take(const std::string& client) {
  const std::lock_guard lock(mutex_);
  forget_expired();
  const auto found = leases_.find(client);
  if (found == leases_.end()) return nullptr;
  std::shared_ptr<const TrainedModel> trained = std::move(found->second.front().trained);
  found->second.pop_front();
  if (found->second.empty()) leases_.erase(found);
  changed_.notify_all();
  return trained;
}

bool Leases::has_room(const std::string& client, const std::string& model) {
  const auto found = leases_.find(client);
  return found == leases_.end() ||
         (found->second.front().model == model && found->second.size() < options_.per_client);
}

void Leases::forget_expired() {
  const Clock::time_point now = Clock::now();
  for (auto at = leases_.begin(); at != leases_.end();) {
    while (!at->second.empty() && at->second.front().end <= now) at->second.pop_front();
    at = at->second.empty() ? leases_.erase(at) : std::next(at);
  }
}

}  // namespace predictor::engine::opengauss
