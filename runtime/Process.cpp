//===- Process.cpp - Other programs ---------------------------------------===//

#include "runtime/Process.h"

#include "format/Environment.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <optional>
#include <poll.h>
#include <spawn.h>
#include <sstream>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

namespace kvarn {

namespace fs = std::filesystem;

static constexpr size_t kMostOutput = 1 << 16;

std::string ProcessResult::describe() const {
  return exitCode > 128
             ? "was ended by signal " + std::to_string(exitCode - 128)
             : "failed with exit code " + std::to_string(exitCode);
}

bool isProgram(const std::string &path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored) && access(path.c_str(), X_OK) == 0;
}

std::string findProgram(const std::string &name) {
  std::error_code error;
  fs::path self = fs::read_symlink("/proc/self/exe", error);
  if (!error && isProgram(self.parent_path() / name))
    return self.parent_path() / name;
  const char *path = environment(Variable::Path);
  std::istringstream folders(path ? path : "");
  for (std::string folder; std::getline(folders, folder, ':');)
    if (!folder.empty() && isProgram(fs::path(folder) / name))
      return fs::path(folder) / name;
  return "";
}

using Clock = std::chrono::steady_clock;

namespace {
/// When to give up waiting.
struct Patience {
  std::optional<Clock::time_point> deadline;
  bool (*stop)();
};
} // namespace

/// Whether there is something to read while there is patience.
static bool waitForInput(int end, const Patience &patience) {
  for (;;) {
    if (patience.stop && patience.stop())
      return false;
    int wait = patience.stop ? 100 : -1;
    if (patience.deadline) {
      auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
          *patience.deadline - Clock::now());
      if (left.count() <= 0)
        return false;
      wait = static_cast<int>(
          patience.stop ? std::min<int64_t>(wait, left.count()) : left.count());
    }
    pollfd poll = {end, POLLIN, 0};
    int ready = ::poll(&poll, 1, wait);
    if (ready > 0 || (ready < 0 && errno != EINTR))
      return true;
  }
}

/// Reads until the other side closes; false if that took too long. Keeps the
/// end of what comes.
static bool readPipe(int end, const Patience &patience, std::string &output) {
  char buffer[4096];
  for (;;) {
    if (!waitForInput(end, patience))
      return false;
    ssize_t count = read(end, buffer, sizeof buffer);
    if (count < 0 && errno == EINTR)
      continue;
    if (count <= 0)
      return true;
    output.append(buffer, static_cast<size_t>(count));
    if (output.size() > 2 * kMostOutput)
      output.erase(0, output.size() - kMostOutput);
  }
}

static int waitForExit(pid_t child) {
  int status = 0;
  while (waitpid(child, &status, 0) < 0)
    // A program that ignores SIGCHLD is not told how its children ended.
    if (errno != EINTR)
      return 0;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

ProcessResult runProcess(const std::vector<std::string> &words, int seconds,
                         bool (*stop)()) {
  std::vector<char *> arguments;
  for (const std::string &word : words)
    arguments.push_back(const_cast<char *>(word.c_str()));
  arguments.push_back(nullptr);

  ProcessResult result;
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) {
    result.failure = std::string("pipe: ") + std::strerror(errno);
    return result;
  }
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
  posix_spawn_file_actions_adddup2(&actions, ends[1], 2);
  bool mayBeKilled = seconds > 0 || stop;
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  if (mayBeKilled)
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  pid_t child = 0;
  int failure = posix_spawn(&child, arguments[0], &actions, &attributes,
                            arguments.data(), environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  Patience patience = {std::nullopt, stop};
  if (seconds > 0)
    patience.deadline = Clock::now() + std::chrono::seconds(seconds);
  if (failure == 0 && !readPipe(ends[0], patience, result.output) &&
      mayBeKilled)
    kill(-child, SIGKILL);
  close(ends[0]);
  if (failure == 0)
    result.exitCode = waitForExit(child);
  else
    result.failure = words[0] + ": cannot run: " + std::strerror(failure);
  return result;
}

std::string commandText(const std::vector<std::string> &words) {
  std::string text;
  for (const std::string &word : words) {
    bool plain = !word.empty() &&
                 word.find_first_of(" \t\n<>*?$`&;|()#'\"\\") == word.npos;
    std::string quoted = "'";
    for (char c : word)
      quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
    text += (text.empty() ? "" : " ") + (plain ? word : quoted + "'");
  }
  return text;
}

} // namespace kvarn
