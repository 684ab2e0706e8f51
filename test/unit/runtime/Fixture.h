//===- Fixture.h - Small kernel libraries for tests -------------*- C++ -*-===//

#ifndef KVARN_TEST_UNIT_RUNTIME_FIXTURE_H
#define KVARN_TEST_UNIT_RUNTIME_FIXTURE_H

#include "format/Manifest.h"
#include "runtime/kvarn.hpp"

#include <cstdlib>
#include <filesystem>
#include <gtest/gtest.h>
#include <optional>

/// Expects that `call` fails with `status` and exactly this message.
#define EXPECT_KVARN_ERROR(call, status, message)                              \
  do {                                                                         \
    EXPECT_EQ(call, status);                                                   \
    EXPECT_EQ(std::string(kvarn_last_error()), message);                       \
  } while (false)

namespace kvarn::test {

/// A folder with a manifest and copies of the fixture's binary, `kernels.so`,
/// `kernels.cubin` and `kernels.ptx`; gone at the end.
class TempLibrary {
public:
  /// Fills in the binary of every variant: the fixture, or `binary`.
  explicit TempLibrary(std::vector<Variant> variants,
                       const std::string &binary = "");
  ~TempLibrary();

  std::string path(const std::string &file = "") const;
  Library open() const { return Library(path()); }
  void writeFile(const std::string &name, const std::string &text) const;
  std::string readFile(const std::string &name) const;

private:
  std::filesystem::path folder;
};

/// A variant for this CPU that runs `entry` once.
Variant makeVariant(const std::string &id, const std::string &kernel,
                    std::vector<Parameter> parameters,
                    const std::string &entry);

Parameter tensor(const std::string &name, DType dtype,
                 std::vector<int64_t> shape, bool output = false);
Parameter scalar(const std::string &name, DType dtype);

/// y = factor * x
Variant scaleVariant();
/// sums = the sum of the squares of each row of x, through a buffer.
Variant sumVariant();

/// Sets an environment variable as long as it lives, or with NULL unsets it.
class ScopedEnvironment {
public:
  ScopedEnvironment(const char *name, const char *value) : name(name) {
    if (const char *before = std::getenv(name))
      old = before;
    set(value);
  }
  ScopedEnvironment(const ScopedEnvironment &) = delete;
  ScopedEnvironment &operator=(const ScopedEnvironment &) = delete;
  ~ScopedEnvironment() { set(old ? old->c_str() : nullptr); }

private:
  void set(const char *value) {
    value ? setenv(name, value, 1) : unsetenv(name);
  }

  const char *name;
  std::optional<std::string> old;
};

/// The status and message of the exception that `body` throws.
template <typename Body> std::string errorOf(kvarn_status status, Body body) {
  try {
    body();
  } catch (const Error &error) {
    EXPECT_EQ(error.status(), status) << error.what();
    return error.what();
  }
  return "no error";
}

} // namespace kvarn::test

#endif // KVARN_TEST_UNIT_RUNTIME_FIXTURE_H
