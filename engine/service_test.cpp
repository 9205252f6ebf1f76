// The service as its clients see it: a real server, over real TLS.
#include <gtest/gtest.h>

#include <fstream>
#include <stdexcept>

#include "engine/support_test.h"
#include "plan/predict.h"

namespace predictor::engine::test {
namespace {

namespace fs = std::filesystem;

class ServiceTest : public ::testing::Test {
 protected:
  Client connect(const std::string& name = "db1") {
    return Client(server_->address(), authority().client(name));
  }
  void start(const TemplateFactory& factory) { server_ = start_server(settings_, factory); }
  void restart(const TemplateFactory& factory) {
    EXPECT_TRUE(server_->stop());
    server_.reset();
    start(factory);
  }

  TemporaryDirectory data_;
  Settings settings_ = server_settings(data_.path());
  Gate gate_{false};
  std::unique_ptr<Server> server_;
};

TEST_F(ServiceTest, says_what_it_is) {
  start(gate_.factory());
  Client client = connect();
  EXPECT_EQ(client.get("/livez").json()["status"], "ok");
  EXPECT_EQ(client.get("/readyz").json()["status"], "ok");
  const nlohmann::json version = client.get("/v1/version").json();
  EXPECT_EQ(version["name"], "predictord");
  EXPECT_EQ(version["api"], 1);
  EXPECT_EQ(version["codec"], kCodecVersion);
  EXPECT_EQ(version["templates"], template_names());
  EXPECT_EQ(version["device"], "cpu");
}

TEST_F(ServiceTest, trains_and_hands_out_the_bundle) {
  if (!make_template("tree")) GTEST_SKIP() << "built without LibTorch";
  start(make_template);
  Client client = connect();
  const Reply submitted =
      client.submit(job_target(1, "&template=tree&seed=3&max_epochs=2"), sample_stream(60));
  EXPECT_EQ(submitted.status, 202) << submitted.body;
  EXPECT_EQ(submitted.json()["job"], uuid(1));

  const nlohmann::json job = await_job(client, uuid(1));
  ASSERT_EQ(job["state"], "done") << job;
  EXPECT_EQ(job["model"], uuid(1001));
  EXPECT_EQ(job["version"], 1);
  EXPECT_EQ(job["namespace"], "db1");
  EXPECT_EQ(job["seed"], 3);
  EXPECT_EQ(job["plans"], 60);
  EXPECT_EQ(job["device"], "cpu");
  for (const char* facts : {"validation", "baseline"}) {
    EXPECT_GE(job[facts]["q50"], 1.0) << job;
    EXPECT_GT(job[facts]["count"], 0) << job;
  }

  const Reply bundle = client.get("/v1/models/" + uuid(1001) + "/1/bundle");
  ASSERT_EQ(bundle.status, 200);
  EXPECT_EQ(bundle.headers.at("content-type"), "application/octet-stream");
  EXPECT_EQ(bundle.headers.at("x-content-sha256"), sha256_of(bundle.body));
  EXPECT_EQ(job["bundle"]["sha256"], sha256_of(bundle.body));
  EXPECT_EQ(job["bundle"]["size"], bundle.body.size());
  const std::vector<std::byte> aligned(
      reinterpret_cast<const std::byte*>(bundle.body.data()),
      reinterpret_cast<const std::byte*>(bundle.body.data() + bundle.body.size()));
  Model model;
  EXPECT_EQ(model.open(aligned, openssl_sha256), BundleStatus::kOk);

  const nlohmann::json models = client.get("/v1/models").json()["models"];
  ASSERT_EQ(models.size(), 1u);
  EXPECT_EQ(models[0]["versions"][0]["sha256"], job["bundle"]["sha256"]);
  EXPECT_EQ(client.request("DELETE", "/v1/models/" + uuid(1001) + "/1").status, 200);
  EXPECT_EQ(client.get("/v1/models/" + uuid(1001) + "/1/bundle").error_code(), "bundle_not_found");
  EXPECT_TRUE(fs::is_empty(data_.path() / "uploads" / "db1"));
}

TEST_F(ServiceTest, takes_a_chunked_upload_after_100_continue) {
  if (!make_template("tree")) GTEST_SKIP() << "built without LibTorch";
  start(make_template);
  Client client = connect();
  const std::string records = sample_stream(30);
  client.send("PUT " + job_target(1, "&max_epochs=1") +
              " HTTP/1.1\r\nHost: engine\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n"
              "Content-Type: application/vnd.predictor.records\r\nX-Content-SHA256: " +
              sha256_of(records) + "\r\n\r\n");
  EXPECT_EQ(client.receive().status, 100);
  // Pieces of every size, so that records are cut everywhere.
  for (size_t start = 0, size = 1; start < records.size(); start += size, size += 7) {
    size = std::min(size, records.size() - start);
    char length[32];
    std::snprintf(length, sizeof(length), "%zx\r\n", size);
    client.send(length + records.substr(start, size) + "\r\n");
  }
  client.send("0\r\n\r\n");
  EXPECT_EQ(client.receive().status, 202);
  EXPECT_EQ(await_job(client, uuid(1))["plans"], 30);
}

TEST_F(ServiceTest, refuses_uploads_that_are_not_right_and_keeps_nothing) {
  settings_.limits.upload_bytes = 1 << 20;
  start(gate_.factory());
  const std::string good = sample_stream(20);
  const auto refusal = [&](const std::string& target,
                           const std::map<std::string, std::string>& headers,
                           const std::string& body) {
    const Reply reply = connect().request("PUT", target, headers, body);
    return std::to_string(reply.status) + " " + reply.error_code();
  };
  const auto content_refusal = [&](const std::string& body) {
    const Reply reply = connect().submit(job_target(1), body);
    return std::to_string(reply.status) + " " + reply.error_code();
  };
  const std::string type = "application/vnd.predictor.records";
  const std::string sum = sha256_of(good);
  const std::string target = job_target(1);
  std::string damaged = good;
  damaged[kStreamHeaderSize + 1] = '\xff';
  std::string foreign = good;
  foreign[0] = 'X';

  EXPECT_EQ(content_refusal(good.substr(0, good.size() - 5)), "422 bad_records");
  EXPECT_EQ(content_refusal(good.substr(0, 7)), "422 bad_records");
  EXPECT_EQ(content_refusal(good.substr(0, kStreamHeaderSize)), "422 no_records");
  EXPECT_EQ(content_refusal(good + "x"), "422 bad_records");
  EXPECT_EQ(content_refusal(damaged), "422 bad_records");
  EXPECT_EQ(content_refusal(foreign), "422 bad_records");
  EXPECT_EQ(
      refusal(target, {{"Content-Type", type}, {"X-Content-SHA256", std::string(64, '0')}}, good),
      "422 checksum_mismatch");
  EXPECT_EQ(refusal(target, {{"Content-Type", type}}, good), "400 bad_checksum");
  EXPECT_EQ(refusal(target, {{"Content-Type", type}, {"X-Content-SHA256", "12"}}, good),
            "400 bad_checksum");
  EXPECT_EQ(refusal(target, {{"Content-Type", "text/plain"}, {"X-Content-SHA256", sum}}, good),
            "415 bad_content_type");
  EXPECT_EQ(refusal(target, {{"Content-Type", type}, {"X-Content-SHA256", sum}}, ""),
            "411 length_required");
  EXPECT_EQ(content_refusal(std::string((1 << 20) + 1, 'x')), "413 upload_too_large");
  EXPECT_EQ(connect().get("/v1/jobs").json()["jobs"].size(), 0u);
  for (const auto& entry : fs::recursive_directory_iterator(data_.path() / "uploads")) {
    ADD_FAILURE() << entry.path() << " is left";
  }
}

TEST_F(ServiceTest, counts_the_bytes_of_a_chunked_upload) {
  settings_.limits.upload_bytes = 4096;
  start(gate_.factory());
  Client client = connect();
  const std::string records = sample_stream(100);
  char length[32];
  std::snprintf(length, sizeof(length), "%zx\r\n", records.size());
  client.send("PUT " + job_target(1) +
              " HTTP/1.1\r\nHost: engine\r\nTransfer-Encoding: chunked\r\n"
              "Content-Type: application/vnd.predictor.records\r\nX-Content-SHA256: " +
              sha256_of(records) + "\r\n\r\n" + length + records + "\r\n0\r\n\r\n");
  EXPECT_EQ(client.receive().error_code(), "upload_too_large");
}

TEST_F(ServiceTest, refuses_bad_parameters_and_path_tricks) {
  start(gate_.factory());
  const std::string good = sample_stream(5);
  const auto put = [&](const std::string& target) {
    const Reply reply = connect().submit(target, good);
    return std::to_string(reply.status) + " " + reply.error_code();
  };
  const std::string job = "/v1/jobs/" + uuid(1);
  const std::string model = "?model=" + uuid(2);
  EXPECT_EQ(put("/v1/jobs/../../etc/passwd" + model + "&version=1"), "404 not_found");
  EXPECT_EQ(put("/v1/jobs/..%2f..%2fetc" + model + "&version=1"), "400 bad_job_id");
  EXPECT_EQ(put("/v1/jobs/" + uuid(1) + "x" + model + "&version=1"), "400 bad_job_id");
  EXPECT_EQ(put(job + "?model=..%2F..%2Fx&version=1"), "400 bad_parameter");
  EXPECT_EQ(put(job + model + "&version=0"), "400 bad_parameter");
  EXPECT_EQ(put(job + model + "&version=1e3"), "400 bad_parameter");
  EXPECT_EQ(put(job + model + "&version=99999999999"), "400 bad_parameter");
  EXPECT_EQ(put(job + model), "400 bad_parameter");
  EXPECT_EQ(put(job + "?version=1"), "400 bad_parameter");
  EXPECT_EQ(put(job + model + "&version=1&version=2"), "400 bad_parameter");
  EXPECT_EQ(put(job + model + "&version=1&colour=red"), "400 bad_parameter");
  EXPECT_EQ(put(job + model + "&version=1&max_epochs=-1"), "400 bad_parameter");
  EXPECT_EQ(put(job + model + "&version=1&template=none"), "400 unknown_template");
  EXPECT_EQ(put(job + model + "&version=1&namespace=..%2Fother"), "403 namespace_forbidden");
  EXPECT_EQ(put(job + model + "&version=%zz"), "400 bad_target");

  Client client = connect();
  EXPECT_EQ(client.get("/v1/models/../" + uuid(1) + "/bundle").error_code(), "bad_model");
  EXPECT_EQ(client.get("/v1/models/..%2f../1/bundle").error_code(), "bad_model");
  EXPECT_EQ(client.get("/v1/models/" + uuid(1) + "/-1/bundle").error_code(), "bad_version");
  EXPECT_EQ(client.get("/v1/jobs/" + uuid(9)).error_code(), "job_not_found");
  EXPECT_EQ(client.get("/etc/passwd").error_code(), "not_found");
  const Reply post = client.request("POST", "/v1/jobs");
  EXPECT_EQ(post.status, 405);
  EXPECT_EQ(post.headers.at("allow"), "GET");
}

TEST_F(ServiceTest, a_job_id_stands_for_one_job) {
  start(gate_.factory());
  Client client = connect();
  const std::string records = sample_stream(10);
  EXPECT_EQ(client.submit(job_target(1), records).status, 202);
  const Reply again = client.submit(job_target(1), records);
  EXPECT_EQ(again.status, 202);
  EXPECT_EQ(again.json()["job"], uuid(1));
  EXPECT_EQ(client.get("/v1/jobs").json()["jobs"].size(), 1u);
  EXPECT_EQ(connect().submit(job_target(1, "&seed=2"), records).error_code(), "job_exists");
  EXPECT_EQ(connect().submit(job_target(1), sample_stream(11)).error_code(), "job_exists");
  gate_.open();
  EXPECT_EQ(await_job(client, uuid(1))["state"], "done");
  const Reply late = client.submit(job_target(1), records);
  EXPECT_EQ(late.status, 202);
  EXPECT_EQ(late.json()["state"], "done");
}

TEST_F(ServiceTest, cancels_running_and_queued_jobs) {
  start(gate_.factory());
  Client client = connect();
  client.submit(job_target(1), sample_stream(10));
  client.submit(job_target(2), sample_stream(10));
  gate_.await_started(1);
  const Reply queued = client.request("DELETE", "/v1/jobs/" + uuid(2));
  EXPECT_EQ(queued.status, 200);
  EXPECT_EQ(queued.json()["state"], "cancelled");
  EXPECT_EQ(client.request("DELETE", "/v1/jobs/" + uuid(1)).status, 202);
  EXPECT_EQ(await_job(client, uuid(1))["state"], "cancelled");
  EXPECT_EQ(client.request("DELETE", "/v1/jobs/" + uuid(1)).status, 200);
  EXPECT_EQ(client.get("/v1/models/" + uuid(1001) + "/1/bundle").status, 404);
  EXPECT_TRUE(fs::is_empty(data_.path() / "uploads" / "db1"));

  gate_.open();
  client.submit(job_target(3), sample_stream(10));
  await_job(client, uuid(3));
  EXPECT_EQ(client.request("DELETE", "/v1/jobs/" + uuid(3)).error_code(), "job_finished");
}

// Says that it trains on a GPU; what is trained is up to the gate.
class GpuTrainer : public Trainer {
 public:
  explicit GpuTrainer(TemplateFactory factory) : trainer_(make_local_trainer(std::move(factory))) {}
  bool has_template(const std::string& name) const override { return trainer_->has_template(name); }
  Result<TrainingResult> train(const TrainingTask& task, const ProgressFunction& progress,
                               const std::atomic<bool>& stop) override {
    return trainer_->train(task, progress, stop);
  }
  DeviceCheck check_device(const std::string&, const std::atomic<bool>&) override {
    return {"cuda:0", 0, ""};
  }

