//===- Harness.h - Compiles and runs tile programs --------------*- C++ -*-===//

#ifndef KVARN_TEST_CODEGEN_HARNESS_H
#define KVARN_TEST_CODEGEN_HARNESS_H

#include <cstdint>
#include <map>
#include <random>
#include <string>
#include <vector>

namespace kvarn::test {

/// A replacement of `$NAME` in the text of a program.
using Words = std::map<std::string, std::string>;

/// The arguments of a kernel as 8-byte words.
class Params {
public:
  /// A dense array.
  Params &array(const void *data, std::vector<int64_t> sizes);
  Params &array(const void *data, std::vector<int64_t> sizes,
                std::vector<int64_t> strides);
  Params &f32(float value);
  Params &integer(int64_t value);
  const int64_t *words() const { return list.data(); }

private:
  std::vector<int64_t> list;
};

/// The kernels of one program, compiled for one target and loaded.
class Program {
public:
  /// Compiles Inputs/`file`. Reports errors as test failures.
  Program(const std::string &file, const std::string &target,
          const Words &words = {});
  ~Program();
  Program(const Program &) = delete;

  void run(const std::string &kernel, const Params &params, int64_t x = 0,
           int64_t y = 0, int64_t z = 0);

private:
  void load(const std::string &file, const std::string &target,
            const Words &words);

  void *handle = nullptr;
  std::string path;
  std::map<std::string, int64_t> scratch;
};

/// The targets that this machine can run.
std::vector<std::string> hostTargets();

/// The text of Inputs/`file` with words replaced.
std::string readProgram(const std::string &file, const Words &words = {});

/// An object file (or assembly) of Inputs/`file` for a target.
std::string compileTo(const std::string &file, const std::string &target,
                      bool assembly, const Words &words = {});

std::vector<float> randomFloats(size_t count, unsigned seed, float scale = 1);

using Half = _Float16;
std::vector<Half> toHalf(const std::vector<float> &values);

} // namespace kvarn::test

#endif // KVARN_TEST_CODEGEN_HARNESS_H
