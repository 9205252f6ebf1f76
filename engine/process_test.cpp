// predictord as a process: how it starts, tells its port, and ends in every way.
#include "engine/process_support_test.h"

namespace predictor::engine::test {
namespace {

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
