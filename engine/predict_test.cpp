// /v1/predict: the numbers are the runtime's own, and whatever else is sent is refused.
#include <gtest/gtest.h>

#include <cmath>

#include "engine/prediction.h"
#include "engine/support_test.h"

namespace predictor::engine::test {
namespace {

constexpr char kPlanJson[] =
    R"({"Plan": {"Node Type": "Sort", "Startup Cost": 9.5, "Total Cost": 10.0, "Plan Rows": 100,
        "Plan Width": 8, "Plans": [{"Node Type": "Seq Scan", "Relation Name": "t", "Alias": "t",
        "Parent Relationship": "Outer", "Startup Cost": 0.0, "Total Cost": 5.0, "Plan Rows": 100,
        "Plan Width": 8}]}})";

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

class PredictTest : public ::testing::Test {
 protected:
  void SetUp() override {
    settings_.limits.predict_plans = 50;
    settings_.limits.predict_bytes = 64 << 10;
    server_ = start_server(settings_, gate_.factory());
    Client client = connect();
    client.submit(job_target(1), sample_stream(10));
    await_job(client, uuid(1));
  }
  Client connect(const std::string& name = "db1") {
    return Client(server_->address(), authority().client(name));
  }
  Reply predict(const std::string& type, const std::string& body, const std::string& more = "") {
    return connect().request("POST", "/v1/predict?model=" + uuid(1001) + more,
                             {{"Content-Type", type}}, body);
  }

  TemporaryDirectory data_;
  Settings settings_ = server_settings(data_.path());
  Gate gate_{true};
  std::unique_ptr<Server> server_;
};

TEST_F(PredictTest, answers_as_the_runtime_does) {
  const Reply reply = predict(kRecordsType, sample_stream(3), "&version=1");
  ASSERT_EQ(reply.status, 200) << reply.body;
  const nlohmann::json answer = reply.json();
  EXPECT_EQ(answer["model"], uuid(1001));
  EXPECT_EQ(answer["version"], 1);
  ASSERT_EQ(answer["predictions"].size(), 3u);

  const std::vector<std::byte>& bundle = sample_result().bundle;
  const std::vector<std::byte> aligned(bundle.begin(), bundle.end());
  Model model;
  ASSERT_EQ(model.open(aligned, openssl_sha256), BundleStatus::kOk);
  const std::vector<OwnedRecord> records = sample_records(3);
  for (size_t i = 0; i < records.size(); i++) {
    std::vector<std::byte> workspace(model.workspace_size(2));
    NodePrediction nodes[2];
    PlanPrediction plan;
    model.predict(records[i].view(), workspace.data(), nodes, plan);
    const nlohmann::json& found = answer["predictions"][i];
    EXPECT_DOUBLE_EQ(found["total_ms"], plan.total_ms);
    EXPECT_DOUBLE_EQ(found["low_ms"], plan.low_ms);
    EXPECT_DOUBLE_EQ(found["high_ms"], plan.high_ms);
    EXPECT_EQ(found["source"], source_text(plan.source));
    ASSERT_EQ(found["nodes"].size(), 2u);
    EXPECT_FLOAT_EQ(found["nodes"][1]["rows"], nodes[1].rows);
    EXPECT_EQ(found["nodes"][1]["parent"], 0);
  }
}

TEST_F(PredictTest, takes_what_explain_prints) {
  const std::string one = kPlanJson;
  for (const std::string& body : {one, "[" + one + "]", " [ " + one + " ] "}) {
    const Reply reply = predict(kJsonType, body);
    ASSERT_EQ(reply.status, 200) << reply.body;
    ASSERT_EQ(reply.json()["predictions"].size(), 1u);
    EXPECT_GT(reply.json()["predictions"][0]["total_ms"], 0);
    EXPECT_EQ(reply.json()["predictions"][0]["nodes"].size(), 2u);
  }
  const Reply many = predict("application/json; charset=utf-8",
                             "[" + one + "," + one + "," + one + "]", "&nodes=false");
  ASSERT_EQ(many.json()["predictions"].size(), 3u) << many.body;
  EXPECT_FALSE(many.json()["predictions"][0].contains("nodes"));
}

TEST_F(PredictTest, the_newest_version_answers_unless_one_is_named) {
  Client client = connect();
  client.submit("/v1/jobs/" + uuid(2) + "?model=" + uuid(1001) + "&version=2", sample_stream(10));
  await_job(client, uuid(2));
  EXPECT_EQ(predict(kJsonType, kPlanJson).json()["version"], 2);
  EXPECT_EQ(predict(kJsonType, kPlanJson, "&version=1").json()["version"], 1);
  client.request("DELETE", "/v1/models/" + uuid(1001) + "/2");
  EXPECT_EQ(predict(kJsonType, kPlanJson).json()["version"], 1);
  EXPECT_EQ(predict(kJsonType, kPlanJson, "&version=2").error_code(), "bundle_not_found")
      << "also when it was in memory";
}

