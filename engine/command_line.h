// command_line.h - what predictord was asked to do.
#ifndef PREDICTOR_ENGINE_COMMAND_LINE_H
#define PREDICTOR_ENGINE_COMMAND_LINE_H

#include <memory>
#include <string>

#include "engine/command.h"

namespace predictor::engine {

struct CommandLine {
  std::string name;                  // of the sub-command
  std::unique_ptr<Command> command;  // complete and ready to run; null: nothing is left to do
  int exit_status = 0;               // if so: help was printed, or the mistake was
};

CommandLine read_command_line(int argc, const char* const* argv);

}  // namespace predictor::engine

#endif
