// What clients may send that is wrong, from the first byte of TLS to the last node of a plan: each
// gets an error with a code and a message, nothing stays behind, and nobody else notices.
#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include <cmath>
#include <cstring>
#include <fstream>
#include <limits>
#include <random>
#include <stdexcept>
#include <thread>

#include "engine/prediction.h"
#include "engine/support_test.h"

namespace predictor::engine::test {
namespace {

namespace fs = std::filesystem;

class BadInputTest : public ::testing::Test {
 protected:
  void SetUp() override {
    settings_.deadlines.handshake = std::chrono::milliseconds(500);
    settings_.limits.predict_bytes = 64 << 20;
  }
  void start() {
    server_ = start_server(settings_, gate_.factory());
    Client client = connect();
    client.submit(job_target(1), sample_stream(10));
    await_job(client, uuid(1));
  }
  Client connect() { return Client(server_->address(), authority().client("db1")); }
  void expect_service_goes_on() { EXPECT_EQ(connect().get("/readyz").status, 200); }

  // "STATUS CODE" of an answer that must be a typed error with a message.
  static std::string error_of(const Reply& reply) {
    const nlohmann::json error = nlohmann::json::parse(reply.body, nullptr, false);
    if (!error.is_object() || error["error"].value("message", "").empty()) {
      return "no typed error: " + reply.body;
    }
    EXPECT_EQ(reply.headers.at("content-type"), "application/json");
    return std::to_string(reply.status) + " " + reply.error_code();
  }
  // The same of whatever the server makes of `text`.
  std::string answer_to(const std::string& text) {
    Client client = connect();
    client.send(text);
    return error_of(client.receive());
  }
  // The same of a stream, which a training and a prediction must take the same way.
  std::string answer_to_stream(const std::string& stream) {
    const std::string of_job = error_of(connect().submit(job_target(2), stream));
    const std::string of_prediction = error_of(connect().request(
        "POST", "/v1/predict?model=" + uuid(1001), {{"Content-Type", kRecordsType}}, stream));
    return of_job == of_prediction ? of_job : of_job + " and " + of_prediction;
  }

