// command_version.cpp - `predictord version`.
#include <iostream>

#include "engine/command.h"
#include "engine/version.h"
#include "plan/bundle.h"
#include "plan/codec.h"

namespace predictor::engine {
namespace {

class VersionCommand : public Command {
 public:
  void add_options(CLI::App&) override {}
  int run() override {
    std::cout << "predictord " << kVersion << " (api " << kApiVersion << ", codec " << kCodecVersion
              << ", bundle " << kBundleVersion << ")" << std::endl;
    return 0;
  }
};

}  // namespace

std::unique_ptr<Command> make_version_command() { return std::make_unique<VersionCommand>(); }

}  // namespace predictor::engine
