// Trainings in processes of their own: what a worker does, and what its troubles do to the server.
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <thread>

#include "engine/process_support_test.h"
#include "engine/training_process.h"

namespace predictor::engine::test {
namespace {

// A training of this many plans goes on for as long as a test needs it to.
constexpr int kManyPlans = 6000;

class WorkerTest : public ProcessTest {
 protected:
  // The workers of the server, by /proc.
  std::set<pid_t> workers() {
    std::set<pid_t> found;
    const std::string task = "/proc/" + std::to_string(process_) + "/task/";
    for (const auto& thread : fs::directory_iterator(task)) {
      std::ifstream children(thread.path() / "children");
      for (pid_t child = 0; children >> child;) found.insert(child);
    }
    return found;
  }
  nlohmann::json job(int number) { return connect().get("/v1/jobs/" + uuid(number)).json(); }
  // Asks until the job is as wanted.
  nlohmann::json await(int number, const std::function<bool(const nlohmann::json&)>& is_wanted) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(120);
    nlohmann::json now;
    do {
      now = job(number);
      if (is_wanted(now)) return now;
      std::this_thread::sleep_for(std::chrono::milliseconds(20));  // between two questions
    } while (std::chrono::steady_clock::now() < end);
    throw std::runtime_error("the job stays as it is: " + now.dump() + log());
  }
  static bool has_epochs(const nlohmann::json& job) {
    return job.value("epoch", 0) >= 2 || is_over(job);
  }
  static bool is_over(const nlohmann::json& job) {
    return job["state"] != "queued" && job["state"] != "running";
  }
  void submit(int number, int plans = kManyPlans) {
    ASSERT_EQ(connect().submit(job_target(number), sample_stream(plans)).status, 202);
  }
  // The worker that trains; the one that tries the device is gone before a job begins.
  pid_t await_worker(int number) {
    await(number, has_epochs);
    const std::set<pid_t> found = workers();
    return found.size() == 1 ? *found.begin() : -1;
  }
};

TEST_F(WorkerTest, a_killed_server_takes_its_worker_along_and_goes_on_from_the_checkpoint) {
  start();
  submit(1);
  const nlohmann::json before = await(1, has_epochs);
  ASSERT_EQ(before["state"], "running") << before;
  const std::set<pid_t> orphans = workers();
  ASSERT_EQ(orphans.size(), 1u);
  ::kill(process_, SIGKILL);
  EXPECT_EQ(await_end(), -SIGKILL);
  ::close(input_);
  while (::kill(*orphans.begin(), 0) == 0) std::this_thread::yield();

  start();
  const nlohmann::json after =
      await(1, [](const nlohmann::json& now) { return now.value("epoch", 0) > 0 || is_over(now); });
  EXPECT_EQ(after["attempts"], 2);
  if (after["phase"] == before["phase"]) {
    EXPECT_GE(after["epoch"], before["epoch"]) << "no epoch is done twice";
  }
  connect().request("DELETE", "/v1/jobs/" + uuid(1));
  await(1, is_over);
  EXPECT_TRUE(fs::is_empty(data_.path() / "data" / "uploads" / "db1"))
      << "records and checkpoints are gone with the job";
}

TEST_F(WorkerTest, a_killed_worker_fails_its_job_and_nothing_else) {
  start();
  submit(1);
  submit(2, 40);
  const pid_t worker = await_worker(1);
  ASSERT_GT(worker, 0);
  ::kill(worker, SIGKILL);
  EXPECT_EQ(await(1, is_over)["error"]["code"], "out_of_memory");
  EXPECT_EQ(await(2, is_over)["state"], "done");

  submit(3);
  const pid_t crashing = await_worker(3);
  ASSERT_GT(crashing, 0);
  ::kill(crashing, SIGSEGV);
  const nlohmann::json crashed = await(3, is_over);
  EXPECT_EQ(crashed["error"]["code"], "training_crashed");
  EXPECT_NE(crashed["error"]["message"].get<std::string>().find("Segmentation"), std::string::npos);
  EXPECT_EQ(connect().get("/readyz").status, 200);
}

TEST_F(WorkerTest, a_stuck_worker_is_killed_when_its_job_is_cancelled) {
  start();
  submit(1);
  const pid_t worker = await_worker(1);
  ASSERT_GT(worker, 0);
  ::kill(worker, SIGSTOP);
  EXPECT_EQ(connect().request("DELETE", "/v1/jobs/" + uuid(1)).status, 202);
  EXPECT_EQ(await(1, is_over)["state"], "cancelled");
  EXPECT_TRUE(workers().empty());
}

// However long a phase takes; the bound of a second is the API's promise, with room for a machine
// that does other things.
TEST_F(WorkerTest, a_training_ends_soon_after_it_is_cancelled_in_every_phase) {
  const std::vector<std::string> phases = {"loading", "preparing", "calibrating"};
  start();
  for (size_t wanted = 0; wanted < phases.size(); wanted++) {
    const int number = static_cast<int>(wanted) + 1;
    submit(number, 100'000);
    // A phase that passed between two looks is none to wait for.
    const nlohmann::json before = await(number, [&](const nlohmann::json& now) {
      const auto phase = std::find(phases.begin(), phases.end(), now.value("phase", "none"));
      return now.contains("phase") && phase - phases.begin() >= static_cast<ptrdiff_t>(wanted);
    });
    ASSERT_EQ(before["state"], "running") << before;
    const auto asked = std::chrono::steady_clock::now();
    EXPECT_EQ(connect().request("DELETE", "/v1/jobs/" + uuid(number)).status, 202);
    EXPECT_EQ(await(number, is_over)["state"], "cancelled");
    EXPECT_LT(std::chrono::steady_clock::now() - asked, std::chrono::seconds(5)) << before;
    EXPECT_TRUE(workers().empty());
  }
}

TEST_F(WorkerTest, the_memory_limit_ends_a_training_clearly) {
  start({"--memory", "100"});  // less than LibTorch alone takes
  submit(1, 40);
  const nlohmann::json failed = await(1, is_over);
  EXPECT_EQ(failed["error"]["code"], "out_of_memory");
  EXPECT_NE(failed["error"]["message"].get<std::string>().find("100 MB"), std::string::npos);
  EXPECT_EQ(connect().get("/readyz").status, 200);
}

TEST_F(WorkerTest, the_same_seed_gives_the_same_bundle) {
  start();
  const std::string records = sample_stream(60);
  std::set<std::string> bundles;
  for (int number : {1, 2}) {
    ASSERT_EQ(connect().submit(job_target(number, "&seed=5&max_epochs=3"), records).status, 202);
    bundles.insert(await(number, is_over)["bundle"]["sha256"]);
  }
  EXPECT_EQ(bundles.size(), 1u);
  connect().submit(job_target(3, "&seed=6&max_epochs=3"), records);
  bundles.insert(await(3, is_over)["bundle"]["sha256"]);
  EXPECT_EQ(bundles.size(), 2u) << "and another seed another one";
}

TEST_F(WorkerTest, a_device_that_answers_late_is_asked_again) {
  WorkerOptions options;
  options.program = program();
  options.directory = data_.path();
  options.device_patience = std::chrono::milliseconds(1);  // no process starts so soon
  const std::atomic<bool> stop = false;
  const DeviceCheck check = make_process_trainer(options)->check_device("cpu", stop);
  EXPECT_EQ(check.problem, "");
  EXPECT_EQ(check.device, "cpu");
}

TEST_F(WorkerTest, a_device_that_is_not_there_fails_jobs_clearly) {
  start({"--device", "cuda:7"});
  submit(1, 40);
  const nlohmann::json failed = await(1, is_over);
  EXPECT_EQ(failed["error"]["code"], "device_failed");
  EXPECT_NE(failed["error"]["message"].get<std::string>().find("cuda:7"), std::string::npos);
  const nlohmann::json version = connect().get("/v1/version").json();
  EXPECT_TRUE(version.contains("device_problem")) << version;
}

}  // namespace
}  // namespace predictor::engine::test
