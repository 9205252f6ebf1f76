// support_test.h - what the tests of the service share: certificates, a TLS client that can also
// misbehave, records, and templates that do what a test tells them.
#ifndef PREDICTOR_ENGINE_SUPPORT_TEST_H
#define PREDICTOR_ENGINE_SUPPORT_TEST_H

#include <condition_variable>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "engine/model/model.h"
#include "engine/server.h"
#include "engine/settings.h"
#include "engine/training.h"

struct ssl_ctx_st;
struct ssl_st;

namespace predictor::engine::test {

// A directory that goes away with the object.
class TemporaryDirectory {
 public:
  TemporaryDirectory();
  ~TemporaryDirectory();
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// A certificate authority made with the openssl command, and what it has signed.
class Authority {
 public:
  Authority();
  // Makes NAME.crt and NAME.key once; `purpose` is serverAuth, clientAuth or empty, `names` as
  // OpenSSL's subjectAltName (empty: none). Returns the path without its ending.
  std::string leaf(const std::string& name, const std::string& purpose, const std::string& names,
                   const std::string& days = "10");
  std::string client(const std::string& name) { return leaf(name, "clientAuth", "DNS:" + name); }
  // A revocation list with the certificates that leaf() made under these names; `ended` makes one
  // whose time is over.
  std::string revocation_list(const std::vector<std::string>& names, bool ended = false);
  std::string certificate() const { return (directory_.path() / "ca.crt").string(); }
  // ca.crt, server.crt, server.key
  const std::filesystem::path& server_directory() const { return directory_.path(); }

 private:
  TemporaryDirectory directory_;
};

// The one that the tests' servers trust.
Authority& authority();

struct Reply {
  int status = 0;
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;

  nlohmann::json json() const { return nlohmann::json::parse(body); }
  std::string error_code() const { return json()["error"]["code"]; }
};

// A CA directory of a server, with copies of what authority() has made; it may be changed.
void fill_ca_directory(const std::filesystem::path& directory);
std::string read_text(const std::filesystem::path& file);

// One connection, blocking. Throws std::runtime_error for whatever goes wrong.
class Client {
 public:
  // `identity` is the path of certificate and key without ending; empty: no certificate.
  Client(const std::string& address, const std::string& identity, int most_tls_version = 0);
  ~Client();

  Reply request(const std::string& method, const std::string& target,
                const std::map<std::string, std::string>& headers = {},
                const std::string& body = "");
  Reply get(const std::string& target) { return request("GET", target); }
  Reply submit(const std::string& target, const std::string& records);

  void send(const std::string& text);
  Reply receive();
  // Whether the other side ends the connection before it sends anything more.
  bool is_closed();
  ssl_st* tls() { return tls_.get(); }

 private:
  bool receive_more();

  int socket_ = -1;
  std::unique_ptr<ssl_ctx_st, void (*)(ssl_ctx_st*)> context_;
  std::unique_ptr<ssl_st, void (*)(ssl_st*)> tls_;
  std::string received_;
};

// A plain TCP connection's answer to `text`, until it is closed.
std::string talk_plainly(const std::string& address, const std::string& text);

std::string sha256_of(const std::string& content);

// Executed plans of two nodes, and records as a codec stream.
std::vector<OwnedRecord> sample_records(int count);
std::string stream_of(const std::vector<OwnedRecord>& records);
std::string sample_stream(int count);
// What the template "cost" makes of a few records; trained once per process.
const TrainingResult& sample_result();

// Templates that hand out sample_result(), once the gate is open; until then they report progress.
class Gate {
 public:
  explicit Gate(bool is_open) : is_open_(is_open) {}
  TemplateFactory factory();
  void open();
  // Waits until so many trainings have begun.
  void await_started(int count);
  TrainingResult train(const ProgressFunction& progress);

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool is_open_;
  int started_ = 0;
};

// Settings for a server on a free port, with authority()'s certificates.
Settings server_settings(const std::filesystem::path& data_dir);

std::unique_ptr<Server> start_server(const Settings& settings, const TemplateFactory& factory);

// A UUID that ends in `number`.
std::string uuid(int number);
// /v1/jobs/... for job and model `number`.
std::string job_target(int number, const std::string& parameters = "");

// Asks until the job is in a final state, and returns it.
nlohmann::json await_job(Client& client, const std::string& job);

}  // namespace predictor::engine::test

#endif
