// worker_process.h - a child process that is spoken to in lines, and that never outlives us.
//
// Used by one thread, which must not end before the process does: the kernel kills the process when
// its thread of birth ends.
#ifndef PREDICTOR_ENGINE_WORKER_PROCESS_H
#define PREDICTOR_ENGINE_WORKER_PROCESS_H

#include <sys/types.h>

#include <chrono>
#include <string>
#include <vector>

#include "engine/error.h"
#include "engine/files.h"

namespace predictor::engine {

class WorkerProcess {
 public:
  // The child has the three standard streams and no other file of ours, and no signal blocked.
  static Result<WorkerProcess> start(const std::vector<std::string>& arguments);
  ~WorkerProcess();  // kills it if it is still there
  WorkerProcess(WorkerProcess&& other) noexcept;
  WorkerProcess& operator=(WorkerProcess&&) = delete;

  // One line to its standard input.
  Failure send(const std::string& line);
  void close_input() { input_.close(); }
  void kill();

  enum class Event { kLine, kTimeout, kEnd };
  // Waits for the next line of its standard output, without its end.
  Event next(std::string& line, std::chrono::milliseconds patience);

  // Waits for its end, which must be near; returns what waitpid() says.
  int wait();

 private:
  WorkerProcess(pid_t process, File input, File output)
      : process_(process), input_(std::move(input)), output_(std::move(output)) {}

  pid_t process_;
  File input_;
  File output_;
  std::string received_;
};

}  // namespace predictor::engine

#endif
