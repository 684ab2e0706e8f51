//===- EmitTest.cpp - Objects for every target ----------------------------===//

#include "test/codegen/Harness.h"

#include "codegen/Codegen.h"

#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/MLIRContext.h"
#include "llvm/Object/ELFObjectFile.h"

#include <gtest/gtest.h>

using namespace kvarn::test;

namespace {

Words codes(bool mma) {
  Words words = {{"KB", "4"},
                 {"VB", "2"},
                 {"G", "128"},
                 {"D", "128"},
                 {"T", "32"},
                 {"M", "5"},
                 {"RR", "4"},
                 {"RC", "64"},
                 {"KEY_SCALES", "32"},
                 {"KEY_AXIS", "1"},
                 {"VALUE_SCALES", "128"},
                 {"VALUE_AXIS", "1"},
                 {"VALUE_LENGTH", "128"},
                 {"W_FACTOR", "%w1"},
                 {"O_FACTOR", "%veb"},
                 {"LAYOUT", "reference"}};
  if (mma) {
    words["LAYOUT"] = "mma16816";
    std::swap(words["KEY_SCALES"], words["VALUE_SCALES"]);
    words["KEY_AXIS"] = words["VALUE_AXIS"] = "0";
    words["W_FACTOR"] = "%veb";
    words["O_FACTOR"] = "%o1";
  }
  return words;
}

void checkObject(const std::string &file, const std::string &target,
                 unsigned machine, const Words &words = {}) {
  SCOPED_TRACE(file + " for " + target);
  std::string bytes = compileTo(file, target, /*assembly=*/false, words);
  auto object = llvm::object::ObjectFile::createELFObjectFile(
      llvm::MemoryBufferRef(bytes, file));
  ASSERT_TRUE(bool(object));
  auto *elf = llvm::cast<llvm::object::ELFObjectFileBase>(object->get());
  EXPECT_EQ(elf->getEMachine(), machine);
  for (llvm::object::ELFSymbolRef symbol : elf->symbols()) {
    std::string name = llvm::cantFail(symbol.getName()).str();
    if (llvm::cantFail(symbol.getFlags()) &
        llvm::object::SymbolRef::SF_Undefined)
      EXPECT_TRUE(name.empty() || name == "memcpy" || name == "memset")
          << "needs " << name;
  }
}

TEST(Emit, ObjectsNeedNoLibrary) {
  for (auto [target, machine] : {std::pair("x86-64-v3", llvm::ELF::EM_X86_64),
                                 {"x86-64-v4", llvm::ELF::EM_X86_64},
                                 {"aarch64", llvm::ELF::EM_AARCH64}}) {
    for (const char *file : {"elementwise.mlir", "memory.mlir", "softmax.mlir",
                             "control.mlir", "math.mlir"})
      checkObject(file, target, machine);
    checkObject("codes.mlir", target, machine, codes(false));
    checkObject("codes.mlir", target, machine, codes(true));
  }
}

TEST(Emit, Amdgpu) {
  checkObject("softmax.mlir", "gfx942", llvm::ELF::EM_AMDGPU);
  Words words = codes(false);
  words["D"] = words["G"] = words["VALUE_LENGTH"] = words["VALUE_SCALES"] =
      "64";
  words["RC"] = "16";
  checkObject("codes.mlir", "gfx942", llvm::ELF::EM_AMDGPU, words);
}

TEST(Emit, FailedLinkSaysHowToRepeat) {
  mlir::MLIRContext context;
  std::string message;
  mlir::ScopedDiagnosticHandler handler(&context, [&](mlir::Diagnostic &d) {
    message = d.str();
    return mlir::success();
  });
  auto result = mlir::kvarn::linkSharedObject(
      "not an object", testing::TempDir() + "none.so",
      [&] { return mlir::emitError(mlir::UnknownLoc::get(&context)); });
  EXPECT_TRUE(mlir::failed(result));
  EXPECT_NE(message.find("to repeat: "), std::string::npos) << message;
}

TEST(Emit, AssemblyUsesTheWholeRegister) {
  EXPECT_NE(
      compileTo("codes.mlir", "x86-64-v4", true, codes(false)).find("%zmm"),
      std::string::npos);
  std::string v3 = compileTo("codes.mlir", "x86-64-v3", true, codes(false));
  EXPECT_EQ(v3.find("%zmm"), std::string::npos);
  EXPECT_NE(v3.find("vfmadd"), std::string::npos);
}

} // namespace
