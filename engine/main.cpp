// main.cpp - predictord's entry: the environment that its libraries need, then the sub-command.
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <string>

#include "engine/command_line.h"

namespace predictor::engine {
namespace {

// OpenBLAS and OpenMP read their thread counts while they are loaded, before main(): if they are
// not what they should be, the program starts itself once more. More than one BLAS thread costs
// training a factor of 2 to 30 (both libraries spin on the same processors).
void ensure_thread_environment(int threads, char** argv) {
  static constexpr char kMark[] = "PREDICTORD_ENVIRONMENT_SET";
  const auto is_set = [](const char* name, const std::string& value) {
    const char* current = std::getenv(name);
    return current != nullptr && value == current;
  };
  const std::string wanted = std::to_string(threads);
  const bool is_right = is_set("OPENBLAS_NUM_THREADS", "1") && is_set("OMP_NUM_THREADS", wanted);
  if (!is_right && std::getenv(kMark) == nullptr) {
    ::setenv("OPENBLAS_NUM_THREADS", "1", 1);
    ::setenv("OMP_NUM_THREADS", wanted.c_str(), 1);
    ::setenv(kMark, "1", 1);
    ::execv("/proc/self/exe", argv);
    std::cerr << "predictord: could not restart with its own environment: " << std::strerror(errno)
              << "; training may be slow" << std::endl;
  }
  ::unsetenv(kMark);
}

}  // namespace
}  // namespace predictor::engine

int main(int argc, char** argv) {
  using namespace predictor::engine;
  const CommandLine line = read_command_line(argc, argv);
  if (!line.command) return line.exit_status;
  if (line.command->threads() > 0) ensure_thread_environment(line.command->threads(), argv);
  return line.command->run();
}
