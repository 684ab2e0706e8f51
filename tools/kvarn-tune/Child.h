//===- Child.h - The process that measures ----------------------*- C++ -*-===//
//
// A kernel that faults or hangs takes its process with it, so kernels run in a
// child: this program again, as `kvarn-tune worker`. It gets a JSON object per
// line and answers with one.
//
//===----------------------------------------------------------------------===//

#ifndef KVARN_TOOLS_TUNE_CHILD_H
#define KVARN_TOOLS_TUNE_CHILD_H

#include <nlohmann/json.hpp>

#include <string>
#include <sys/types.h>
#include <vector>

namespace kvarn::tune {

using nlohmann::json;

/// How a question ended.
enum class Reply { Answered, Died, TimedOut, Interrupted };

class Child {
public:
  explicit Child(std::vector<std::string> words) : words(std::move(words)) {}
  Child(const Child &) = delete;
  Child &operator=(const Child &) = delete;
  ~Child() { stop(); }

  bool isRunning() const { return pid > 0; }
  /// Sends `question` and waits for its answer, at most `seconds`. Starts the
  /// child if it does not run; whatever is no answer ends it. Throws run::Error
  /// if it cannot be started.
  Reply ask(const json &question, double seconds, json &answer);
  /// How the child ended: "was ended by signal 11".
  const std::string &ending() const { return how; }
  /// Kills it.
  void stop();

private:
  void start();
  void finish(bool killed);

  std::vector<std::string> words;
  pid_t pid = 0;
  int input = -1, output = -1; // of the child
  std::string buffer, how;
};

/// Set by SIGINT and SIGTERM once handleInterrupts() was called.
bool isInterrupted();
void handleInterrupts();

} // namespace kvarn::tune

#endif // KVARN_TOOLS_TUNE_CHILD_H
