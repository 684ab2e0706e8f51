//===- Recipe.h - How a requested kernel is compiled ------------*- C++ -*-===//

#ifndef KVARN_RUNTIME_RECIPE_H
#define KVARN_RUNTIME_RECIPE_H

#include "runtime/Schedules.h"

#include <string>
#include <vector>

namespace kvarn::runtime {

/// What the compiler is told for a request. Two requests with the same
/// arguments are served by the same kernel.
struct Recipe {
  std::string kernel;                 // for messages: "kernel 'attend'"
  std::vector<std::string> arguments; // what is made, for kvarn-compile
  ScheduleTable schedules;            // tuned for the device, if there are any

  /// All arguments of kvarn-compile that make the library `output`.
  std::vector<std::string> command(const std::string &output) const;
  /// The name in the cache: a hash of the arguments, of the text of the
  /// schedules, and of the compiler.
  std::string key() const;
};

/// Fails if the request does not say all that a compiler must know.
kvarn_status makeRecipe(const kvarn_request &request, Recipe &recipe);

/// The query tokens that a kernel for `request` is compiled for: few numbers
/// serve all.
int64_t compiledQueryTokens(const kvarn_request &request);

/// The layout of a request to the JIT that states none.
inline constexpr const char *kDefaultLayout = "reference";

} // namespace kvarn::runtime

#endif // KVARN_RUNTIME_RECIPE_H
