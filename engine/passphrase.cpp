#include "engine/passphrase.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <thread>

#include "engine/files.h"

namespace predictor::engine {
namespace {

using Clock = std::chrono::steady_clock;

// As much as OpenSSL takes of a passphrase.
constexpr size_t kLongest = 1024;
constexpr auto kLook = std::chrono::milliseconds(5);

Error passphrase_error(const std::string& what) {
  return Error{"passphrase_command", "passphrase_command " + what};
}

// A shell in a process group of its own, with default signals, nothing of ours open but standard
// error, and `output` as its standard output. Returns 0 or an errno.
int start_shell(const std::string& command, int output, pid_t& child) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 34)
  posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
#endif
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  std::string text = command;
  char shell[] = "/bin/sh";
  char option[] = "-c";
  char* const arguments[] = {shell, option, text.data(), nullptr};
  const int problem = ::posix_spawn(&child, shell, &actions, &attributes, arguments, environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  return problem;
}

// Appends what comes until the end of the output; false if the deadline passes or it is too much.
bool read_output(int input, Clock::time_point end, std::string& text) {
  while (true) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now()).count();
    if (left <= 0) return false;
    pollfd ready{input, POLLIN, 0};
    if (::poll(&ready, 1, static_cast<int>(left)) < 0 && errno != EINTR) return false;
    if (ready.revents == 0) continue;
    char piece[256];
    const ssize_t got = ::read(input, piece, sizeof(piece));
    if (got == 0) return true;
    if (got < 0 && errno != EINTR) return false;
    if (got > 0) text.append(piece, static_cast<size_t>(got));
    ::explicit_bzero(piece, sizeof(piece));
    if (text.size() > kLongest) return false;
  }
}

// The wait status, or nothing if it had to be killed.
std::optional<int> await_end(pid_t child, bool is_in_time, Clock::time_point end) {
  int status = 0;
  while (is_in_time && Clock::now() < end) {
    const pid_t got = ::waitpid(child, &status, WNOHANG);
    if (got == child) return status;
    if (got < 0 && errno != EINTR) return std::nullopt;
    std::this_thread::sleep_for(kLook);
  }
  ::kill(-child, SIGKILL);
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return std::nullopt;
}

void wipe(std::string& text) { ::explicit_bzero(text.data(), text.size()); }

}  // namespace

Result<std::string> expand_passphrase_command(const std::string& command,
                                              const std::string& prompt) {
  std::string expanded;
  for (size_t i = 0; i < command.size(); i++) {
    if (command[i] != '%') {
      expanded += command[i];
      continue;
    }
    const char next = i + 1 < command.size() ? command[i + 1] : '\0';
    if (next != 'p' && next != '%') {
      return passphrase_error("may contain %p and %%, and no other percent sign");
    }
    expanded += next == 'p' ? prompt : "%";
    i++;
  }
  return expanded;
}

Result<std::string> run_passphrase_command(const std::string& command, const std::string& prompt,
                                           std::chrono::milliseconds deadline) {
  const Result<std::string> expanded = expand_passphrase_command(command, prompt);
  if (!expanded) return expanded.error();
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) {
    return passphrase_error(std::string("could not be run: ") + std::strerror(errno));
  }
  const File input(ends[0]);
  File output(ends[1]);
  pid_t child = 0;
  const int problem = start_shell(expanded.value(), output.descriptor(), child);
  if (problem != 0) {
    return passphrase_error(std::string("could not be run: ") + std::strerror(problem));
  }
  output.close();

  const Clock::time_point end = Clock::now() + deadline;
  std::string text;
  text.reserve(2 * kLongest);  // so that no copy of it is left behind
  const bool is_whole = read_output(input.descriptor(), end, text);
  const std::optional<int> status = await_end(child, is_whole, end);
  if (!status || !WIFEXITED(*status) || WEXITSTATUS(*status) != 0) {
    wipe(text);
    if (!is_whole || !status) {
      return passphrase_error("printed too much, or did not end within " +
                              std::to_string(deadline.count() / 1000) + " s");
    }
    return passphrase_error(WIFEXITED(*status)
                                ? "ended with exit status " + std::to_string(WEXITSTATUS(*status))
                                : "was ended by signal " + std::to_string(WTERMSIG(*status)));
  }
  text.resize(std::min(text.find('\n'), text.size()));
  while (!text.empty() && text.back() == '\r') text.pop_back();
  return text;
}

}  // namespace predictor::engine
