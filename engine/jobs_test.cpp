// The job queue and the store without the network: what is on disk, and what a restart makes of it.
#include "engine/jobs.h"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "engine/files.h"
#include "engine/json_text.h"
#include "engine/support_test.h"

namespace predictor::engine::test {
namespace {

namespace fs = std::filesystem;

class JobsTest : public ::testing::Test {
 protected:
  JobsTest() { slots_.add(1); }

  // A queue that does not train until start() is called.
  std::unique_ptr<JobQueue> open(size_t finished_jobs = 256, uint64_t memory_mb = 0) {
    store_ = std::make_unique<Store>(data_.path(), 2);
    EXPECT_FALSE(store_->open());
    auto queue = std::make_unique<JobQueue>(
        JobQueue::Options{data_.path(), {16, finished_jobs, 1, memory_mb}}, *store_, *trainer_,
        slots_);
    EXPECT_FALSE(queue->open());
    return queue;
  }

  Result<Job> submit(JobQueue& queue, int number, uint32_t version = 1) {
    const std::string records = sample_stream(5);
    const fs::path path = queue.arrivals_directory() / "arriving.tmp";
    std::ofstream(path, std::ios::binary) << records;
    JobRequest request;
    request.space = "db1";
    request.id = uuid(number);
    request.model = uuid(1000);
    request.version = version;
    request.template_name = "tree";
    request.sha256 = sha256_of(records);
    return queue.submit(request, 5, path);
  }

  Job await(JobQueue& queue, int number) {
    while (true) {
      const Result<Job> job = queue.find({"db1"}, uuid(number));
      if (!job || is_final(job.value().state)) return job.value();
      std::this_thread::yield();
    }
  }

  fs::path job_file(int number) const {
    return data_.path() / "jobs" / "db1" / (uuid(number) + ".json");
  }

  // As if the engine had died while the job was running.
  void pretend_death(int number, int attempts) {
    std::ifstream in(job_file(number));
    nlohmann::json job = nlohmann::json::parse(in);
    job["state"] = "running";
    job["attempts"] = attempts;
    ASSERT_FALSE(write_file(job_file(number), json_text(job)));
  }

  TemporaryDirectory data_;
  Gate gate_{true};
  std::unique_ptr<Trainer> trainer_ = make_local_trainer(gate_.factory());
  TrainingSlots slots_;
  std::unique_ptr<Store> store_;
};

TEST_F(JobsTest, a_job_interrupted_by_a_crash_runs_again) {
  ASSERT_TRUE(submit(*open(), 1).ok());
  pretend_death(1, 1);
  const auto queue = open();
  EXPECT_EQ(queue->find({"db1"}, uuid(1)).value().state, JobState::kQueued);
  queue->start({"cpu", 0, ""}, 1);
  const Job job = await(*queue, 1);
  EXPECT_EQ(job.state, JobState::kDone);
  EXPECT_EQ(job.attempts, 2);
}

TEST_F(JobsTest, a_job_that_kills_the_engine_is_given_up) {
  ASSERT_TRUE(submit(*open(), 1).ok());
  pretend_death(1, JobQueue::kMostAttempts);
  const auto queue = open();
  const Job job = queue->find({"db1"}, uuid(1)).value();
  EXPECT_EQ(job.state, JobState::kFailed);
  EXPECT_EQ(job.error->code, "engine_died");
}

TEST_F(JobsTest, lost_records_fail_the_job_and_orphans_are_removed) {
  ASSERT_TRUE(submit(*open(), 1).ok());
  const fs::path uploads = data_.path() / "uploads";
  fs::rename(uploads / "db1" / (uuid(1) + ".records"), uploads / "db1" / (uuid(2) + ".records"));
  std::ofstream(uploads / "arriving-1-1.tmp") << "half";
  const auto queue = open();
  EXPECT_EQ(queue->find({"db1"}, uuid(1)).value().error->code, "records_lost");
  EXPECT_TRUE(fs::is_empty(uploads / "db1"));
  EXPECT_FALSE(fs::exists(uploads / "arriving-1-1.tmp"));
}

TEST_F(JobsTest, a_damaged_job_file_is_set_aside) {
  ASSERT_TRUE(submit(*open(), 1).ok());
  std::ofstream(job_file(1)) << "{\"job\":";
  const auto queue = open();
  EXPECT_TRUE(queue->list({"db1"}).empty());
  EXPECT_TRUE(fs::exists(job_file(1).string() + ".quarantined"));
}

TEST_F(JobsTest, only_so_many_finished_jobs_are_remembered) {
  const auto queue = open(2);
  queue->start({"cpu", 0, ""}, 1);
  for (int number : {1, 2, 3}) {
    ASSERT_TRUE(submit(*queue, number).ok());
    while (fs::exists(data_.path() / "uploads" / "db1" / (uuid(number) + ".records"))) {
      std::this_thread::yield();
    }
  }
  EXPECT_EQ(await(*queue, 3).state, JobState::kDone);
  EXPECT_FALSE(queue->find({"db1"}, uuid(1)).ok());
  EXPECT_FALSE(fs::exists(job_file(1)));
  EXPECT_TRUE(queue->find({"db1"}, uuid(2)).ok());
}

TEST_F(JobsTest, the_memory_limit_fails_the_job) {
  const auto queue = open(256, 1);
  queue->start({"cpu", 0, ""}, 1);
  ASSERT_TRUE(submit(*queue, 1).ok());
  const Job job = await(*queue, 1);
  ASSERT_EQ(job.state, JobState::kFailed);
  EXPECT_EQ(job.error->code, "out_of_memory");
}

TEST_F(JobsTest, a_job_is_the_same_on_disk) {
  const auto queue = open();
  queue->start({"cpu", 0, ""}, 1);
  ASSERT_TRUE(submit(*queue, 1).ok());
  const nlohmann::json object = job_to_json(await(*queue, 1));
  const std::optional<Job> read = job_from_json(object);
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(job_to_json(*read), object);
  nlohmann::json nameless = object;
  nameless["namespace"] = "../other";
  EXPECT_FALSE(job_from_json(nameless).has_value());
}

TEST_F(JobsTest, the_store_keeps_the_newest_versions) {
  Store store(data_.path(), 2);
  ASSERT_FALSE(store.open());
  // The database may count from an earlier version after a restore: newest means latest made.
  for (uint32_t version : {7, 8, 3}) {
    ASSERT_TRUE(store.put({"db1", uuid(1), version}, sample_result().bundle, uuid(2)).ok());
    const int64_t made_at = unix_milliseconds();
    while (unix_milliseconds() == made_at) std::this_thread::yield();  // no two at the same time
  }
  EXPECT_FALSE(store.get({"db1", uuid(1), 7}).ok());
  EXPECT_TRUE(store.get({"db1", uuid(1), 8}).ok());
  EXPECT_TRUE(store.get({"db1", uuid(1), 3}).ok());
  const std::vector<std::byte> nonsense(100, std::byte{1});
  EXPECT_EQ(store.put({"db1", uuid(1), 9}, nonsense, "").error().code, "bad_bundle");

  Store again(data_.path(), 2);
  std::ofstream(data_.path() / "models" / "db1" / uuid(1) / "4.bundle.tmp") << "half";
  ASSERT_FALSE(again.open());
  EXPECT_EQ(again.list({"db1"}).size(), 2u);
  EXPECT_EQ(again.get({"db1", uuid(1), 3}).value().facts.job, uuid(2));
  EXPECT_FALSE(fs::exists(data_.path() / "models" / "db1" / uuid(1) / "4.bundle.tmp"));
}

}  // namespace
}  // namespace predictor::engine::test
