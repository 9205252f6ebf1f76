// command.h - a sub-command of predictord. One file for each (command_NAME.cpp), all of them listed
// in command_line.cpp; adding one is its file, its line below and its line there.
//
// The command line is read into the object, complete() says what is missing, and run() does it.
#ifndef PREDICTOR_ENGINE_COMMAND_H
#define PREDICTOR_ENGINE_COMMAND_H

#include <memory>

#include "engine/error.h"

namespace CLI {
class App;
}

namespace predictor::engine {

inline constexpr int kUsageStatus = 2;  // exit status for a mistake on the command line

class Command {
 public:
  virtual ~Command() = default;
  // Adds the options with their help. `app` keeps pointers to members of this object.
  virtual void add_options(CLI::App& app) = 0;
  // After parsing: fills in what depends on other things. A failure is a mistake of the user's.
  virtual Failure complete() { return std::nullopt; }
  // Threads that LibTorch and BLAS may use; they must know before they are loaded. 0: none is used.
  virtual int threads() const { return 0; }
  // The exit status.
  virtual int run() = 0;
};

std::unique_ptr<Command> make_serve_command();
std::unique_ptr<Command> make_train_command();
std::unique_ptr<Command> make_evaluate_command();
std::unique_ptr<Command> make_train_worker_command();  // not for people
std::unique_ptr<Command> make_encode_command();
std::unique_ptr<Command> make_inspect_command();
std::unique_ptr<Command> make_version_command();

// Prints the error as predictord does; returns 1, the exit status for it.
int fail(const Error& error);

}  // namespace predictor::engine

#endif
