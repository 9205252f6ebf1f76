// What must not happen: work that piles up, files that stay, clients that harm others.
#include <gtest/gtest.h>

#include <fstream>
#include <latch>
#include <thread>

#include "engine/api.h"
#include "engine/executor.h"
#include "engine/support_test.h"

namespace predictor::engine::test {
namespace {

namespace fs = std::filesystem;

class HardeningTest : public ::testing::Test {
 protected:
  void start() { server_ = start_server(settings_, gate_.factory()); }
  std::unique_ptr<Client> connect() {
    return std::make_unique<Client>(server_->address(), authority().client("db1"));
  }
  static std::string upload_header(int job, const std::string& records) {
    return "PUT " + job_target(job) +
           " HTTP/1.1\r\nHost: engine\r\nContent-Length: " + std::to_string(records.size()) +
           "\r\nContent-Type: application/vnd.predictor.records\r\nX-Content-SHA256: " +
           sha256_of(records) + "\r\n\r\n";
  }
  size_t arriving() const {
    size_t count = 0;
    for (const auto& entry : fs::directory_iterator(data_.path() / "uploads")) {
      count += entry.is_regular_file();
    }
    return count;
  }
  void await_arriving(size_t count) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (arriving() != count && std::chrono::steady_clock::now() < end) std::this_thread::yield();
    ASSERT_EQ(arriving(), count);
  }

  TemporaryDirectory data_;
  Settings settings_ = server_settings(data_.path());
  Gate gate_{true};
  std::unique_ptr<Server> server_;
};

TEST_F(HardeningTest, two_uploads_of_one_job_make_one_job) {
  start();
  const std::string records = sample_stream(20);
  const std::unique_ptr<Client> slow = connect();
  slow->send(upload_header(1, records) + records.substr(0, records.size() / 2));
  await_arriving(1);
  EXPECT_EQ(connect()->submit(job_target(1), records).status, 202);
  slow->send(records.substr(records.size() / 2));
  EXPECT_EQ(slow->receive().status, 202) << "the same job again is harmless";
  EXPECT_EQ(connect()->get("/v1/jobs").json()["jobs"].size(), 1u);
  await_arriving(0);
}

TEST_F(HardeningTest, a_client_that_vanishes_half_way_leaves_nothing) {
  settings_.limits.uploads = 1;
  start();
  const std::string records = sample_stream(20);
  {
    const std::unique_ptr<Client> client = connect();
    client->send(upload_header(1, records) + records.substr(0, records.size() / 2));
    await_arriving(1);
    EXPECT_EQ(connect()->submit(job_target(2), records).error_code(), "too_many_uploads");
  }
  await_arriving(0);
  EXPECT_EQ(connect()->submit(job_target(2), records).status, 202) << "its place is free again";
}

TEST_F(HardeningTest, a_body_that_drips_is_cut_off) {
  settings_.deadlines.body_idle = std::chrono::milliseconds(500);
  start();
  const std::string records = sample_stream(2000);
  const std::unique_ptr<Client> client = connect();
  client->send(upload_header(1, records));
  EXPECT_THROW(
      for (size_t i = 0; i < records.size(); i++) {
        client->send(records.substr(i, 1));  // well within body_idle, and far below 1 kB/s
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
      },
      std::runtime_error);
  await_arriving(0);
}

TEST_F(HardeningTest, foreign_files_in_the_store_are_set_aside) {
  const fs::path model = data_.path() / "models" / "db1" / uuid(7);
  fs::create_directories(model);
  for (const char* name : {"1.bundle", "readme", "0.bundle", "-1.bundle", "1e3.bundle"}) {
    std::ofstream(model / name) << "no bundle";
  }
  start();
  EXPECT_EQ(connect()->get("/v1/models").json()["models"].size(), 0u);
  for (const auto& entry : fs::directory_iterator(model)) {
    EXPECT_EQ(entry.path().extension(), ".quarantined") << entry.path();
  }
}

TEST_F(HardeningTest, a_store_of_another_version_is_refused) {
  std::ofstream(data_.path() / "format") << "predictord data 999\n";
  EXPECT_THROW(start(), std::runtime_error);
}

TEST(ExecutorTest, takes_what_fits_and_refuses_the_rest) {
  std::latch hold(1);
  std::atomic<int> done = 0;
  Executor executor(2, 3);
  for (int i = 0; i < 5; i++) {
    ASSERT_TRUE(executor.take()) << i;
    executor.post([&] {
      hold.wait();
      done++;
    });
  }
  EXPECT_FALSE(executor.take()) << "two threads and three places are taken";
  EXPECT_EQ(executor.taken(), 5u);
  hold.count_down();
  executor.join();
  EXPECT_EQ(done, 5);
  EXPECT_TRUE(executor.take());
}

// The store of this API is never loaded.
TEST(StatusTest, only_what_needs_no_store_is_answered_while_it_loads) {
  TemporaryDirectory data;
  const LiveSettings settings(server_settings(data.path()));
  const std::unique_ptr<Trainer> trainer = make_local_trainer(make_template);
  Store store(data.path(), 2);
  ModelCache models(store, 1);
  TrainingSlots slots;
  JobQueue jobs({data.path(), {1, 1, 1, 0}}, store, *trainer, slots);
  Status status;
  Metrics metrics;
  Api api({settings, store, jobs, models, status, [] { return std::string("text"); }, metrics});
  const Caller caller{"db1", {"db1"}};
  const auto ask = [&](const std::string& method, const std::string& target) {
    RequestHead head;
    head.method = method;
    head.target = target;
    return api.decide(caller, head).answer;
  };
  EXPECT_EQ(ask("GET", "/livez").status, 200);
  EXPECT_EQ(ask("GET", "/v1/version").status, 200);
  EXPECT_EQ(ask("GET", "/metrics").body, "text");
  EXPECT_EQ(ask("GET", "/readyz").status, 503);
  const Response jobs_answer = ask("GET", "/v1/jobs");
  EXPECT_EQ(jobs_answer.status, 503);
  EXPECT_NE(jobs_answer.body.find("\"starting\""), std::string::npos);
  EXPECT_EQ(jobs_answer.headers.at(0).first, "Retry-After");
  status.set_phase(Status::Phase::kReady);
  EXPECT_EQ(ask("GET", "/readyz").status, 200);
  EXPECT_EQ(ask("GET", "/v1/jobs").status, 200);
  status.set_phase(Status::Phase::kStopping);
  EXPECT_EQ(ask("GET", "/readyz").status, 503);
}

}  // namespace
}  // namespace predictor::engine::test
