// process_support_test.h - predictord as a process of its own, for the tests that need one.
#ifndef PREDICTOR_ENGINE_PROCESS_SUPPORT_TEST_H
#define PREDICTOR_ENGINE_PROCESS_SUPPORT_TEST_H

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <stdexcept>
#include <thread>

#include "engine/support_test.h"

namespace predictor::engine::test {

namespace fs = std::filesystem;

// The program is built beside the tests.
inline fs::path program() {
  return fs::read_symlink("/proc/self/exe").parent_path() / "predictord";
}

class ProcessTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!fs::exists(program())) GTEST_SKIP() << program() << " has not been built";
  }
  void TearDown() override {
    if (process_ > 0) {
      ::kill(process_, SIGKILL);
      ::waitpid(process_, nullptr, 0);
    }
    if (input_ >= 0) ::close(input_);
  }

  // Starts `predictord serve` with a pipe as its standard input, and waits until it listens.
  void start(std::vector<std::string> more = {}) {
    fs::remove(port_file_);
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    std::vector<std::string> arguments = {program(),     "serve",
                                          "--listen",    "127.0.0.1:0",
                                          "--data-dir",  data_.path() / "data",
                                          "--ca-dir",    authority().server_directory(),
                                          "--port-file", port_file_,
                                          "--threads",   "1",
                                          "--log-file",  data_.path() / "log"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    std::vector<char*> pointers;
    for (std::string& argument : arguments) pointers.push_back(argument.data());
    pointers.push_back(nullptr);
    process_ = ::fork();
    if (process_ == 0) {
      ::dup2(ends[0], STDIN_FILENO);
      ::execv(pointers[0], pointers.data());
      ::_exit(127);
    }
    ::close(ends[0]);
    input_ = ends[1];
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (!fs::exists(port_file_) && std::chrono::steady_clock::now() < end) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));  // between two looks
    }
    std::ifstream(port_file_) >> address_;
    ASSERT_NE(address_, "") << log();
  }

  // The exit status, or minus the signal that ended it.
  int await_end() {
    int status = 0;
    ::waitpid(process_, &status, 0);
    process_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }

  std::string log() {
    std::ifstream file(data_.path() / "log");
    return {std::istreambuf_iterator<char>(file), {}};
  }
  Client connect() { return Client(address_, authority().client("db1")); }

  TemporaryDirectory data_;
  const fs::path port_file_ = data_.path() / "port";
  pid_t process_ = -1;
  int input_ = -1;
  std::string address_;
};

}  // namespace predictor::engine::test

#endif
