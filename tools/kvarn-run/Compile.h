//===- Compile.h - Kernel libraries made on demand ------------------------===//
//
// kvarn-run links no compiler; it runs the program kvarn-compile.
//
//===----------------------------------------------------------------------===//

#ifndef KVARN_TOOLS_RUN_COMPILE_H
#define KVARN_TOOLS_RUN_COMPILE_H

#include "tools/kvarn-run/Running.h"

#include <CLI/CLI.hpp>

#include <list>
#include <map>
#include <string>
#include <vector>

namespace kvarn::run {

/// The kernels that a case needs.
struct Need {
  std::string format;
  int64_t headDim = 0;
  int64_t queryHeads = 0, kvHeads = 0; // 0 = no attend
  std::string dtype = "f16";
  std::string features = "causal"; // of attend
  int64_t iterations = 8;          // of flush and pack

  int64_t ratio() const { return kvHeads ? queryHeads / kvHeads : 0; }
  std::string describe() const;
};

/// kvarn-compile failed; what it printed is in the message.
class CompileError : public Error {
public:
  using Error::Error;
};

/// A folder that disappears with this object, unless it is kept.
class WorkFolder {
public:
  WorkFolder() = default;
  WorkFolder(const WorkFolder &) = delete;
  WorkFolder &operator=(const WorkFolder &) = delete;
  ~WorkFolder();

  /// `keep` is the place of a folder that stays, or "".
  const std::string &path(const std::string &keep);

private:
  std::string folder;
  bool temporary = false;
};

/// Where conformance and random take their kernels from, given libraries or the
/// compiler, and where the kernels run.
class LibrarySource {
public:
  void addTo(CLI::App &app);

  bool compiles() const { return given.empty(); }
  /// Whether `kernel` is among those that are to be checked.
  bool wants(const std::string &kernel) const;
  /// append and flush are checked together, pack against both.
  bool wantsStoring() const { return wants("append") && wants("flush"); }
  /// Whether libraries are to be made, and nothing run.
  bool onlyCompiles() const { return !compileOnly.empty(); }
  /// Opens the libraries given. Throws Error.
  void open();
  /// A library for `need`, any of them if libraries were given, or NULL if
  /// those lack a kernel. Throws Error, CompileError if the compiler failed.
  const Library *find(const Need &need);
  /// Compiles a library for each of `needs`, and says which. Returns an exit
  /// code.
  int compileAll(const std::vector<Need> &needs);
  /// Chooses a kernel of what find() found: of `library`, or of all given.
  Kernel select(const Library &library, const Need &need,
                const std::string &kernel) const;
  /// The same for relayout between two layouts; none if it is not there.
  Kernel selectRelayout(const Library &library, const Need &need, Layout from,
                        Layout to) const;

  Running running;

private:
  std::vector<std::string> command(const Need &need,
                                   const std::string &output) const;
  const Library *compile(const Need &need);
  const Library *findGiven(const Need &need);
  Request makeRequest(const Need &need, const std::string &kernel) const;
  /// From the first library given that has it; none if none has.
  Kernel selectGiven(const Request &request) const;

  std::vector<std::string> given, compilerArguments, kernels;
  std::string target, scheduleFrom, schedule, layout, keep, compileOnly;

  WorkFolder work; // before the libraries in it
  std::list<Library> libraries;
  std::map<std::string, const Library *> byNeed;
  std::map<std::string, std::string> layouts; // by need, of libraries given
};

} // namespace kvarn::run

#endif // KVARN_TOOLS_RUN_COMPILE_H
