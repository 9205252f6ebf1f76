// Certificates in the course of time: revoked, rotated, encrypted, ending; and which of a
// certificate's names is the client.
#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <fstream>
#include <stdexcept>

#include "engine/log.h"
#include "engine/passphrase.h"
#include "engine/support_test.h"
#include "engine/tls.h"

namespace predictor::engine::test {
namespace {

namespace fs = std::filesystem;

class TrustTest : public ::testing::Test {
 protected:
  void SetUp() override {
    fill_ca_directory(certificates_.path());
    settings_.ca_dir = certificates_.path();
  }
  void start() { server_ = start_server(settings_, gate_.factory()); }
  void put(const std::string& file, const std::string& content) {
    std::ofstream(certificates_.path() / file) << content;
  }
  std::string reload() {
    const Failure failure = server_->reload(settings_);
    return failure ? failure->message : "";
  }
  Client connect(const std::string& name = "db1") {
    return Client(server_->address(), authority().client(name));
  }
  // The error code of the answer, "in" without one, or what TLS says.
  std::string attempt(const std::string& identity) {
    try {
      const Reply reply = Client(server_->address(), identity).get("/livez");
      return reply.status == 200 ? "in" : reply.error_code();
    } catch (const std::runtime_error& problem) {
      return problem.what();
    }
  }
  std::string attempt_as(const std::string& name) { return attempt(authority().client(name)); }
  // Replaces the server's key by one that is encrypted with `passphrase`.
  void encrypt_key(const std::string& passphrase) {
    const std::string key = (certificates_.path() / "server.key").string();
    std::ofstream(key + ".pass") << passphrase;
    const std::string command = "openssl pkcs8 -topk8 -v2 aes-256-cbc -in " + key + " -out " + key +
                                ".new -passout file:" + key + ".pass && chmod 600 " + key +
                                ".new && mv " + key + ".new " + key;
    ASSERT_EQ(std::system(command.c_str()), 0);
  }
  std::string start_problem() {
    const Result<std::unique_ptr<Server>> server =
        Server::start(settings_, make_local_trainer(gate_.factory()));
    return server ? "started" : server.error().message;
  }

