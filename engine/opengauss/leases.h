// leases.h - which model the next /predict of a client is about.
//
// openGauss's kernel says the model's name in one request, /model_setup, and sends the plan in
// another, /predict, on another connection and without anything that ties the two together but the
// client's name. So a setup leaves a lease for the client, and a predict takes the oldest. While
// all leases of a client are for one model it does not matter which session takes which; a setup
// for another model waits until they are taken or have run out. A client that vanishes in between
// leaves a lease that runs out by itself.
//
// Thread-safe.
#ifndef PREDICTOR_ENGINE_OPENGAUSS_LEASES_H
#define PREDICTOR_ENGINE_OPENGAUSS_LEASES_H

#include <chrono>
#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "engine/opengauss/models.h"

namespace predictor::engine::opengauss {

class Leases {
 public:
  using Clock = std::chrono::steady_clock;

  struct Options {
    std::chrono::milliseconds term = std::chrono::seconds(30);
    std::chrono::milliseconds patience = std::chrono::seconds(2);
    size_t per_client = 1000;
    int waiting = 4;  // setups that may wait at the same time, of all clients
  };

  explicit Leases(Options options) : options_(options) {}

  // False if leases for another model stayed for as long as patience lasts, or there are too many.
  bool grant(const std::string& client, const std::string& model,
             std::shared_ptr<const TrainedModel> trained);

  // The model of the client's oldest lease, which is used up; null if there is none.
  std::shared_ptr<const TrainedModel> take(const std::string& client);

 private:
  struct Lease {
    std::string model;
    std::shared_ptr<const TrainedModel> trained;
    Clock::time_point end;
  };

  bool has_room(const std::string& client, const std::string& model);
  void forget_expired();

  const Options options_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, std::deque<Lease>> leases_;  // by client; none is empty
  int waiting_ = 0;
};

}  // namespace predictor::engine::opengauss

#endif
