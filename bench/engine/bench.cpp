// bench.cpp - the engine's budgets, measured on a server of its own: real TLS over loopback, one
// processor for the server and another for the client. Comparisons take turns round by round, so
// that what else the machine does meets both sides.
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cmath>
#include <cstring>
#include <fstream>
#include <stdexcept>
#include <thread>

#include "bench/engine/statistics.h"
#include "engine/support_test.h"
#include "plan/operators.h"
#include "plan/signature.h"

namespace predictor::bench {
namespace {

namespace fs = std::filesystem;
using namespace engine::test;
using Clock = std::chrono::steady_clock;

constexpr int kRounds = 12;
constexpr int kRequests = 2000;  // of each measurement: a p99 of fewer is noise
constexpr int kIdle = 400;
constexpr int kLoris = 50;
constexpr int kModels = 100;
constexpr int kStarts = 7;
constexpr int kPlans = 10000;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

void pin(pid_t process, int processor) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(processor, &set);
  sched_setaffinity(process, sizeof(set), &set);
}

// A field of /proc/PROCESS/status in MB; 0 if the process is gone.
double memory_of(pid_t process, const char* field) {
  std::ifstream status("/proc/" + std::to_string(process) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(field)) return std::stod(line.substr(std::strlen(field))) / 1024;
  }
  return 0;
}

// Ten nodes: an aggregate over a sort over joins of scans, of varying size.
std::vector<OwnedRecord> ten_node_plans(int count) {
  std::mt19937_64 random(3);
  std::uniform_real_distribution<double> size(0, 10);
  std::vector<OwnedRecord> plans(static_cast<size_t>(count));
  constexpr int kParents[10] = {-1, 0, 1, 2, 2, 4, 3, 3, 7, 8};
  constexpr PredictorOperator kOperators[10] = {
      PREDICTOR_OP_AGGREGATE, PREDICTOR_OP_SORT,     PREDICTOR_OP_HASH_JOIN, PREDICTOR_OP_HASH_JOIN,
      PREDICTOR_OP_HASH,      PREDICTOR_OP_SEQ_SCAN, PREDICTOR_OP_SEQ_SCAN,  PREDICTOR_OP_HASH,
      PREDICTOR_OP_SORT,      PREDICTOR_OP_SEQ_SCAN};
  for (OwnedRecord& plan : plans) {
    const double rows = std::exp(size(random));
    plan.nodes.resize(10);
    for (int i = 0; i < 10; i++) {
      PredictorNode& node = plan.nodes[static_cast<size_t>(i)];
      node.op = static_cast<uint16_t>(kOperators[i]);
      node.parent = kParents[i];
      node.relationship = i == 0 ? 0 : PREDICTOR_REL_OUTER;
      node.total_cost = rows * (0.1 - 0.01 * i);
      node.plan_rows = node.actual_rows = rows;
      node.plan_width = 16;
      node.actual_loops = 1;
      node.actual_startup = node.actual_total = node.actual_memory = std::nan("");
      node.flags = PREDICTOR_NODE_HAS_ROWS;
      if (node.op == PREDICTOR_OP_SEQ_SCAN) node.relation = 1 + random() % 20;
    }
    plan.statement.finished_at = 1;
    plan.statement.total_time = 0.1 + rows * 2e-3;
    plan.statement.planning_time = std::nan("");
    plan.statement.work_mem = 4096;
    plan.statement.command = PREDICTOR_COMMAND_SELECT;
    plan.statement.instrumentation = PREDICTOR_INSTRUMENT_ROWS;
    PredictorRecord view = plan.view();
    sign(view);
    plan.statement = view.statement;
  }
  return plans;
}

