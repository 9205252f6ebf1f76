// predictord as a process: how it starts, tells its port, and ends in every way.
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
namespace {

namespace fs = std::filesystem;

// The program is built beside the tests.
fs::path program() { return fs::read_symlink("/proc/self/exe").parent_path() / "predictord"; }

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
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
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

TEST_F(ProcessTest, sigterm_and_sigint_end_it_with_status_0) {
  for (int number : {SIGTERM, SIGINT}) {
    start();
    Client client = connect();
    EXPECT_EQ(client.get("/livez").status, 200);
    ::kill(process_, number);
    EXPECT_EQ(await_end(), 0) << log();
    EXPECT_TRUE(client.is_closed());
  }
}

TEST_F(ProcessTest, the_end_of_standard_input_ends_it_if_asked_for) {
  start({"--exit-with-stdin"});
  EXPECT_EQ(connect().get("/livez").status, 200);
  ::close(input_);
  input_ = -1;
  EXPECT_EQ(await_end(), 0) << log();
}

TEST_F(ProcessTest, sets_the_thread_counts_before_the_libraries_are_loaded) {
  start();
  std::ifstream file("/proc/" + std::to_string(process_) + "/environ");
  const std::string environment{std::istreambuf_iterator<char>(file), {}};
  EXPECT_NE(environment.find("OPENBLAS_NUM_THREADS=1"), std::string::npos);
  EXPECT_NE(environment.find("OMP_NUM_THREADS=1"), std::string::npos);
}

TEST_F(ProcessTest, a_job_survives_kill_9) {
  start();
  connect().submit(job_target(1, "&max_epochs=100000"), sample_stream(300));
  const auto state = [this] {
    return connect().get("/v1/jobs/" + uuid(1)).json()["state"].get<std::string>();
  };
  while (state() == "queued") std::this_thread::yield();
  EXPECT_EQ(state(), "running");
  ::kill(process_, SIGKILL);
  EXPECT_EQ(await_end(), -SIGKILL);
  ::close(input_);
  start();
  Client client = connect();
  EXPECT_EQ(client.get("/v1/jobs/" + uuid(1)).status, 200);
  client.request("DELETE", "/v1/jobs/" + uuid(1));
  EXPECT_EQ(await_job(client, uuid(1))["state"], "cancelled");
}

TEST_F(ProcessTest, a_running_training_does_not_delay_the_end) {
  start();
  connect().submit(job_target(1, "&max_epochs=100000"), sample_stream(300));
  ::kill(process_, SIGTERM);
  EXPECT_EQ(await_end(), 0) << log();
}

}  // namespace
}  // namespace predictor::engine::test
