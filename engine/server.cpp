#include "engine/server.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <future>
#include <thread>
#include <utility>  // Asio 1.74's awaitable.hpp needs it and does not include it
#include <vector>

#include "engine/files.h"
#include "engine/log.h"
#include "engine/session.h"

namespace predictor::engine {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

constexpr size_t kDiskThreads = 2;
constexpr size_t kLongThreads = 4;
constexpr size_t kModelCacheBytes = 128 << 20;
constexpr auto kTrainingPatience = std::chrono::seconds(10);
constexpr auto kAcceptPause = std::chrono::milliseconds(100);
constexpr auto kDay = std::chrono::hours(24);

Result<tcp::endpoint> resolve(asio::io_context& io, const std::string& listen) {
  const size_t colon = listen.rfind(':');
  std::string host = listen.substr(0, colon);
  if (colon == std::string::npos || host.empty() || colon + 1 == listen.size()) {
    return Error{"bad_setting", "listen must be HOST:PORT, not \"" + listen + "\""};
  }
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  }
  error_code error;
  tcp::resolver resolver(io);
  const auto found =
      resolver.resolve(host, listen.substr(colon + 1), tcp::resolver::passive, error);
  if (error || found.empty()) {
    return Error{"bad_setting", "cannot listen on \"" + listen + "\": " + error.message()};
  }
  return found.begin()->endpoint();
}

JobQueue::Bounds job_bounds(const Settings& settings) {
  return {settings.limits.queue, settings.limits.finished_jobs, settings.threads,
          settings.memory_mb};
}

std::string join(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

}  // namespace

struct Server::Parts {
  Parts(Settings chosen, std::unique_ptr<Trainer> who_trains)
      : settings(std::move(chosen)),
        trainer(std::move(who_trains)),
        store(settings.data_dir, settings.limits.versions),
        models(store, kModelCacheBytes),
        jobs({settings.data_dir, job_bounds(settings),
              [this](JobState state) { metrics.count_job(state); }},
             store, *trainer, slots),
        api({live_settings, store, jobs, models, status, [this] { return metrics.text(measure()); },
             metrics}),
        access(settings),
        context{live_settings, api,          opengauss, tls, access, metrics, disk,
                prediction,    long_running, {},        {},  {},     false} {}

  Failure open();
  void load();
  void start_jobs();
  Failure listen();
  void accept();
  void accepted(error_code error, tcp::socket socket);
  void watch_expiries();
  void end_io();
  Metrics::Snapshot measure();

  const Settings settings;  // as they were at the start; what needs a restart is read here
  LiveSettings live_settings{settings};
  File lock;  // of the data directory
  std::string address;

  Status status;
  Metrics metrics;
  TrainingSlots slots;
  const std::unique_ptr<Trainer> trainer;
  Store store;
  ModelCache models;
  JobQueue jobs;
  Api api;
  opengauss::Routes opengauss{live_settings, slots};
  ServerTls tls;
  Access access;
  Executor disk{kDiskThreads, settings.limits.disk_queue};
  Executor prediction{static_cast<size_t>(settings.predict_threads), settings.limits.predict_queue};
  Executor long_running{kLongThreads, 0};
  SessionContext context;
  // Its destruction destroys the sessions that are left, which refer to all of the above.
  asio::io_context io;
  tcp::acceptor acceptor{io};
  asio::steady_timer pause{io};
  asio::steady_timer day{asio::make_strand(io)};
  bool is_full = false;  // the connection limit was reached, and said so
  std::vector<std::thread> threads;
  std::thread loader;
  std::promise<Failure> loaded;
  std::shared_future<Failure> load_result = loaded.get_future().share();
  std::atomic<bool> is_stopping = false;
  bool is_stopped = false;
};

Failure Server::Parts::open() {
  if (Failure failure = make_directory(settings.data_dir)) return failure;
  Result<File> locked = lock_directory(settings.data_dir);
  if (!locked) return locked.error();
  lock = std::move(locked.value());
  return tls.load(settings);
}

// In a thread of its own.
void Server::Parts::load() {
  Failure failure = store.open();
  if (!failure) failure = jobs.open();
  if (!failure && !is_stopping) status.set_phase(Status::Phase::kReady);
  loaded.set_value(failure);
  if (!failure) start_jobs();
}

void Server::Parts::start_jobs() {
  const DeviceCheck device = trainer->check_device(settings.device, is_stopping);
  if (is_stopping) return;
  status.set_device(device);
  const bool is_gpu = device.device.starts_with("cuda");
  const size_t concurrency = is_gpu ? static_cast<size_t>(settings.training_concurrency) : 1;
  if (device.problem.empty()) {
    log_info("trainings run on " + device.device + "; its canary is off by " +
             std::to_string(device.worst_difference));
  } else {
    log_error("no training can run: " + device.problem);
  }
  slots.add(concurrency);
  jobs.start(device, concurrency);
}

Metrics::Snapshot Server::Parts::measure() {
  Metrics::Snapshot now;
  now.is_ready = status.phase() == Status::Phase::kReady;
  {
    const std::lock_guard guard(context.mutex);
    now.connections = context.sessions.size();
  }
  now.disk_tasks = disk.taken();
  now.prediction_tasks = prediction.taken();
  now.uploads = api.uploads();
  JobQueue::Load load = jobs.load();
  now.queued_jobs = load.waiting;
  now.running = std::move(load.running);
  store.measure(now.bundles, now.bundle_bytes);
  now.device = status.device().device;
  now.resident_bytes = resident_megabytes() << 20;
  now.certificates = tls.expiries();
  return now;
}