TEST_F(PredictTest, refuses_what_is_no_plan) {
  const auto refusal = [&](const std::string& type, const std::string& body,
                           const std::string& more = "") {
    const Reply reply = predict(type, body, more);
    return std::to_string(reply.status) + " " + reply.error_code();
  };
  EXPECT_EQ(refusal(kJsonType, "{"), "422 bad_plan");
  EXPECT_EQ(refusal(kJsonType, "[]"), "422 bad_plan");
  EXPECT_EQ(refusal(kJsonType, "nonsense"), "422 bad_plan");
  EXPECT_EQ(refusal(kJsonType, "{\"Plan\": 7}"), "422 bad_plan");
  EXPECT_EQ(refusal(kJsonType, std::string("[") + kPlanJson + ",]"), "422 bad_plan");
  EXPECT_EQ(refusal(kJsonType, std::string(30000, '[')), "422 bad_plan");
  std::string negative = kPlanJson;
  negative.replace(negative.find("10.0"), 4, "-1e9");
  EXPECT_EQ(refusal(kJsonType, negative), "422 bad_plan");
  std::string infinite = kPlanJson;
  infinite.replace(infinite.find("10.0"), 4, "1e999");
  EXPECT_EQ(refusal(kJsonType, infinite), "422 bad_plan");
  EXPECT_EQ(refusal(kRecordsType, "nonsense"), "422 bad_records");
  EXPECT_EQ(refusal(kRecordsType, sample_stream(51)), "413 too_many_plans");
  EXPECT_EQ(refusal(kRecordsType, std::string(65 << 10, 'x')), "413 body_too_large");
  EXPECT_EQ(refusal("text/plain", kPlanJson), "415 bad_content_type");
  EXPECT_EQ(refusal(kJsonType, ""), "411 length_required");
  EXPECT_EQ(refusal(kJsonType, kPlanJson, "&version=0"), "400 bad_parameter");
  EXPECT_EQ(refusal(kJsonType, kPlanJson, "&nodes=maybe"), "400 bad_parameter");
  EXPECT_EQ(refusal(kJsonType, kPlanJson, "&version=9"), "404 bundle_not_found");
  EXPECT_EQ(refusal(kJsonType, kPlanJson, "&namespace=db2"), "403 namespace_forbidden");
  const Reply foreign = connect("db2").request("POST", "/v1/predict?model=" + uuid(1001),
                                               {{"Content-Type", kJsonType}}, kPlanJson);
  EXPECT_EQ(foreign.error_code(), "bundle_not_found") << "another namespace's model";
  EXPECT_EQ(predict(kJsonType, kPlanJson).status, 200) << "and the service goes on";
}

TEST_F(PredictTest, metrics_tell_what_was_done) {
  predict(kJsonType, kPlanJson);
  predict(kJsonType, "nonsense");
  const Reply reply = connect().get("/metrics");
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.headers.at("content-type"), "text/plain; version=0.0.4; charset=utf-8");
  for (const char* line :
       {"predictord_ready 1", "predictord_predicted_plans_total 1", "predictord_bundles 1",
        "predictord_requests_total{method=\"POST\",route=\"/v1/predict\",status=\"200\"} 1",
        "predictord_requests_total{method=\"POST\",route=\"/v1/predict\",status=\"422\"} 1",
        "predictord_request_seconds_count{route=\"/v1/predict\"} 2",
        "predictord_jobs_total{state=\"done\"} 1", "predictord_device_info{device=\"cpu\"} 1",
        "predictord_queued_jobs 0", "predictord_resident_memory_bytes ",
        "predictord_certificate_days_left{file=\"server.crt\",name=\"certificate\"} "}) {
    EXPECT_NE(reply.body.find(line), std::string::npos) << line << "\n" << reply.body;
  }
}

// Without the network, so that every bit can be tried: an answer or a typed error, nothing else.
TEST(PredictionTest, a_flipped_bit_is_an_error_or_another_plan) {
  const std::string good = sample_stream(1);
  ServedModel served;
  served.name = {"db1", uuid(1), 1};
  served.bytes = AlignedBytes(sample_result().bundle);
  ASSERT_EQ(served.model.open(served.bytes.span(), openssl_sha256), BundleStatus::kOk);
  int refused = 0;
  for (size_t bit = 0; bit < good.size() * 8; bit++) {
    std::string flipped = good;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    const auto plans = read_plans(kRecordsType, bytes_of(flipped), 10);
    if (!plans) {
      EXPECT_TRUE(plans.error().code == "bad_records" || plans.error().code == "no_records");
      refused++;
      continue;
    }
    const nlohmann::json answer = predict_plans(served, plans.value(), true);
    const nlohmann::json& plan = answer["predictions"][0];
    EXPECT_TRUE(std::isfinite(plan["total_ms"].get<double>())) << bit;
    EXPECT_LE(plan["low_ms"], plan["high_ms"]) << bit;
  }
  EXPECT_GT(refused, 100);
}

TEST(PredictionTest, a_plan_of_too_many_nodes_is_refused) {
  std::string text = R"({"Plan": {"Node Type": "Append", "Total Cost": 1, "Plan Rows": 1,
                        "Plan Width": 1, "Startup Cost": 0, "Plans": [)";
  for (int i = 0; i < 1000000; i++)
    text += i == 0 ? R"({"Node Type":"Result"})" : R"(,{"Node Type":"Result"})";
  text += "]}}";
  EXPECT_EQ(read_plans(kJsonType, bytes_of(text), 10).error().code, "bad_plan");
}

}  // namespace
}  // namespace predictor::engine::test