  TemporaryDirectory data_;
  TemporaryDirectory certificates_;
  Settings settings_ = server_settings(data_.path());
  Gate gate_{false};
  std::unique_ptr<Server> server_;
};

TEST_F(TrustTest, a_revoked_client_is_out_after_a_reload_and_others_are_not) {
  put("ca.crl", authority().revocation_list({}));
  start();
  Client idle = connect("lost");
  EXPECT_EQ(idle.get("/livez").status, 200);
  Client other = connect("db1");
  EXPECT_EQ(other.get("/livez").status, 200);
  EXPECT_NE(other.get("/metrics").body.find("name=\"revocation_list\"} "), std::string::npos)
      << "how long the list still lasts is watched";
  put("ca.crl", authority().revocation_list({"lost"}));
  EXPECT_EQ(reload(), "");
  EXPECT_TRUE(idle.is_closed()) << "a connection of before must not stay";
  EXPECT_EQ(other.get("/livez").status, 200) << "and everybody else's must";
  EXPECT_NE(attempt_as("lost").find("certificate revoked"), std::string::npos)
      << attempt_as("lost");
  EXPECT_EQ(attempt_as("db1"), "in");
}

// Whatever a handshake would look at, the second look must as well.
TEST_F(TrustTest, open_connections_end_where_no_new_one_would_be_let_in) {
  Authority next;
  put("ca.crt", read_text(authority().certificate()) + read_text(next.certificate()));
  settings_.client_purpose = ClientPurpose::kAny;
  start();
  Client of_the_old = connect("db1");
  Client of_the_next(server_->address(), next.client("db1"));
  Client silent(server_->address(), authority().leaf("silent", "", "DNS:silent.example"));
  for (Client* client : {&of_the_old, &of_the_next, &silent}) {
    EXPECT_EQ(client->get("/livez").status, 200);
  }
  settings_.client_purpose = ClientPurpose::kRequired;
  EXPECT_EQ(reload(), "");
  EXPECT_TRUE(silent.is_closed()) << "its certificate is made for nobody in particular";
  put("ca.crt", read_text(next.certificate()));
  EXPECT_EQ(reload(), "");
  EXPECT_TRUE(of_the_old.is_closed());
  EXPECT_EQ(of_the_next.get("/livez").status, 200);
  put("ca.crl", next.revocation_list({}, true));
  EXPECT_EQ(reload(), "");
  EXPECT_TRUE(of_the_next.is_closed()) << "a list that has ended lets nobody in";
}

TEST_F(TrustTest, a_reload_changes_settings_for_open_connections_too) {
  start();
  Client client = connect("db1");
  const std::string body(2000, 'x');
  EXPECT_EQ(client.request("GET", "/livez", {}, body).status, 200);
  settings_.limits.body_bytes = 1024;
  settings_.grants["db1"] = {"sales"};
  settings_.listen = "127.0.0.1:1";
  EXPECT_EQ(reload(), "");
  EXPECT_EQ(client.get("/v1/jobs?namespace=sales").status, 200);
  EXPECT_EQ(client.get("/v1/jobs?namespace=db1").error_code(), "namespace_forbidden");
  EXPECT_EQ(client.request("GET", "/livez", {}, body).error_code(), "body_too_large");
  settings_.grants = {{"db2", {"sales"}}};
  EXPECT_EQ(reload(), "");
  EXPECT_EQ(connect("db1").get("/v1/jobs").error_code(), "no_namespace");
}

TEST_F(TrustTest, a_reload_ends_no_request_that_is_being_served) {
  start();
  Client client = connect("db1");
  const std::string records = sample_stream(20);
  client.send("PUT " + job_target(1) +
              " HTTP/1.1\r\nHost: engine\r\nContent-Length: " + std::to_string(records.size()) +
              "\r\nExpect: 100-continue\r\nContent-Type: application/vnd.predictor.records\r\n"
              "X-Content-SHA256: " +
              sha256_of(records) + "\r\n\r\n");
  EXPECT_EQ(client.receive().status, 100);
  put("ca.crl", authority().revocation_list({}));
  EXPECT_EQ(reload(), "");
  client.send(records);
  EXPECT_EQ(client.receive().status, 202);
  EXPECT_EQ(client.get("/v1/jobs/" + uuid(1)).status, 200) << "on the same connection";
}

TEST_F(TrustTest, sessions_are_never_resumed) {
  start();
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    Client first(server_->address(), authority().client("db1"), version);
    EXPECT_EQ(first.get("/livez").status, 200);  // tickets would have come by now
    SSL_SESSION* session = SSL_get1_session(first.tls());
    EXPECT_EQ(SSL_SESSION_is_resumable(session), 0) << version;
    SSL_SESSION_free(session);
  }
}

TEST_F(TrustTest, a_revocation_list_that_has_ended_lets_nobody_in) {
  put("ca.crl", authority().revocation_list({}, true));
  start();
  EXPECT_NE(attempt_as("db1"), "in");
  const std::vector<std::string> warnings = expiry_warnings(server_->expiries());
  EXPECT_TRUE(std::any_of(warnings.begin(), warnings.end(), [](const std::string& warning) {
    return warning.find("ca.crl has expired") != std::string::npos &&
           warning.find("renew crl") != std::string::npos;
  }));
  put("ca.crl", authority().revocation_list({}));
  EXPECT_EQ(reload(), "");
  EXPECT_EQ(attempt_as("db1"), "in");
}

TEST_F(TrustTest, what_cannot_be_read_changes_nothing) {
  authority().client("lost");
  put("ca.crl", authority().revocation_list({"lost"}));
  start();
  put("ca.crl", "-----BEGIN X509 CRL-----\nrubbish\n-----END X509 CRL-----\n");
  EXPECT_NE(reload().find("could not read the revocation list"), std::string::npos) << reload();
  put("ca.crl", "");
  EXPECT_NE(reload().find("could not read the revocation list"), std::string::npos) << reload();
  fs::remove(certificates_.path() / "ca.crl");
  EXPECT_NE(reload().find("has gone"), std::string::npos) << reload();
  put("ca.crt", "");
  EXPECT_NE(reload(), "");
  EXPECT_NE(attempt_as("lost"), "in") << "the list of before still counts";
  EXPECT_EQ(attempt_as("db1"), "in");
}

TEST_F(TrustTest, authorities_overlap_while_one_takes_over_from_the_other) {
  start();
  Authority next;
  const std::string new_client = next.client("db1");
  EXPECT_NE(attempt(new_client), "in");
  const std::string old_authority = read_text(authority().certificate());
  put("ca.crt", old_authority + read_text(next.certificate()));
  put("ca.crl", authority().revocation_list({}) + next.revocation_list({}));
  EXPECT_EQ(reload(), "");
  EXPECT_EQ(attempt(new_client), "in");
  EXPECT_EQ(attempt_as("db1"), "in");
  put("ca.crl", authority().revocation_list({}));
  EXPECT_EQ(reload(), "");
  EXPECT_NE(attempt(new_client), "in") << "no list says that it is not revoked";
  put("ca.crt", read_text(next.certificate()));
  put("ca.crl", next.revocation_list({}));
  EXPECT_EQ(reload(), "");
  EXPECT_EQ(attempt(new_client), "in");
  EXPECT_NE(attempt_as("db1"), "in");
}

TEST_F(TrustTest, grants_change_with_a_reload) {
  start();
  EXPECT_EQ(connect("db1").get("/v1/jobs").status, 200);
  settings_.grants["db2"] = {"sales"};
  EXPECT_EQ(reload(), "");
  EXPECT_EQ(connect("db1").get("/v1/jobs").error_code(), "no_namespace");
  EXPECT_EQ(connect("db2").get("/v1/jobs").status, 200);
}

TEST_F(TrustTest, an_encrypted_key_needs_its_passphrase) {
  encrypt_key("Under ground 7");
  EXPECT_NE(start_problem().find("set passphrase_command"), std::string::npos) << start_problem();
  settings_.passphrase_command = "exit 3";
  EXPECT_NE(start_problem().find("exit status 3"), std::string::npos) << start_problem();
  settings_.passphrase_command = "echo wrong";
  EXPECT_NE(start_problem().find("could not use the private key"), std::string::npos);
  settings_.passphrase_command = "cat " + (certificates_.path() / "server.key.pass").string();
  start();
  EXPECT_EQ(attempt_as("db1"), "in");
  EXPECT_EQ(reload(), "");
}

TEST_F(TrustTest, the_passphrase_command_is_run_as_postgresql_runs_its_own) {
  const auto run = [](const std::string& command) {
    const Result<std::string> result =
        run_passphrase_command(command, "the prompt", std::chrono::seconds(10));
    return result ? result.value() : result.error().message;
  };
  EXPECT_EQ(run("echo '%p'"), "the prompt");
  EXPECT_EQ(run("printf '%%s\\r\\n' 'a b '"), "a b ");
  EXPECT_EQ(run("printf x"), "x");
  EXPECT_EQ(run("echo one; echo two"), "one");
  EXPECT_NE(run("echo %s").find("no other percent sign"), std::string::npos);
  EXPECT_NE(run("kill -9 $$").find("signal 9"), std::string::npos);
  EXPECT_NE(run("yes").find("printed too much"), std::string::npos);
  EXPECT_EQ(run("read line; echo \"<$line>\""), "<>") << "no terminal";
  const Result<std::string> late =
      run_passphrase_command("sleep 600 & wait", "", std::chrono::milliseconds(50));
  EXPECT_FALSE(late.ok());
}

TEST_F(TrustTest, which_name_counts_can_be_chosen) {
  const std::string both =
      authority().leaf("both_kinds", "clientAuth", "DNS:db.example,URI:spiffe://example/db");
  const std::string two =
      authority().leaf("two_of_a_kind", "clientAuth", "DNS:a.example,DNS:b.example");
  settings_.grants = {{"db.example", {"by_dns"}}, {"spiffe://example/db", {"by_uri"}}};
  start();
  EXPECT_EQ(attempt(both), "several_client_names");
  settings_.client_name = NameKind::kDns;
  EXPECT_EQ(reload(), "");
  Client by_dns(server_->address(), both);
  EXPECT_EQ(by_dns.get("/v1/jobs?namespace=by_dns").status, 200);
  EXPECT_EQ(attempt(two), "several_client_names");
  settings_.client_name = NameKind::kUri;
  EXPECT_EQ(reload(), "");
  Client by_uri(server_->address(), both);
  EXPECT_EQ(by_uri.get("/v1/jobs?namespace=by_uri").status, 200);
  EXPECT_EQ(by_uri.get("/v1/jobs?namespace=by_dns").error_code(), "namespace_forbidden");
  EXPECT_EQ(attempt(two), "no_client_name");
}

TEST_F(TrustTest, a_certificate_says_that_it_is_made_for_clients) {
  const std::string silent = authority().leaf("silent", "", "DNS:silent.example");
  start();
  EXPECT_NE(attempt(silent).find("unsupported certificate"), std::string::npos) << attempt(silent);
  settings_.client_purpose = ClientPurpose::kAny;
  EXPECT_EQ(reload(), "");
  EXPECT_EQ(attempt(silent), "in");
  EXPECT_NE(attempt(authority().leaf("server2", "serverAuth", "DNS:server2.example")), "in")
      << "one that is made for servers is none for clients";
}

TEST_F(TrustTest, refusals_are_logged_once_each_with_cause_and_cure) {
  const fs::path log = data_.path() / "log";
  open_log(log.string(), "info");
  authority().client("lost");
  put("ca.crl", authority().revocation_list({"lost"}));
  start();
  Authority other;
  attempt("");
  attempt(other.client("db1"));
  attempt(authority().client("lost"));
  attempt(authority().leaf("trust_old", "clientAuth", "DNS:old", "-1"));
  attempt(authority().leaf("server3", "serverAuth", "DNS:server3.example"));
  talk_plainly(server_->address(), "GET /livez HTTP/1.1\r\nHost: engine\r\n\r\n");
  EXPECT_EQ(attempt_as("db1"), "in");
  server_->stop();
  open_log("", "off");
  const std::string text = read_text(log);
  for (const char* expected :
       {"the client showed no certificate", "comes from an authority that is not in ca.crt",
        "is revoked", "has expired; give", "is not made for clients", "speaks plain HTTP"}) {
    const size_t at = text.find(expected);
    ASSERT_NE(at, std::string::npos) << expected << " in " << text;
    EXPECT_EQ(text.find(expected, at + 1), std::string::npos) << expected << " twice in " << text;
  }
  EXPECT_NE(text.find("\"CN=lost\" (serial number "), std::string::npos) << text;
}

TEST(ExpiryTest, days_are_counted_down_and_warned_of) {
  const std::time_t now = 1'700'000'000;
  const auto days = [now](std::time_t seconds) {
    return Expiry{"certificate", "server.crt", now + seconds}.days_left(now);
  };
  EXPECT_EQ(days(0), 0);
  EXPECT_EQ(days(86399), 0);
  EXPECT_EQ(days(86400), 1);
  EXPECT_EQ(days(-1), -1);
  EXPECT_EQ(days(-86401), -2);
  const auto warned = [now](std::time_t left) {
    return expiry_warnings({{"certificate", "server.crt", now + left * 86400}}, now).size();
  };
  EXPECT_EQ(warned(31), 0u);
  EXPECT_EQ(warned(29), 1u);
  EXPECT_EQ(warned(-3), 1u);
}

}  // namespace
}  // namespace predictor::engine::test
