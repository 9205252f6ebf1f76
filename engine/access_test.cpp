// Who gets in, what he may touch, and what a bad neighbour can do to others.
#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include <stdexcept>

#include "engine/files.h"
#include "engine/support_test.h"

namespace predictor::engine::test {
namespace {

namespace fs = std::filesystem;

class AccessTest : public ::testing::Test {
 protected:
  void start() { server_ = start_server(settings_, gate_.factory()); }
  Client connect(const std::string& name = "db1") {
    return Client(server_->address(), authority().client(name));
  }
  // What the client of a refused connection gets to know.
  std::string refusal(const std::string& identity, int most_tls_version = 0) {
    try {
      Client client(server_->address(), identity, most_tls_version);
      const Reply reply = client.get("/livez");
      return "got in: " + reply.body;
    } catch (const std::runtime_error& problem) {
      return problem.what();
    }
  }
  void expect_service_goes_on() { EXPECT_EQ(connect().get("/livez").status, 200); }

  TemporaryDirectory data_;
  Settings settings_ = server_settings(data_.path());
  Gate gate_{false};
  std::unique_ptr<Server> server_;
};

TEST_F(AccessTest, refuses_connections_without_a_proper_certificate) {
  start();
  Authority other;
  EXPECT_NE(refusal("").find("certificate required"), std::string::npos) << refusal("");
  const std::string foreign = other.client("db1");
  EXPECT_NE(refusal(foreign).find("unknown ca"), std::string::npos) << refusal(foreign);
  const std::string server = authority().leaf("server", "serverAuth", "");
  EXPECT_NE(refusal(server).find("unsupported certificate"), std::string::npos) << refusal(server);
  const std::string expired = authority().leaf("old", "clientAuth", "DNS:old", "-1");
  EXPECT_NE(refusal(expired).find("certificate expired"), std::string::npos) << refusal(expired);
  expect_service_goes_on();
}

TEST_F(AccessTest, refuses_what_is_not_tls_1_2) {
  start();
  const std::string client = authority().client("db1");
  EXPECT_EQ(refusal(client, TLS1_1_VERSION).find("got in"), std::string::npos);
  EXPECT_NE(refusal(client, TLS1_2_VERSION).find("got in"), std::string::npos);
  EXPECT_EQ(talk_plainly(server_->address(), "GET /livez HTTP/1.1\r\nHost: engine\r\n\r\n")
                .find("HTTP/1.1 200"),
            std::string::npos);
  talk_plainly(server_->address(), std::string(1000, '\x16'));
  expect_service_goes_on();
}

TEST_F(AccessTest, a_client_needs_exactly_one_name) {
  start();
  const auto reply = [&](const std::string& file, const std::string& names) {
    return Client(server_->address(), authority().leaf(file, "clientAuth", names)).get("/livez");
  };
  EXPECT_EQ(reply("nameless", "").error_code(), "no_client_name");
  EXPECT_EQ(reply("address", "IP:127.0.0.1").error_code(), "no_client_name");
  const Reply several = reply("several", "DNS:a.example,DNS:b.example");
  EXPECT_EQ(several.status, 403);
  EXPECT_EQ(several.error_code(), "several_client_names");
  EXPECT_EQ(reply("upper", "DNS:DB9.Example,IP:127.0.0.1").status, 200);
}

TEST_F(AccessTest, a_uri_name_needs_a_granted_namespace) {
  const std::string identity =
      authority().leaf("uri", "clientAuth", "URI:spiffe://example/database");
  start();
  EXPECT_EQ(Client(server_->address(), identity).get("/v1/jobs").error_code(), "no_namespace");
  server_->stop();
  server_.reset();
  settings_.grants["spiffe://example/database"] = {"sales"};
  start();
  EXPECT_EQ(Client(server_->address(), identity).get("/v1/jobs").status, 200);
}

TEST_F(AccessTest, namespaces_are_shared_as_granted_and_closed_to_others) {
  settings_.grants = {{"primary", {"sales"}}, {"standby", {"sales"}}, {"both", {"sales", "shop"}}};
  gate_.open();
  start();
  Client primary = connect("primary");
  primary.submit(job_target(1), sample_stream(10));
  await_job(primary, uuid(1));
  EXPECT_EQ(connect("standby").get("/v1/models/" + uuid(1001) + "/1/bundle").status, 200);
  EXPECT_EQ(connect("both").get("/v1/jobs/" + uuid(1)).json()["namespace"], "sales");
  EXPECT_EQ(connect("both").get("/v1/jobs?namespace=shop").json()["jobs"].size(), 0u);
  EXPECT_EQ(connect("both").submit(job_target(2), sample_stream(10)).error_code(),
            "namespace_required");
  EXPECT_EQ(connect("both").submit(job_target(2, "&namespace=shop"), sample_stream(10)).status,
            202);
  EXPECT_EQ(primary.get("/v1/jobs/" + uuid(2)).error_code(), "job_not_found");
  EXPECT_EQ(primary.get("/v1/jobs?namespace=shop").error_code(), "namespace_forbidden");
  EXPECT_EQ(connect("stranger").get("/v1/jobs").error_code(), "no_namespace");
}

TEST_F(AccessTest, nobody_sees_another_name_s_jobs) {
  start();
  Client first = connect("db1");
  first.submit(job_target(1), sample_stream(10));
  Client second = connect("db2");
  EXPECT_EQ(second.get("/v1/jobs").json()["jobs"].size(), 0u);
  EXPECT_EQ(second.get("/v1/jobs/" + uuid(1)).status, 404);
  EXPECT_EQ(second.request("DELETE", "/v1/jobs/" + uuid(1)).status, 404);
  EXPECT_EQ(second.submit(job_target(1), sample_stream(10)).status, 202) << "another namespace";
}

TEST_F(AccessTest, stuck_clients_are_cut_off_and_cost_others_nothing) {
  settings_.io_threads = 1;
  settings_.deadlines.handshake = std::chrono::milliseconds(300);
  settings_.deadlines.header = std::chrono::milliseconds(300);
  settings_.deadlines.body_idle = std::chrono::milliseconds(300);
  start();
  Client header = connect();
  header.send("GET /livez HT");
  Client body = connect();
  body.send("PUT " + job_target(1) +
            " HTTP/1.1\r\nHost: engine\r\nContent-Length: 1000\r\n"
            "Content-Type: application/vnd.predictor.records\r\nX-Content-SHA256: " +
            std::string(64, '0') + "\r\n\r\nPGPRE");
  expect_service_goes_on();
  EXPECT_EQ(talk_plainly(server_->address(), "\x16"), "") << "handshake";
  EXPECT_TRUE(header.is_closed());
  EXPECT_TRUE(body.is_closed());
  EXPECT_EQ(connect().get("/v1/jobs").json()["jobs"].size(), 0u);
  for (const auto& entry : fs::directory_iterator(data_.path() / "uploads")) {
    ADD_FAILURE() << entry.path() << " is left";
  }
}

TEST_F(AccessTest, bad_http_is_answered_and_cut_off) {
  settings_.limits.header_bytes = 2048;
  start();
  Client garbage = connect();
  garbage.send("\x01\x02\x03 garbage\r\n\r\n");
  EXPECT_EQ(garbage.receive().status, 400);
  EXPECT_TRUE(garbage.is_closed());
  const Reply large = connect().request("GET", "/livez", {{"X-Large", std::string(4000, 'x')}});
  EXPECT_EQ(large.status, 431);
  EXPECT_EQ(large.error_code(), "header_too_large");
  Client body = connect();
  EXPECT_EQ(body.request("GET", "/livez", {}, std::string(100, 'x')).status, 200);
  EXPECT_EQ(body.request("GET", "/livez", {}, std::string(70000, 'x')).error_code(),
            "body_too_large");
  expect_service_goes_on();
}

TEST_F(AccessTest, the_connection_limit_holds) {
  settings_.limits.connections = 2;
  start();
  Client first = connect();
  EXPECT_EQ(first.get("/livez").status, 200);
  {
    Client second = connect();
    EXPECT_EQ(second.get("/livez").status, 200);
    EXPECT_THROW(connect().get("/livez"), std::runtime_error);
  }
  EXPECT_EQ(first.get("/livez").status, 200);
}

TEST_F(AccessTest, stopping_ends_idle_connections) {
  start();
  Client client = connect();
  EXPECT_EQ(client.get("/livez").status, 200);
  EXPECT_TRUE(server_->stop());
  EXPECT_TRUE(client.is_closed());
}

TEST_F(AccessTest, a_data_directory_serves_one_engine) {
  start();
  const Result<std::unique_ptr<Server>> second =
      Server::start(settings_, make_local_trainer(gate_.factory()));
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code, "data_dir_in_use");
}

TEST_F(AccessTest, bad_certificate_files_are_named) {
  TemporaryDirectory directory;
  settings_.ca_dir = directory.path();
  const auto problem = [&] {
    const Result<std::unique_ptr<Server>> server =
        Server::start(settings_, make_local_trainer(gate_.factory()));
    return server ? "started" : server.error().message;
  };
  EXPECT_NE(problem().find("server.crt"), std::string::npos) << problem();
  fill_ca_directory(directory.path());
  fs::permissions(directory.path() / "server.key", fs::perms(0644));
  EXPECT_NE(problem().find("has group or world access"), std::string::npos) << problem();
  fs::permissions(directory.path() / "server.key", fs::perms(0600));
  fs::copy_file(authority().client("db1") + ".crt", directory.path() / "server.crt",
                fs::copy_options::overwrite_existing);
  EXPECT_NE(problem().find("could not use the private key"), std::string::npos) << problem();
}

}  // namespace
}  // namespace predictor::engine::test
