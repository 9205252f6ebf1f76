#include "engine/support_test.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cmath>
#include <fstream>
#include <random>
#include <stdexcept>
#include <thread>

#include "engine/log.h"
#include "engine/sha256.h"
#include "engine/text.h"
#include "plan/operators.h"
#include "plan/signature.h"

namespace predictor::engine::test {
namespace {

namespace fs = std::filesystem;

constexpr int kPatienceSeconds = 20;  // of anything that a test waits for

class Environment : public ::testing::Environment {
 public:
  void SetUp() override {
    ::signal(SIGPIPE, SIG_IGN);
    open_log("", std::getenv("PREDICTORD_TEST_LOG") != nullptr ? "debug" : "off");
    // The tests cannot set OPENBLAS_NUM_THREADS before the library is loaded, as main() does.
    using SetThreads = void (*)(int);
    if (void* found = ::dlsym(RTLD_DEFAULT, "openblas_set_num_threads")) {
      reinterpret_cast<SetThreads>(found)(1);
    }
  }
};

[[maybe_unused]] ::testing::Environment* const environment =
    ::testing::AddGlobalTestEnvironment(new Environment);

void run(const std::string& command) {
  if (std::system((command + " >/dev/null 2>&1").c_str()) != 0) {
    throw std::runtime_error("this failed: " + command);
  }
}

int connect_to(const std::string& address) {
  const size_t colon = address.rfind(':');
  sockaddr_in peer{};
  peer.sin_family = AF_INET;
  peer.sin_port = htons(static_cast<uint16_t>(std::stoi(address.substr(colon + 1))));
  ::inet_pton(AF_INET, address.substr(0, colon).c_str(), &peer.sin_addr);
  const int descriptor = ::socket(AF_INET, SOCK_STREAM, 0);
  const timeval patience{kPatienceSeconds, 0};
  ::setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  ::setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
  if (::connect(descriptor, reinterpret_cast<sockaddr*>(&peer), sizeof(peer)) != 0) {
    ::close(descriptor);
    throw std::runtime_error("could not connect to " + address);
  }
  return descriptor;
}

[[noreturn]] void fail_tls(const std::string& what) {
  const char* reason = ERR_reason_error_string(ERR_peek_last_error());
  ERR_clear_error();
  throw std::runtime_error(what + ": " + (reason != nullptr ? reason : "connection ended"));
}

}  // namespace

TemporaryDirectory::TemporaryDirectory() {
  std::string pattern = (fs::temp_directory_path() / "predictord-test-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no temporary directory");
  path_ = pattern;
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

Authority::Authority() {
  const std::string directory = directory_.path().string();
  const std::string name = directory_.path().filename().string();  // no two are alike
  run("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 10"
      " -subj /CN=" +
      name + " -keyout " + directory + "/ca.key -out " + directory + "/ca.crt");
  leaf("server", "serverAuth", "IP:127.0.0.1");
}

std::string Authority::leaf(const std::string& name, const std::string& purpose,
                            const std::string& names, const std::string& days) {
  const std::string path = (directory_.path() / name).string();
  const std::string authority_path = (directory_.path() / "ca").string();
  if (fs::exists(path + ".crt")) return path;
  std::ofstream extensions(path + ".ext");
  if (!purpose.empty()) extensions << "extendedKeyUsage=" << purpose << "\n";
  if (!names.empty()) extensions << "subjectAltName=" << names << "\n";
  extensions.close();
  run("openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=" + name +
      " -keyout " + path + ".key -out " + path + ".csr && chmod 600 " + path + ".key");
  const std::string sign = "openssl x509 -req -in " + path + ".csr -CA " + authority_path +
                           ".crt -CAkey " + authority_path + ".key -CAcreateserial -extfile " +
                           path + ".ext -out " + path + ".crt";
  const std::string for_days = sign + " -days " + days;
  // Since 3.4 the command takes a time in the past only as a date, which 3.0 does not know.
  if (days.starts_with('-'))
    run("(" + sign + " -not_before 20200101000000Z -not_after 20200102000000Z 2>/dev/null || " +
        for_days + ")");
  else
    run(for_days);
  return path;
}

std::string Authority::revocation_list(const std::vector<std::string>& names, bool ended) {
  const fs::path index = directory_.path() / "index";
  const std::string list = (directory_.path() / "list.crl").string();
  const std::string serial = (directory_.path() / "serial").string();
  std::ofstream entries(index);
  for (const std::string& name : names) {
    run("openssl x509 -noout -serial -in " + (directory_.path() / name).string() + ".crt >" +
        serial + " && sed -i 's/.*=//' " + serial);
    std::string digits = read_text(serial);
    digits.pop_back();
    entries << "R\t300101000000Z\t200101000000Z\t" << digits << "\tunknown\t/CN=" << name << "\n";
  }
  entries.close();
  std::ofstream(directory_.path() / "list.conf")
      << "[ca]\ndefault_ca = a\n[a]\ndefault_md = sha256\ndatabase = " << index.string() << "\n";
  const std::string path = (directory_.path() / "ca").string();
  run("openssl ca -gencrl -config " + (directory_.path() / "list.conf").string() + " -cert " +
      path + ".crt -keyfile " + path + ".key -out " + list +
      (ended ? " -crl_lastupdate 20200101000000Z -crl_nextupdate 20200102000000Z"
             : " -crldays 100"));
  return read_text(list);
}

void fill_ca_directory(const fs::path& directory) {
  for (const char* file : {"ca.crt", "server.crt", "server.key"}) {
    fs::copy_file(authority().server_directory() / file, directory / file);
  }
}

std::string read_text(const fs::path& file) {
  std::ifstream content(file);
  return {std::istreambuf_iterator<char>(content), {}};
}

Authority& authority() {
  static Authority shared;
  return shared;
}

Client::Client(const std::string& address, const std::string& identity, int most_tls_version)
    : context_(SSL_CTX_new(TLS_client_method()), SSL_CTX_free), tls_(nullptr, SSL_free) {
  if (most_tls_version != 0) {
    SSL_CTX_set_security_level(context_.get(), 0);  // so that old versions are really offered
    SSL_CTX_set_min_proto_version(context_.get(), most_tls_version);
    SSL_CTX_set_max_proto_version(context_.get(), most_tls_version);
  }
  if (!identity.empty() &&
      (SSL_CTX_use_certificate_chain_file(context_.get(), (identity + ".crt").c_str()) != 1 ||
       SSL_CTX_use_PrivateKey_file(context_.get(), (identity + ".key").c_str(), SSL_FILETYPE_PEM) !=
           1)) {
    fail_tls("could not load " + identity);
  }
  SSL_CTX_load_verify_locations(context_.get(), authority().certificate().c_str(), nullptr);
  SSL_CTX_set_verify(context_.get(), SSL_VERIFY_PEER, nullptr);
  socket_ = connect_to(address);
  tls_.reset(SSL_new(context_.get()));
  SSL_set_fd(tls_.get(), socket_);
  ERR_clear_error();
  if (SSL_connect(tls_.get()) != 1) {
    ::close(socket_);
    fail_tls("handshake");
  }
}

Client::~Client() {
  tls_.reset();
  ::close(socket_);
}

void Client::send(const std::string& text) {
  ERR_clear_error();
  for (size_t sent = 0; sent < text.size();) {
    size_t count = 0;
    if (SSL_write_ex(tls_.get(), text.data() + sent, text.size() - sent, &count) != 1) {
      fail_tls("write");
    }
    sent += count;
  }
}

bool Client::receive_more() {
  char piece[16384];
  size_t count = 0;
  ERR_clear_error();
  if (SSL_read_ex(tls_.get(), piece, sizeof(piece), &count) != 1) return false;
  received_.append(piece, count);
  return true;
}

bool Client::is_closed() { return received_.empty() && !receive_more(); }

Reply Client::receive() {
  Reply reply;
  size_t end = 0;
  while ((end = received_.find("\r\n\r\n")) == std::string::npos) {
    if (!receive_more()) fail_tls("read");
  }
  for (const std::string& line : split(received_.substr(0, end), '\n')) {
    const size_t colon = line.find(": ");
    if (reply.status == 0) {
      reply.status = std::stoi(line.substr(line.find(' ')));
    } else if (colon != std::string::npos) {
      const size_t length = line.size() - (line.back() == '\r' ? 1 : 0);
      reply.headers[to_lower(line.substr(0, colon))] = line.substr(colon + 2, length - colon - 2);
    }
  }
  received_.erase(0, end + 4);
  const size_t length =
      reply.headers.count("content-length") ? std::stoul(reply.headers["content-length"]) : 0;
  while (received_.size() < length) {
    if (!receive_more()) fail_tls("read");
  }
  reply.body = received_.substr(0, length);
  received_.erase(0, length);
  return reply;
}

Reply Client::request(const std::string& method, const std::string& target,
                      const std::map<std::string, std::string>& headers, const std::string& body) {
  std::string text = method + " " + target + " HTTP/1.1\r\nHost: engine\r\n";
  for (const auto& [name, value] : headers) text += name + ": " + value + "\r\n";
  if (!body.empty() && headers.count("Transfer-Encoding") == 0) {
    text += "Content-Length: " + std::to_string(body.size()) + "\r\n";
  }
  send(text + "\r\n" + body);
  return receive();
}

Reply Client::submit(const std::string& target, const std::string& records) {
  return request("PUT", target,
                 {{"Content-Type", "application/vnd.predictor.records"},
                  {"X-Content-SHA256", sha256_of(records)}},
                 records);
}

std::string talk_plainly(const std::string& address, const std::string& text) {
  const int descriptor = connect_to(address);
  std::string answer;
  char piece[4096];
  ssize_t got = ::send(descriptor, text.data(), text.size(), MSG_NOSIGNAL);
  while (got > 0 && (got = ::recv(descriptor, piece, sizeof(piece), 0)) > 0) {
    answer.append(piece, static_cast<size_t>(got));
  }
  ::close(descriptor);
  return answer;
}

std::string sha256_of(const std::string& content) {
  return sha256_hex(std::as_bytes(std::span(content.data(), content.size())));
}

std::vector<OwnedRecord> sample_records(int count) {
  std::mt19937_64 random(7);
  std::uniform_real_distribution<double> size(0, 12);
  std::vector<OwnedRecord> records(static_cast<size_t>(count));
  for (OwnedRecord& record : records) {
    const uint64_t table = 1 + random() % 20;
    const double rows = std::exp(size(random));
    record.nodes.resize(2);
    record.nodes[0].op = PREDICTOR_OP_SORT;
    record.nodes[0].parent = -1;
    record.nodes[1].op = PREDICTOR_OP_SEQ_SCAN;
    record.nodes[1].relationship = PREDICTOR_REL_OUTER;
    record.nodes[1].relation = 1000 + table;
    record.nodes[1].constants = random();
    for (PredictorNode& node : record.nodes) {
      node.total_cost = rows * 0.02 * static_cast<double>(table);
      node.plan_rows = node.actual_rows = rows;
      node.plan_width = 16;
      node.actual_loops = 1;
      node.actual_startup = node.actual_total = node.actual_memory = NAN;
      node.flags = PREDICTOR_NODE_HAS_ROWS;
    }
    record.statement.finished_at = 1;
    record.statement.total_time = 0.05 + rows * 1e-4 * static_cast<double>(table);
    record.statement.planning_time = NAN;
    record.statement.work_mem = 4096;
    record.statement.command = PREDICTOR_COMMAND_SELECT;
    record.statement.instrumentation = PREDICTOR_INSTRUMENT_ROWS;
    PredictorRecord view = record.view();
    sign(view);
    record.statement = view.statement;
  }
  return records;
}

std::string stream_of(const std::vector<OwnedRecord>& records) {
  std::vector<std::byte> bytes(kStreamHeaderSize);
  encode_header(bytes.data());
  for (const OwnedRecord& record : records) {
    const size_t start = bytes.size();
    bytes.resize(start + encoded_size(static_cast<int>(record.nodes.size())));
    bytes.resize(start + encode_record(record.view(), std::span(bytes).subspan(start)));
  }
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::string sample_stream(int count) { return stream_of(sample_records(count)); }

const TrainingResult& sample_result() {
  static const TrainingResult result = [] {
    TrainingOptions options;
    options.max_epochs = 1;
    return make_template("cost")->train(sample_records(40), options,
                                        [](const TrainingProgress&) { return true; });
  }();
  return result;
}

namespace {

class GatedTemplate : public Template {
 public:
  explicit GatedTemplate(Gate& gate) : gate_(gate) {}
  TrainingResult train(std::span<const OwnedRecord>, const TrainingOptions&,
                       const ProgressFunction& progress) const override {
    return gate_.train(progress);
  }

 private:
  Gate& gate_;
};

}  // namespace

TemplateFactory Gate::factory() {
  sample_result();  // not while a client waits
  return [this](const std::string& name) -> std::unique_ptr<Template> {
    if (name != "tree") return nullptr;
    return std::make_unique<GatedTemplate>(*this);
  };
}

void Gate::open() {
  const std::lock_guard lock(mutex_);
  is_open_ = true;
  changed_.notify_all();
}

void Gate::await_started(int count) {
  std::unique_lock lock(mutex_);
  if (!changed_.wait_for(lock, std::chrono::seconds(kPatienceSeconds),
                         [&] { return started_ >= count; })) {
    throw std::runtime_error("no training has begun");
  }
}

TrainingResult Gate::train(const ProgressFunction& progress) {
  std::unique_lock lock(mutex_);
  started_++;
  changed_.notify_all();
  TrainingProgress state;
  state.phase = "training";
  state.max_epochs = 10;
  do {
    lock.unlock();
    state.epoch++;
    if (!progress(state)) throw TrainingCancelled();
    lock.lock();
    changed_.wait_for(lock, std::chrono::milliseconds(20), [this] { return is_open_; });
  } while (!is_open_);
  return sample_result();
}

Settings server_settings(const fs::path& data_dir) {
  Settings settings;
  settings.listen = "127.0.0.1:0";
  settings.data_dir = data_dir;
  settings.ca_dir = authority().server_directory();
  settings.threads = 1;
  return settings;
}

std::unique_ptr<Server> start_server(const Settings& settings, const TemplateFactory& factory) {
  Result<std::unique_ptr<Server>> server = Server::start(settings, make_local_trainer(factory));
  if (!server) throw std::runtime_error(server.error().message);
  if (const Failure failure = server.value()->wait_ready()) {
    throw std::runtime_error(failure->message);
  }
  return std::move(server.value());
}

std::string uuid(int number) {
  const std::string digits = std::to_string(number);
  return "00000000-0000-4000-8000-" + std::string(12 - digits.size(), '0') + digits;
}

std::string job_target(int number, const std::string& parameters) {
  return "/v1/jobs/" + uuid(number) + "?model=" + uuid(1000 + number) + "&version=1" + parameters;
}

nlohmann::json await_job(Client& client, const std::string& job) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(kPatienceSeconds);
  while (std::chrono::steady_clock::now() < end) {
    const Reply reply = client.get("/v1/jobs/" + job);
    if (reply.status != 200) throw std::runtime_error(reply.body);
    const std::string state = reply.json()["state"];
    if (state != "queued" && state != "running") return reply.json();
    std::this_thread::sleep_for(std::chrono::milliseconds(10));  // between two questions
  }
  throw std::runtime_error("job " + job + " does not end");
}

}  // namespace predictor::engine::test
