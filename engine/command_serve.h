// command_serve.h - `predictord serve`, as far as others look into it: tests its settings.
#ifndef PREDICTOR_ENGINE_COMMAND_SERVE_H
#define PREDICTOR_ENGINE_COMMAND_SERVE_H

#include <map>
#include <string>

#include "engine/command.h"
#include "engine/settings.h"

namespace CLI {
class Option;
}

namespace predictor::engine {

class ServeCommand : public Command {
 public:
  void add_options(CLI::App& app) override;
  Failure complete() override;
  int threads() const override { return settings_.threads; }
  int run() override;

  const Settings& settings() const { return settings_; }
  // The settings as they would be if the process started now: the command line and the environment
  // are as they were, the file is read again.
  Result<Settings> read_settings() const;

 private:
  // What the command line and the environment give, by the setting's key.
  std::map<std::string, std::string> texts_;
  std::map<std::string, bool> switches_;
  std::map<std::string, CLI::Option*> options_;
  std::map<std::string, std::string> given_;  // of the above, what was really given
  std::string config_;
  Settings settings_;
};

}  // namespace predictor::engine

#endif
