// command_line.h - what predictord was asked to do: command line over environment over file.
#ifndef PREDICTOR_ENGINE_COMMAND_LINE_H
#define PREDICTOR_ENGINE_COMMAND_LINE_H

#include <cstdint>
#include <filesystem>
#include <string>

#include "engine/model/model.h"
#include "engine/settings.h"

namespace predictor::engine {

struct TrainCommand {
  std::filesystem::path input;
  std::filesystem::path output;
  std::string template_name = "tree";
  TrainingOptions options;
};

struct CommandLine {
  enum class Command { kNone, kServe, kTrain, kVersion };
  Command command = Command::kNone;
  Settings settings;    // for kServe, complete
  TrainCommand train;   // for kTrain
  int exit_status = 0;  // for kNone: help was printed, or the mistake was
};

CommandLine read_command_line(int argc, const char* const* argv);

}  // namespace predictor::engine

#endif