 private:
  const std::unique_ptr<Trainer> trainer_;
};

TEST_F(ServiceTest, so_many_jobs_as_allowed_train_at_the_same_time_on_a_gpu_and_one_on_a_cpu) {
  settings_.training_concurrency = 2;
  Result<std::unique_ptr<Server>> server =
      Server::start(settings_, std::make_unique<GpuTrainer>(gate_.factory()));
  ASSERT_TRUE(server.ok());
  server_ = std::move(server.value());
  ASSERT_FALSE(server_->wait_ready());
  const auto running = [this] {
    int count = 0;
    const nlohmann::json list = connect().get("/v1/jobs").json();
    for (const nlohmann::json& job : list["jobs"]) count += job["state"] == "running";
    return count;
  };
  for (int number : {1, 2, 3}) connect().submit(job_target(number), sample_stream(10));
  gate_.await_started(2);
  EXPECT_EQ(running(), 2);
  EXPECT_EQ(connect().get("/v1/jobs/" + uuid(3)).json()["state"], "queued");
  EXPECT_EQ(connect().get("/v1/jobs/" + uuid(1)).json()["device"], "cuda:0");
  Gate second(false);
  restart(second.factory());
  second.await_started(1);
  EXPECT_EQ(running(), 1) << "on a CPU, whatever is set";
  second.open();
  for (int number : {1, 2, 3}) {
    Client client = connect();
    EXPECT_EQ(await_job(client, uuid(number))["state"], "done");
  }
}

TEST_F(ServiceTest, a_full_queue_says_when_to_come_back) {
  settings_.limits.queue = 1;
  start(gate_.factory());
  Client client = connect();
  client.submit(job_target(1), sample_stream(10));
  gate_.await_started(1);
  EXPECT_EQ(client.submit(job_target(2), sample_stream(10)).status, 202);
  const Reply refused = connect().submit(job_target(3), sample_stream(10));
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(refused.error_code(), "queue_full");
  EXPECT_GT(std::stoi(refused.headers.at("retry-after")), 0);
  EXPECT_EQ(connect().submit(job_target(2), sample_stream(10)).status, 202) << "is not a new job";
}

TEST_F(ServiceTest, a_failed_training_says_why) {
  class Failing : public Template {
    TrainingResult train(std::span<const OwnedRecord>, const TrainingOptions&,
                         const ProgressFunction&) const override {
      throw TrainingError("every plan is censored");
    }
  };
  start([](const std::string&) { return std::make_unique<Failing>(); });
  Client client = connect();
  client.submit(job_target(1), sample_stream(10));
  const nlohmann::json job = await_job(client, uuid(1));
  EXPECT_EQ(job["state"], "failed");
  EXPECT_EQ(job["error"]["code"], "training_failed");
  EXPECT_EQ(job["error"]["message"], "every plan is censored");
}

TEST_F(ServiceTest, unfinished_jobs_run_again_after_a_restart) {
  start(gate_.factory());
  {
    Client client = connect();
    client.submit(job_target(1), sample_stream(10));
    client.submit(job_target(2), sample_stream(10));
    gate_.await_started(1);
  }
  Gate open_gate(true);
  restart(open_gate.factory());
  Client client = connect();
  EXPECT_EQ(await_job(client, uuid(1))["state"], "done");
  EXPECT_EQ(await_job(client, uuid(2))["state"], "done");
  const nlohmann::json before = client.get("/v1/jobs/" + uuid(1)).json();
  restart(open_gate.factory());
  EXPECT_EQ(connect().get("/v1/jobs/" + uuid(1)).json(), before) << "finished jobs are remembered";
}

TEST_F(ServiceTest, a_damaged_bundle_is_set_aside) {
  Gate open_gate(true);
  start(open_gate.factory());
  Client client = connect();
  for (int number : {1, 2}) {
    client.submit(job_target(number), sample_stream(10));
    await_job(client, uuid(number));
  }
  const auto damage = [&](int number) {
    const fs::path path = data_.path() / "models" / "db1" / uuid(1000 + number) / "1.bundle";
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(-40, std::ios::end);
    file.write("damaged", 7);
    return path.string() + ".quarantined";
  };
  const std::string first = damage(1);
  const Reply reply = client.get("/v1/models/" + uuid(1001) + "/1/bundle");
  EXPECT_EQ(reply.status, 410);
  EXPECT_EQ(reply.error_code(), "bundle_corrupt");
  EXPECT_TRUE(fs::exists(first));
  EXPECT_EQ(client.get("/v1/models/" + uuid(1001) + "/1/bundle").status, 404);

  const std::string second = damage(2);
  restart(open_gate.factory());
  EXPECT_TRUE(fs::exists(second));
  EXPECT_EQ(connect().get("/v1/models").json()["models"].size(), 0u);
}

}  // namespace
}  // namespace predictor::engine::test
