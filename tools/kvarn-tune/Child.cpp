//===- Child.cpp - The process that measures ------------------------------===//

#include "tools/kvarn-tune/Child.h"

#include "tools/kvarn-run/Error.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

namespace kvarn::tune {

using run::Error;
using Clock = std::chrono::steady_clock;

static std::atomic<bool> interrupted = false;

bool isInterrupted() { return interrupted; }

static void noteInterrupt(int) { interrupted = true; }

void handleInterrupts() {
  struct sigaction action = {};
  action.sa_handler = noteInterrupt;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  // A child that is gone is noticed by its answer that does not come.
  std::signal(SIGPIPE, SIG_IGN);
}

void Child::start() {
  int to[2], from[2];
  if (pipe2(to, O_CLOEXEC) != 0)
    throw Error(run::kInternal, std::string("pipe: ") + std::strerror(errno));
  if (pipe2(from, O_CLOEXEC) != 0) {
    close(to[0]);
    close(to[1]);
    throw Error(run::kInternal, std::string("pipe: ") + std::strerror(errno));
  }
  std::vector<char *> arguments;
  for (const std::string &word : words)
    arguments.push_back(const_cast<char *>(word.c_str()));
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, to[0], 0);
  posix_spawn_file_actions_adddup2(&actions, from[1], 1);
  // A group of its own: Ctrl-C is for the parent.
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  int failure = posix_spawn(&pid, arguments[0], &actions, &attributes,
                            arguments.data(), environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  close(to[0]);
  close(from[1]);
  input = to[1];
  output = from[0];
  buffer.clear();
  if (failure != 0) {
    pid = 0;
    stop();
    throw Error(run::kMissing,
                words[0] + ": cannot run: " + std::strerror(failure));
  }
}

void Child::finish(bool killed) {
  for (int *end : {&input, &output}) {
    if (*end >= 0)
      close(*end);
    *end = -1;
  }
  if (pid <= 0)
    return;
  if (killed)
    kill(pid, SIGKILL);
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
    ;
  pid = 0;
  how = WIFSIGNALED(status)
            ? "was ended by signal " + std::to_string(WTERMSIG(status))
            : "ended with exit code " + std::to_string(WEXITSTATUS(status));
}

void Child::stop() { finish(/*killed=*/true); }

Reply Child::ask(const json &question, double seconds, json &answer) {
  if (!isRunning())
    start();
  auto deadline = Clock::now() + std::chrono::duration<double>(seconds);
  std::string line = question.dump() + "\n";
  // Shorter than a pipe holds, so it is written at once.
  if (write(input, line.data(), line.size()) !=
      static_cast<ssize_t>(line.size())) {
    finish(/*killed=*/false);
    return Reply::Died;
  }
  for (;;) {
    if (size_t end = buffer.find('\n'); end != std::string::npos) {
      answer = json::parse(buffer.substr(0, end), nullptr, false);
      buffer.erase(0, end + 1);
      if (answer.is_object())
        return Reply::Answered;
      stop();
      return Reply::Died;
    }
    if (isInterrupted()) {
      stop();
      return Reply::Interrupted;
    }
    double left =
        std::chrono::duration<double>(deadline - Clock::now()).count();
    if (left <= 0) {
      stop();
      return Reply::TimedOut;
    }
    // Not for long: a signal may come just before.
    pollfd end = {output, POLLIN, 0};
    if (poll(&end, 1, static_cast<int>(std::min(left, 0.1) * 1000) + 1) <= 0)
      continue;
    char bytes[4096];
    ssize_t count = read(output, bytes, sizeof bytes);
    if (count < 0 && errno == EINTR)
      continue;
    if (count <= 0) {
      finish(/*killed=*/false);
      return Reply::Died;
    }
    buffer.append(bytes, static_cast<size_t>(count));
  }
}

} // namespace kvarn::tune
