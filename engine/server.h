// server.h - the HTTPS service: listens, owns the connections, the store and the job queue.
//
// Threads: io_threads run the connections and never compute or touch the disk. What requests need
// of the disk, predictions and trainings have executors of their own (executor.h, jobs.h). One
// thread loads the store and tries the device at start; the connections are served meanwhile, with
// 503 where the store is needed. The process's signals are the sub-command's business.
#ifndef PREDICTOR_ENGINE_SERVER_H
#define PREDICTOR_ENGINE_SERVER_H

#include <memory>
#include <string>
#include <vector>

#include "engine/error.h"
#include "engine/settings.h"
#include "engine/tls.h"
#include "engine/training.h"

namespace predictor::engine {

class Server {
 public:
  // Locks the data directory, reads the certificates, listens and starts all threads.
  static Result<std::unique_ptr<Server>> start(Settings settings, std::unique_ptr<Trainer> trainer);
  ~Server();

  // "HOST:PORT" as it is bound.
  const std::string& address() const;

  // Takes certificates and settings as they are now, but for the settings that need a restart,
  // which the log names. Open connections stay, except those of clients that would not be let in
  // any more. After a failure everything is as it was.
  Failure reload(const Settings& wanted);

  // What of the certificates ends when.
  std::vector<Expiry> expiries() const;

  // Waits until the store is loaded; the reason if it cannot be.
  Failure wait_ready();

  // Stops to listen, lets requests in flight end within the drain deadline, interrupts the
  // training. False if the training did not stop in time: the process should then end at once;
  // nothing is lost by that.
  bool stop();

 private:
  struct Parts;
  explicit Server(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace predictor::engine

#endif
