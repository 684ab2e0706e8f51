//===- Harness.cpp - Compiles and runs tile programs ----------------------===//

#include "test/codegen/Harness.h"

#include "codegen/Codegen.h"
#include "dialect/TileDialect.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/TargetParser/Host.h"

#include <gtest/gtest.h>

#include <dlfcn.h>
#include <fstream>
#include <sstream>

using mlir::MLIRContext;
using mlir::ModuleOp;
using mlir::OwningOpRef;
using namespace ::kvarn::test;

//===----------------------------------------------------------------------===//
// Arguments
//===----------------------------------------------------------------------===//

Params &Params::array(const void *data, std::vector<int64_t> sizes,
                      std::vector<int64_t> strides) {
  list.push_back(reinterpret_cast<int64_t>(data));
  list.insert(list.end(), sizes.begin(), sizes.end());
  list.insert(list.end(), strides.begin(), strides.end());
  return *this;
}

Params &Params::array(const void *data, std::vector<int64_t> sizes) {
  std::vector<int64_t> strides(sizes.size());
  int64_t stride = 1;
  for (size_t i = sizes.size(); i-- > 0; stride *= sizes[i])
    strides[i] = stride;
  return array(data, std::move(sizes), std::move(strides));
}

Params &Params::f32(float value) {
  uint32_t bits;
  memcpy(&bits, &value, 4);
  return integer(bits);
}

Params &Params::integer(int64_t value) {
  list.push_back(value);
  return *this;
}

//===----------------------------------------------------------------------===//
// Compilation
//===----------------------------------------------------------------------===//

std::string kvarn::test::readProgram(const std::string &file,
                                     const Words &words) {
  std::ifstream stream(std::string(KVARN_CODEGEN_INPUTS "/") + file);
  EXPECT_TRUE(stream.good()) << "cannot read " << file;
  std::stringstream buffer;
  buffer << stream.rdbuf();
  std::string text = buffer.str();
  for (auto &[name, value] : words)
    for (size_t at; (at = text.find("$" + name)) != std::string::npos;)
      text.replace(at, name.size() + 1, value);
  return text;
}

static OwningOpRef<ModuleOp> compile(MLIRContext &context,
                                     const std::string &text,
                                     const mlir::kvarn::Target &target) {
  context.disableMultithreading();
  mlir::DialectRegistry registry;
  registry.insert<mlir::kvarn::KVarNDialect, mlir::kvarn::tile::TileDialect,
                  mlir::func::FuncDialect, mlir::math::MathDialect,
                  mlir::memref::MemRefDialect, mlir::scf::SCFDialect>();
  context.appendDialectRegistry(registry);
  OwningOpRef<ModuleOp> module =
      mlir::parseSourceString<ModuleOp>(text, &context);
  if (!module)
    return nullptr;
  mlir::PassManager manager(&context);
  mlir::kvarn::buildCpuPipeline(manager, target);
  if (mlir::failed(manager.run(*module)))
    return nullptr;
  return module;
}

std::string kvarn::test::compileTo(const std::string &file,
                                   const std::string &name, bool assembly,
                                   const Words &words) {
  const mlir::kvarn::Target *target = mlir::kvarn::findTarget(name);
  MLIRContext context;
  auto module = compile(context, readProgram(file, words), *target);
  EXPECT_TRUE(module) << file;
  if (!module)
    return "";
  auto result = assembly ? mlir::kvarn::emitAssembly(*module, *target)
                         : mlir::kvarn::emitObject(*module, *target);
  EXPECT_TRUE(mlir::succeeded(result));
  return mlir::succeeded(result) ? *result : "";
}

std::vector<std::string> kvarn::test::hostTargets() {
  std::vector<std::string> targets;
  auto features = llvm::sys::getHostCPUFeatures();
  auto has = [&](std::initializer_list<llvm::StringRef> names) {
    return llvm::all_of(names,
                        [&](auto name) { return features.lookup(name); });
  };
  if (has({"avx2", "fma", "f16c"}))
    targets.push_back("x86-64-v3");
  if (has({"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}))
    targets.push_back("x86-64-v4");
  return targets;
}

//===----------------------------------------------------------------------===//
// Programs
//===----------------------------------------------------------------------===//

Program::Program(const std::string &file, const std::string &target,
                 const Words &words) {
  load(file, target, words);
}

void Program::load(const std::string &file, const std::string &name,
                   const Words &words) {
  const mlir::kvarn::Target *target = mlir::kvarn::findTarget(name);
  MLIRContext context;
  auto module = compile(context, readProgram(file, words), *target);
  ASSERT_TRUE(module) << file;
  for (mlir::Operation &op : module->getOps())
    if (auto function = llvm::dyn_cast<mlir::SymbolOpInterface>(op))
      if (auto needs = mlir::kvarn::kernelNeeds(*module, function.getName()))
        scratch[function.getName().str()] = needs->memoryBytes;
  auto object = mlir::kvarn::emitObject(*module, *target);
  ASSERT_TRUE(mlir::succeeded(object));
  llvm::SmallString<128> file_;
  ASSERT_FALSE(llvm::sys::fs::createTemporaryFile("kvarn", "so", file_));
  path = file_.str().str();
  ASSERT_TRUE(mlir::succeeded(mlir::kvarn::linkSharedObject(
      *object, path, [&] { return module->emitError(); })));
  handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  ASSERT_TRUE(handle) << dlerror();
}

Program::~Program() {
  if (handle)
    dlclose(handle);
  if (!path.empty())
    llvm::sys::fs::remove(path);
}

void Program::run(const std::string &kernel, const Params &params, int64_t x,
                  int64_t y, int64_t z) {
  if (!handle)
    return;
  auto entry =
      reinterpret_cast<void (*)(const int64_t *, void *, int64_t, int64_t,
                                int64_t)>(dlsym(handle, kernel.c_str()));
  ASSERT_TRUE(entry) << kernel;
  // Bytes after the scratch memory must stay as they are; what is in it before
  // must not matter.
  constexpr size_t kGuard = 256;
  size_t bytes = scratch.at(kernel);
  auto *memory = static_cast<uint8_t *>(
      aligned_alloc(64, llvm::alignTo(bytes + kGuard, 64)));
  memset(memory, 0xff, bytes);
  memset(memory + bytes, 0x5a, kGuard);
  entry(params.words(), memory, x, y, z);
  for (size_t i = 0; i < kGuard; ++i)
    ASSERT_EQ(memory[bytes + i], 0x5a) << "scratch memory overrun by " << i;
  free(memory);
}

//===----------------------------------------------------------------------===//
// Data
//===----------------------------------------------------------------------===//

std::vector<float> kvarn::test::randomFloats(size_t count, unsigned seed,
                                             float scale) {
  std::mt19937 engine(seed);
  std::vector<float> values(count);
  for (float &value : values)
    value = scale * (float(engine() % 20001) / 10000 - 1);
  return values;
}

std::vector<Half> kvarn::test::toHalf(const std::vector<float> &values) {
  return std::vector<Half>(values.begin(), values.end());
}