// predictord on processor 0; ends with the object.
class Engine {
 public:
  Engine(const fs::path& program, const fs::path& data) {
    const fs::path port = data.parent_path() / "port";
    fs::remove(port);
    const std::vector<std::string> arguments = {program,
                                                "serve",
                                                "--listen",
                                                "127.0.0.1:0",
                                                "--data-dir",
                                                data,
                                                "--ca-dir",
                                                authority().server_directory(),
                                                "--port-file",
                                                port,
                                                "--log-file",
                                                data.parent_path() / "log",
                                                "--limits-connections",
                                                "2000"};
    std::vector<char*> pointers;
    for (const std::string& argument : arguments) {
      pointers.push_back(const_cast<char*>(argument.c_str()));
    }
    pointers.push_back(nullptr);
    started_ = Clock::now();
    process_ = ::fork();
    if (process_ == 0) {
      pin(0, 0);
      ::execv(pointers[0], pointers.data());
      ::_exit(127);
    }
    while (!fs::exists(port)) {
      if (::waitpid(process_, nullptr, WNOHANG) != 0) throw std::runtime_error("predictord ended");
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    std::ifstream(port) >> address_;
  }
  ~Engine() {
    ::kill(process_, SIGTERM);
    ::waitpid(process_, nullptr, 0);
  }
  Engine(const Engine&) = delete;

  std::unique_ptr<Client> connect() const {
    return std::make_unique<Client>(address_, authority().client("db1"));
  }
  // Seconds from the start of its process until it said that it is ready.
  double await_ready() const {
    while (connect()->get("/readyz").status != 200) {
    }
    return seconds_since(started_);
  }
  pid_t process() const { return process_; }
  const std::string& address() const { return address_; }

 private:
  pid_t process_ = -1;
  std::string address_;
  Clock::time_point started_;
};

struct Latency {
  double p50, p99;  // ms
};

Latency measure(Client& client, const std::string& plan) {
  std::vector<double> times;
  for (int i = 0; i < kRequests; i++) {
    const Clock::time_point start = Clock::now();
    const Reply reply =
        client.request("POST", "/v1/predict?model=" + uuid(1001),
                       {{"Content-Type", "application/vnd.predictor.records"}}, plan);
    times.push_back(seconds_since(start) * 1000);
    if (reply.status != 200) throw std::runtime_error("no prediction: " + reply.body);
  }
  return {quantile(times, 0.5), quantile(times, 0.99)};
}

// Clients that send one byte of a request's header now and then, for as long as the object lives.
class SlowClients {
 public:
  explicit SlowClients(const Engine& engine) {
    for (int i = 0; i < kLoris; i++) clients_.push_back(engine.connect());
    thread_ = std::thread([this] {
      for (size_t i = 0; !is_over_; i++) {
        try {
          clients_[i % clients_.size()]->send(i < clients_.size() ? "GET /livez HTTP/1.1\r\nX-A: "
                                                                  : "a");
        } catch (const std::runtime_error&) {
          // it was cut off, as it should be
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
      }
    });
  }
  ~SlowClients() {
    is_over_ = true;
    thread_.join();
  }

 private:
  std::vector<std::unique_ptr<Client>> clients_;
  std::atomic<bool> is_over_ = false;
  std::thread thread_;
};

void measure_predictions(const Engine& engine, Verdict& verdict) {
  const std::string plan = stream_of(ten_node_plans(1));
  const std::unique_ptr<Client> connection = engine.connect();
  Client& client = *connection;
  measure(client, plan);  // warm
  std::vector<double> p50, idle_ratio, loris_ratio;
  double idle_megabytes = 0;
  for (int round = 0; round < kRounds; round++) {
    const Latency alone = measure(client, plan);
    p50.push_back(alone.p50);
    {
      const double before = memory_of(engine.process(), "VmRSS:");
      std::vector<std::unique_ptr<Client>> idle;
      for (int i = 0; i < kIdle; i++) idle.push_back(engine.connect());
      idle_ratio.push_back(measure(client, plan).p50 / alone.p50);
      idle_megabytes = std::max(idle_megabytes, memory_of(engine.process(), "VmRSS:") - before);
    }
    {
      const SlowClients slow(engine);
      loris_ratio.push_back(measure(client, plan).p99 / alone.p99);
    }
  }
  verdict.add("prediction of 10 nodes, kept-alive connection, p50", "ms", estimate(p50), 0.5);
  verdict.add("400 idle connections: memory", "MB",
              {idle_megabytes, idle_megabytes, idle_megabytes}, 50);
  verdict.add("400 idle connections: p50 with / without", "x", estimate(idle_ratio), 1.2);
  verdict.add("50 slow clients: p99 with / without", "x", estimate(loris_ratio), 2);
}

// The largest memory of the server and its worker together while the job runs.
double follow(const Engine& engine, const std::string& job) {
  double peak = 0;
  const std::unique_ptr<Client> client = engine.connect();
  while (true) {
    double sum = memory_of(engine.process(), "VmRSS:");
    for (const auto& thread :
         fs::directory_iterator("/proc/" + std::to_string(engine.process()) + "/task")) {
      std::ifstream children(thread.path() / "children");
      for (pid_t child = 0; children >> child;) sum += memory_of(child, "VmHWM:");
    }
    peak = std::max(peak, sum);
    const nlohmann::json now = client->get("/v1/jobs/" + job).json();
    if (now["state"] == "done") return peak;
    if (now["state"] != "queued" && now["state"] != "running") throw std::runtime_error(now.dump());
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
}

void train(const Engine& engine, int job, int plans, const std::string& more, double* peak) {
  const Reply reply =
      engine.connect()->submit(job_target(job, more), stream_of(ten_node_plans(plans)));
  if (reply.status != 202) throw std::runtime_error(reply.body);
  const double largest = follow(engine, uuid(job));
  if (peak != nullptr) *peak = largest;
}

void measure_starts(const fs::path& program, const fs::path& data, Verdict& verdict) {
  const fs::path models = data / "models" / "db1";
  for (int i = 1; i < kModels; i++) {
    fs::create_directories(models / uuid(5000 + i));
    fs::copy_file(models / uuid(1001) / "1.bundle", models / uuid(5000 + i) / "1.bundle");
  }
  std::vector<double> seconds;
  for (int i = 0; i < kStarts; i++) seconds.push_back(Engine(program, data).await_ready());
  verdict.add("start to ready with 100 models", "s", estimate(seconds), 1.5);
}

void measure_training(const Engine& engine, Verdict& verdict) {
  double peak = 0;
  const Clock::time_point start = Clock::now();
  train(engine, 2, kPlans, "", &peak);
  std::printf("  (a training of %d plans of 10 nodes took %.0f s)\n", kPlans, seconds_since(start));
  std::this_thread::sleep_for(std::chrono::seconds(30));  // what the budget says
  const double after = memory_of(engine.process(), "VmRSS:");
  verdict.add("memory 30 s after a training of 10 000 plans", "MB", {after, after, after}, 400);
  verdict.add("largest memory during it, server and worker", "MB", {peak, peak, peak}, 1024);
}

int run(const fs::path& program) {
  rlimit files{4096, 4096};
  ::setrlimit(RLIMIT_NOFILE, &files);
  ::signal(SIGPIPE, SIG_IGN);
  pin(0, 1);
  TemporaryDirectory directory;
  const fs::path data = directory.path() / "data";
  Verdict verdict;
  {
    const Engine engine(program, data);
    train(engine, 1, 500, "&max_epochs=3", nullptr);
    measure_predictions(engine, verdict);
    measure_training(engine, verdict);
  }
  measure_starts(program, data, verdict);
  return verdict.conclude();
}

}  // namespace
}  // namespace predictor::bench

// engine_bench PROGRAM measures; engine_bench plans COUNT FILE writes plans for bench/gpu.
int main(int argc, char** argv) {
  using namespace predictor::bench;
  try {
    if (argc == 4 && std::string(argv[1]) == "plans") {
      std::ofstream(argv[3], std::ios::binary) << stream_of(ten_node_plans(std::stoi(argv[2])));
      return 0;
    }
    return argc == 2 ? run(argv[1]) : 2;
  } catch (const std::exception& problem) {
    std::fprintf(stderr, "bench-engine: failed: %s\n", problem.what());
    return 1;
  }
}
