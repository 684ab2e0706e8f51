//===- AssembleTest.cpp - What assemblers of PTX say ----------------------===//

#include "codegen/nvptx/Assemble.h"

#include "codegen/Codegen.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"

#include <gtest/gtest.h>

using namespace mlir::kvarn;
using nvptx::Resources;

namespace {

nvptx::Cubin read(llvm::StringRef log) {
  nvptx::Cubin cubin;
  nvptx::readLog(log, cubin);
  return cubin;
}

// ptxas 13.0 -v.
TEST(AssembleLog, Ptxas) {
  nvptx::Cubin cubin = read(R"(ptxas info    : 0 bytes gmem
ptxas info    : Compiling entry function 'combine' for 'sm_90a'
ptxas info    : Function properties for combine
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 4 registers, used 0 barriers
ptxas info    : Compile time = 18.727 ms
ptxas info    : Compiling entry function 'attend' for 'sm_90a'
ptxas info    : Function properties for attend
    304 bytes stack frame, 300 bytes spill stores, 296 bytes spill loads
ptxas info    : Used 168 registers, used 1 barriers, 304 bytes cumulative stack size, 2048 bytes smem, 356 bytes cmem[0]
ptxas info    : Compile time = 1.477 ms
)");
  ASSERT_EQ(cubin.kernels.size(), 2u);
  EXPECT_EQ(cubin.kernels[0], (Resources{"combine", 4, 0, 0, 0, 0}));
  EXPECT_EQ(cubin.kernels[1], (Resources{"attend", 168, 304, 300, 296, 2048}));
  EXPECT_TRUE(cubin.advice.empty());
}

// nvJitLink 13.0 -verbose says everything twice, in two forms.
TEST(AssembleLog, NvJitLink) {
  nvptx::Cubin cubin = read(R"(ptxas info    : 0 bytes gmem
ptxas info    : Compiling entry function 'k' for 'sm_90a'
ptxas info    : Function properties for k
ptxas         .     16 bytes stack frame, 8 bytes spill stores, 12 bytes spill loads
ptxas info    : Used 8 registers, used 0 barriers
ptxas info    : Compile time = 13.333 ms
info    : 0 bytes gmem
info    : Function properties for 'k':
info    : used 9 registers, used 0 barriers, 5 stack, 0 bytes smem, 536 bytes cmem[0], 0 bytes lmem
)");
  ASSERT_EQ(cubin.kernels.size(), 1u);
  EXPECT_EQ(cubin.kernels[0], (Resources{"k", 8, 16, 8, 12, 0}));
}

TEST(AssembleLog, Advice) {
  nvptx::Cubin cubin = read(
      "ptxas warning : Value of threads per SM for entry k is out of range\n"
      "ptxas info    : (C7510) Potential Performance Loss: wgmma.mma_async "
      "instructions are serialized\n"
      "ptxas info    : Compiling entry function 'warning' for 'sm_90a'\n"
      "ptxas info    : Function properties for warning\n");
  ASSERT_EQ(cubin.advice.size(), 2u);
  EXPECT_EQ(cubin.advice[0].find("ptxas warning"), 0u);
  EXPECT_NE(cubin.advice[1].find("C7510"), std::string::npos);
  EXPECT_EQ(cubin.kernels.size(), 1u);
}

TEST(AssembleLog, AnyText) {
  EXPECT_TRUE(read("").kernels.empty());
  // Lines of a kernel before the first kernel, and numbers that are none.
  EXPECT_TRUE(read("ptxas info    : Used 8 registers\n").kernels.empty());
  nvptx::Cubin cubin =
      read("Compiling entry function '\n bytes stack frame\n"
           "x: Used 99999999999999999999 registers, q bytes smem\n");
  ASSERT_EQ(cubin.kernels.size(), 1u);
  EXPECT_EQ(cubin.kernels[0], Resources());
}

TEST(KernelNeeds, FromAttributes) {
  mlir::MLIRContext context;
  context.loadDialect<mlir::LLVM::LLVMDialect, mlir::NVVM::NVVMDialect>();
  auto module = mlir::parseSourceString<mlir::ModuleOp>(
      R"(llvm.func @gpu() attributes {nvvm.maxntid = array<i32: 32, 4>, kvarn.shared_bytes = 96 : i64}
         llvm.func @behind() attributes {kvarn.shared_bytes = 0 : i64, kvarn.awaits_previous}
         llvm.func @cpu() attributes {kvarn.scratch_bytes = 64 : i64}
         llvm.func @other())",
      mlir::ParserConfig(&context));
  ASSERT_TRUE(module);
  auto gpu = kernelNeeds(*module, "gpu"), cpu = kernelNeeds(*module, "cpu");
  ASSERT_TRUE(gpu && cpu);
  EXPECT_EQ(gpu->threads, 128);
  EXPECT_EQ(gpu->memoryBytes, 96);
  EXPECT_FALSE(gpu->awaitsPrevious);
  EXPECT_TRUE(kernelNeeds(*module, "behind")->awaitsPrevious);
  EXPECT_EQ(cpu->threads, 1);
  EXPECT_EQ(cpu->memoryBytes, 64);
  EXPECT_FALSE(kernelNeeds(*module, "other"));
  EXPECT_FALSE(kernelNeeds(*module, "none"));
}

} // namespace
