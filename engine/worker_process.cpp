#include "engine/worker_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace predictor::engine {
namespace {

constexpr size_t kMostLine = size_t{1} << 20;
// A training must not take the processor from those who answer requests.
constexpr int kNiceness = 5;

struct Pipe {
  File read_end, write_end;
};

Result<Pipe> make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return file_error("create", "a pipe");
  return Pipe{File(ends[0]), File(ends[1])};
}

// Between fork() and exec() of a process with threads: only what is safe in a signal handler.
[[noreturn]] void become(char* const* arguments, int input, int output, pid_t parent) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(127);  // it died before we asked to die with it
  ::dup2(input, STDIN_FILENO);
  ::dup2(output, STDOUT_FILENO);
  ::close_range(3, ~0u, 0);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::signal(SIGPIPE, SIG_DFL);
  ::setpriority(PRIO_PROCESS, 0, ::getpriority(PRIO_PROCESS, 0) + kNiceness);
  ::execv(arguments[0], arguments);
  ::_exit(127);
}

}  // namespace

Result<WorkerProcess> WorkerProcess::start(const std::vector<std::string>& arguments) {
  Result<Pipe> input = make_pipe();
  if (!input) return input.error();
  Result<Pipe> output = make_pipe();
  if (!output) return output.error();
  std::vector<char*> pointers;
  for (const std::string& argument : arguments)
    pointers.push_back(const_cast<char*>(argument.c_str()));
  pointers.push_back(nullptr);
  const pid_t parent = ::getpid();
  const pid_t process = ::fork();
  if (process == 0) {
    become(pointers.data(), input.value().read_end.descriptor(),
           output.value().write_end.descriptor(), parent);
  }
  if (process < 0) return file_error("start", arguments[0]);
  return WorkerProcess(process, std::move(input.value().write_end),
                       std::move(output.value().read_end));
}

WorkerProcess::WorkerProcess(WorkerProcess&& other) noexcept
    : process_(std::exchange(other.process_, -1)),
      input_(std::move(other.input_)),
      output_(std::move(other.output_)),
      received_(std::move(other.received_)) {}

WorkerProcess::~WorkerProcess() {
  if (process_ < 0) return;
  kill();
  wait();
}

// SIGPIPE is ignored by the service, so a worker that is gone shows as an error.
Failure WorkerProcess::send(const std::string& line) {
  const std::string text = line + "\n";
  return input_.write(std::as_bytes(std::span(text.data(), text.size())));
}

void WorkerProcess::kill() {
  if (process_ > 0) ::kill(process_, SIGKILL);
}

WorkerProcess::Event WorkerProcess::next(std::string& line, std::chrono::milliseconds patience) {
  const auto end = std::chrono::steady_clock::now() + patience;
  while (true) {
    if (const size_t newline = received_.find('\n'); newline != std::string::npos) {
      line = received_.substr(0, newline);
      received_.erase(0, newline + 1);
      return Event::kLine;
    }
    if (received_.size() > kMostLine) return Event::kEnd;  // no worker of ours
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        end - std::chrono::steady_clock::now());
    pollfd output{output_.descriptor(), POLLIN, 0};
    const int ready = ::poll(&output, 1, std::max<int>(0, static_cast<int>(left.count())));
    if (ready == 0) return Event::kTimeout;
    if (ready < 0 && errno == EINTR) continue;
    char piece[4096];
    const ssize_t got = ready < 0 ? -1 : ::read(output_.descriptor(), piece, sizeof(piece));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return Event::kEnd;
    received_.append(piece, static_cast<size_t>(got));
  }
}

int WorkerProcess::wait() {
  int status = 0;
  while (process_ > 0 && ::waitpid(process_, &status, 0) < 0 && errno == EINTR) {
  }
  process_ = -1;
  return status;
}

}  // namespace predictor::engine