Failure Server::Parts::listen() {
  const Result<tcp::endpoint> endpoint = resolve(io, settings.listen);
  if (!endpoint) return endpoint.error();
  error_code error;
  acceptor.open(endpoint.value().protocol(), error);
  if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor.bind(endpoint.value(), error);
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error) {
    return Error{"listen_failed",
                 "cannot listen on \"" + settings.listen + "\": " + error.message()};
  }
  const tcp::endpoint bound = acceptor.local_endpoint(error);
  const std::string host = bound.address().to_string();
  address =
      (bound.address().is_v6() ? "[" + host + "]" : host) + ":" + std::to_string(bound.port());
  return std::nullopt;
}

// The acceptor is touched by one handler at a time: accept() starts the only one.
void Server::Parts::accept() {
  acceptor.async_accept(asio::make_strand(io), [this](error_code error, auto socket) {
    accepted(error, tcp::socket(std::move(socket)));
  });
}

void Server::Parts::accepted(error_code error, tcp::socket socket) {
  if (error == asio::error::operation_aborted || !acceptor.is_open()) return;
  if (error) {
    log_error("could not accept a connection: " + error.message());
    pause.expires_after(kAcceptPause);  // perhaps out of file descriptors: do not spin
    pause.async_wait([this](error_code cancelled) {
      if (!cancelled) accept();
    });
    return;
  }
  size_t count = 0;
  {
    const std::lock_guard guard(context.mutex);
    count = context.sessions.size();
  }
  if (count < live_settings.current()->limits.connections) {
    is_full = false;
    start_session(context, std::move(socket));
  } else if (!is_full) {
    is_full = true;
    metrics.count_refused_connection("limit");
    log_warning("refusing connections: " + std::to_string(count) +
                " are open; limits.connections allows no more");
  }
  accept();
}

// Says once a day what is about to end.
void Server::Parts::watch_expiries() {
  for (const std::string& warning : expiry_warnings(tls.expiries())) log_warning(warning);
  day.expires_after(kDay);
  day.async_wait([this](error_code cancelled) {
    if (!cancelled) watch_expiries();
  });
}

void Server::Parts::end_io() {
  io.stop();
  for (std::thread& thread : threads) thread.join();
  threads.clear();
  disk.join();
  prediction.join();
}

Server::Server(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

Server::~Server() { stop(); }

Result<std::unique_ptr<Server>> Server::start(Settings settings, std::unique_ptr<Trainer> trainer) {
  auto parts = std::make_unique<Parts>(std::move(settings), std::move(trainer));
  if (Failure failure = parts->open()) return *failure;
  if (Failure failure = parts->listen()) return *failure;
  parts->watch_expiries();
  parts->accept();
  for (int i = 0; i < parts->settings.io_threads; i++) {
    parts->threads.emplace_back([&io = parts->io] { io.run(); });
  }
  parts->loader = std::thread([&parts = *parts] { parts.load(); });
  log_info("listening on " + parts->address);
  return std::unique_ptr<Server>(new Server(std::move(parts)));
}

const std::string& Server::address() const { return parts_->address; }

std::vector<Expiry> Server::expiries() const { return parts_->tls.expiries(); }

Failure Server::reload(const Settings& wanted) {
  Parts& parts = *parts_;
  if (Failure failure = parts.tls.load(wanted)) return failure;
  std::vector<std::string> unchanged;
  const Settings settings = merge_settings(parts.settings, wanted, unchanged);
  parts.live_settings.replace(settings);
  parts.access.change(settings);
  parts.store.keep_versions(settings.limits.versions);
  parts.jobs.change(job_bounds(settings));
  renew_sessions(parts.context);
  asio::post(parts.day.get_executor(), [&parts] { parts.watch_expiries(); });
  log_info("SIGHUP: certificates and settings are read anew");
  if (!unchanged.empty()) {
    log_warning("these settings stay as they are until a restart: " + join(unchanged));
  }
  return std::nullopt;
}

Failure Server::wait_ready() { return parts_->load_result.get(); }

bool Server::stop() {
  Parts& parts = *parts_;
  if (parts.is_stopped) return true;
  parts.is_stopped = true;
  parts.is_stopping = true;
  parts.status.set_phase(Status::Phase::kStopping);
  parts.jobs.request_stop();
  parts.opengauss.request_stop();
  asio::post(parts.io, [&parts] {
    error_code ignored;
    parts.acceptor.close(ignored);
    parts.pause.cancel();
  });
  asio::post(parts.day.get_executor(), [&parts] { parts.day.cancel(); });
  drain_sessions(parts.context);
  {
    std::unique_lock guard(parts.context.mutex);
    const bool is_drained =
        parts.context.changed.wait_for(guard, parts.live_settings.current()->deadlines.drain,
                                       [&] { return parts.context.sessions.empty(); });
    if (!is_drained) {
      log_warning("ending with " + std::to_string(parts.context.sessions.size()) +
                  " connections still busy");
    }
  }
  parts.end_io();
  if (parts.loader.joinable()) parts.loader.join();
  return parts.jobs.wait_stopped(kTrainingPatience);
}

}  // namespace predictor::engine