  TemporaryDirectory data_;
  Settings settings_ = server_settings(data_.path());
  Gate gate_{true};
  std::unique_ptr<Server> server_;
};

std::string random_bytes(size_t count) {
  std::mt19937 random(1);
  std::string bytes(count, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

// What is there that a client could make us keep.
size_t open_descriptors() {
  size_t count = 0;
  for ([[maybe_unused]] const auto& entry : fs::directory_iterator("/proc/self/fd")) count++;
  return count;
}

TEST_F(BadInputTest, garbage_instead_of_tls_ends_its_connection_alone) {
  start();
  const std::string record("\x16\x03\x01\x40\x00", 5);  // announces 16 kB of a handshake
  for (const std::string& text :
       {random_bytes(1), random_bytes(5000), record + random_bytes(100), record,
        record + "\x01" + random_bytes(20000), std::string(100, '\0'),
        std::string("SSH-2.0-OpenSSH_9.2p1\r\n")}) {
    const std::string answer = talk_plainly(server_->address(), text);
    // An alert, or nothing; in no case something in clear.
    EXPECT_TRUE(answer.empty() || answer[0] == '\x15') << answer;
  }
  expect_service_goes_on();
}

TEST_F(BadInputTest, garbage_instead_of_http_is_a_typed_error) {
  start();
  for (const char* text :
       {"\x01\x02\x03\r\n\r\n", "GET\r\n\r\n", "GET /livez\r\n\r\n", "GET /livez HTTP/9.9\r\n\r\n",
        "GET /livez HTTP/1.1\r\nno colon\r\n\r\n",
        "GET /livez HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        "GET /livez HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
        "GET /livez HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        "GET /livez HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST /v1/predict HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nno length\r\n\r\n"}) {
    const std::string answer = answer_to(text);
    // The last one is refused for what its header lacks, before its body is looked at.
    EXPECT_TRUE(answer == "400 bad_request" || answer == "415 bad_content_type")
        << text << ": " << answer;
  }
  const std::string upload = "PUT " + job_target(2) +
                             " HTTP/1.1\r\nHost: engine\r\nTransfer-Encoding: chunked\r\n"
                             "Content-Type: application/vnd.predictor.records\r\n"
                             "X-Content-SHA256: " +
                             std::string(64, '0') + "\r\n\r\n";
  EXPECT_EQ(answer_to(upload + "no length\r\nxx\r\n"), "400 bad_request");
  EXPECT_EQ(answer_to("GET /" + std::string(20000, 'x') + " HTTP/1.1\r\n\r\n"),
            "431 header_too_large");
  EXPECT_EQ(answer_to("GET livez HTTP/1.1\r\n\r\n"), "400 bad_target");
  EXPECT_EQ(answer_to("BREW /livez HTTP/1.1\r\n\r\n"), "405 method_not_allowed");
  expect_service_goes_on();
}

TEST_F(BadInputTest, a_body_that_ends_too_early_is_a_typed_error) {
  start();
  Client client = connect();
  client.send(
      "POST /v1/predict?model=" + uuid(1001) +
      " HTTP/1.1\r\nHost: engine\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n" +
      "{\"Plan\":");
  SSL_shutdown(client.tls());  // nothing more will come, but an answer is still read
  EXPECT_EQ(error_of(client.receive()), "400 bad_request");
}

TEST_F(BadInputTest, streams_of_another_format_or_version_are_refused) {
  start();
  const std::string good = sample_stream(3);
  EXPECT_EQ(answer_to_stream(""), "411 length_required");
  EXPECT_EQ(answer_to_stream(random_bytes(1000)), "422 bad_records");
  for (size_t at = 0; at < kStreamHeaderSize; at++) {  // magic, version, and what is left of it
    std::string changed = good;
    changed[at] = static_cast<char>(changed[at] + 1);
    EXPECT_EQ(answer_to_stream(changed), "422 bad_records") << at;
  }
  const Reply reply = connect().submit(job_target(2), "PGPRED" + std::string(100, '\xff'));
  EXPECT_NE(reply.body.find("codec version " + std::to_string(kCodecVersion)), std::string::npos)
      << reply.body;
  EXPECT_EQ(answer_to_stream(good.substr(0, good.size() - 1)), "422 bad_records");
  EXPECT_EQ(answer_to_stream(good.substr(0, kStreamHeaderSize)), "422 no_records");
  expect_service_goes_on();
}

TEST_F(BadInputTest, numbers_that_no_plan_has_are_refused) {
  start();
  const double infinity = std::numeric_limits<double>::infinity();
  for (const double number : {infinity, -infinity, -1.0}) {
    for (const auto field : {&PredictorNode::total_cost, &PredictorNode::startup_cost,
                             &PredictorNode::plan_rows, &PredictorNode::actual_rows,
                             &PredictorNode::actual_loops, &PredictorNode::actual_total}) {
      std::vector<OwnedRecord> records = sample_records(2);
      records[1].nodes[1].*field = number;
      EXPECT_EQ(answer_to_stream(stream_of(records)), "422 bad_records") << number;
    }
    std::vector<OwnedRecord> records = sample_records(2);
    records[1].statement.total_time = number;
    EXPECT_EQ(answer_to_stream(stream_of(records)), "422 bad_records") << number;
  }
  // Not a number stands for what is not known, and is one of the things that may be sent.
  std::vector<OwnedRecord> unknown = sample_records(2);
  unknown[1].nodes[1].total_cost = unknown[1].nodes[1].plan_rows = std::nan("");
  const Reply reply = connect().request("POST", "/v1/predict?model=" + uuid(1001),
                                        {{"Content-Type", kRecordsType}}, stream_of(unknown));
  ASSERT_EQ(reply.status, 200) << reply.body;
  const nlohmann::json answer = reply.json();
  for (const nlohmann::json& prediction : answer["predictions"]) {
    EXPECT_TRUE(prediction["total_ms"].is_number()) << prediction;
  }
}

TEST_F(BadInputTest, trees_that_are_none_are_refused) {
  start();
  // The parents of nodes in order; a node comes after its parent.
  for (const std::vector<int>& parents :
       std::vector<std::vector<int>>{{0, 0},        // the root is its own parent
                                     {-1, 1},       // a node is its own parent
                                     {-1, 2, 1},    // two nodes are each other's
                                     {1, 0},        // the same with the root
                                     {-1, -1},      // two roots
                                     {-1, 7},       // a parent that is not there
                                     {-1, 0, -2}})  // nor can be
  {
    std::vector<OwnedRecord> records = sample_records(2);
    records[1].nodes.resize(parents.size(), records[1].nodes[1]);
    for (size_t i = 0; i < parents.size(); i++) records[1].nodes[i].parent = parents[i];
    const std::string stream = stream_of(records);
    EXPECT_EQ(answer_to_stream(stream), "422 bad_records");
    EXPECT_NE(connect().submit(job_target(2), stream).body.find("record 2"), std::string::npos)
        << "and the message says where";
  }
}

TEST_F(BadInputTest, plans_of_a_million_nodes_are_refused) {
  start();
  // As records they are refused by what they claim, before the nodes are there.
  std::string claim = sample_stream(1);
  const auto length = static_cast<uint32_t>(encoded_size(1'000'000));
  std::memcpy(claim.data() + kStreamHeaderSize, &length, sizeof(length));
  EXPECT_EQ(answer_to_stream(claim), "422 bad_records");
  std::string json = R"({"Plan":{"Node Type":"Append","Plans":[)";
  for (int i = 0; i < 1'000'000; i++) {
    json += i == 0 ? R"({"Node Type":"Result"})" : R"(,{"Node Type":"Result"})";
  }
  EXPECT_EQ(error_of(connect().request("POST", "/v1/predict?model=" + uuid(1001),
                                       {{"Content-Type", kJsonType}}, json + "]}}")),
            "422 bad_plan");
  expect_service_goes_on();
}

TEST_F(BadInputTest, predictions_that_would_take_too_much_memory_together_are_refused) {
  settings_.limits.predict_memory_bytes = 500'000;
  start();
  constexpr size_t kFirst = 300'000, kSecond = 250'000;
  // How much of the first has arrived when the second comes is not known from here, so the one or
  // the other may be refused, or neither: asked again until it is the second.
  Reply refused;
  const auto is_second_refused = [&] {
    constexpr int kTries = 50;
    Client first = connect();
    first.send("POST /v1/predict?model=" + uuid(1001) +
               " HTTP/1.1\r\nHost: engine\r\nContent-Type: application/json\r\nContent-Length: " +
               std::to_string(kFirst) + "\r\n\r\n" + std::string(kFirst - 1, ' '));
    refused = {};
    for (int i = 0; i < kTries && refused.status != 503; i++)
      refused = connect().request("POST", "/v1/predict?model=" + uuid(1001),
                                  {{"Content-Type", kJsonType}}, std::string(kSecond, ' '));
    if (refused.status != 503) return false;
    try {
      first.send(" ");
      return error_of(first.receive()) == "422 bad_plan";
    } catch (const std::exception&) {
      return false;  // the first was refused, too, and its connection closed
    }
  };
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  bool done = false;
  while (!done && std::chrono::steady_clock::now() < end) done = is_second_refused();
  ASSERT_TRUE(done) << "the second is refused, and the first served";
  EXPECT_EQ(error_of(refused), "503 busy");
  EXPECT_EQ(refused.headers.at("retry-after"), "1");
}

TEST_F(BadInputTest, nothing_stays_of_bad_clients) {
  start();
  Client witness = connect();
  witness.get("/livez");
  const size_t before = open_descriptors();
  const std::string records = sample_stream(50);
  for (int round = 0; round < 10; round++) {
    talk_plainly(server_->address(), random_bytes(300));
    answer_to("nonsense\r\n\r\n");
    answer_to_stream(records.substr(0, records.size() / 2));
    Client vanishing = connect();
    vanishing.send("PUT " + job_target(2) + " HTTP/1.1\r\nHost: engine\r\nContent-Length: " +
                   std::to_string(records.size()) +
                   "\r\nContent-Type: application/vnd.predictor.records\r\nX-Content-SHA256: " +
                   sha256_of(records) + "\r\n\r\n" + records.substr(0, 100));
  }
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  const auto uploads_left = [this] {
    size_t files = 0;
    for (const auto& entry : fs::recursive_directory_iterator(data_.path() / "uploads")) {
      files += entry.is_regular_file();
    }
    return files;
  };
  while ((open_descriptors() > before || uploads_left() > 0) &&
         std::chrono::steady_clock::now() < end) {
    std::this_thread::yield();
  }
  EXPECT_EQ(open_descriptors(), before);
  EXPECT_EQ(uploads_left(), 0u);
  const std::string metrics = witness.get("/metrics").body;
  EXPECT_NE(metrics.find("predictord_connections 1\n"), std::string::npos) << metrics;
  EXPECT_NE(metrics.find("predictord_uploads 0\n"), std::string::npos) << metrics;
}

}  // namespace
}  // namespace predictor::engine::test
