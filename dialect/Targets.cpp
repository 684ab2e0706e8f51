//===- Targets.cpp - The table of known targets ---------------------------===//

#include "dialect/Targets.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir::kvarn;

static constexpr llvm::StringLiteral kLinux = "x86_64-unknown-linux-gnu";
static constexpr llvm::StringLiteral kArmLinux = "aarch64-unknown-linux-gnu";
static constexpr llvm::StringLiteral kCuda = "nvptx64-nvidia-cuda";
static constexpr llvm::StringLiteral kRocm = "amdgcn-amd-amdhsa";

static constexpr int64_t kLanes01[] = {0, 1}, kLanes234[] = {2, 3, 4},
                         kLanes0123[] = {0, 1, 2, 3}, kLanes45[] = {4, 5},
                         kPairThen01[] = {-1, 0, 1},
                         kFourThen45[] = {-1, -1, 4, 5};

// PTX ISA, "Matrix Fragments for mma.m16n8k16 with floating point type".
static const MatrixInstruction kMma16816 = {
    "mma.m16n8k16", 16, 8, 16, kLanes01, kLanes234, kLanes234, kPairThen01};
// AMD CDNA 3 ISA, v_mfma_f32_16x16x16_f16.
static const MatrixInstruction kMfma161616 = {
    "mfma.16x16x16", 16, 16, 16, kLanes45, kLanes0123, kFourThen45, kLanes0123};

// Sizes: CUDA C++ programming guide, "Technical Specifications per Compute
// Capability". Rates: four schedulers at the usual clock; bandwidth as read
// from a typical board (of sm_90a an H200, where it was measured).
static constexpr Chip
    kCore = {2, 1, 0, int64_t(1) << 30, 1, int64_t(1) << 30, 8e9, 15e9},
    kA100 = {108, 2048, 65536, 167936, 1024, 166912, 4 * 1.4e9, 1.7e12},
    kGa102 = {84, 1536, 65536, 102400, 1024, 101376, 4 * 1.7e9, .55e12},
    kAd102 = {142, 1536, 65536, 102400, 1024, 101376, 4 * 2.2e9, .8e12},
    kHopper = {132, 2048, 65536, 233472, 1024, 232448, 4 * 1.75e9, 4.54e12},
    kCdna3 = {304, 2048, 131072, 65536, 1024, 65536, 4 * 2.1e9, 4.3e12};

static const Target kTargets[] = {
    {"x86-64-v3", Backend::Cpu, kLinux, "x86-64-v3", "", "x86_64", 256, true,
     nullptr, false, false, false, &kCore, "x86-64 with AVX2, FMA and F16C"},
    {"x86-64-v4", Backend::Cpu, kLinux, "x86-64-v4", "+prefer-no-gather",
     "x86_64", 512, true, nullptr, false, false, false, &kCore,
     "x86-64 with AVX-512 (F, BW, CD, DQ, VL)"},
    {"aarch64", Backend::Cpu, kArmLinux, "generic", "+neon,+fullfp16",
     "aarch64", 128, true, nullptr, false, false, false, &kCore,
     "64-bit Arm with NEON and half precision"},
    {"sm_80", Backend::Nvptx, kCuda, "sm_80", "+ptx81", "nvptx", 1024, true,
     &kMma16816, false, false, false, &kA100, "NVIDIA A100"},
    {"sm_86", Backend::Nvptx, kCuda, "sm_86", "+ptx81", "nvptx", 1024, true,
     &kMma16816, false, false, false, &kGa102, "NVIDIA A10, RTX 30"},
    {"sm_89", Backend::Nvptx, kCuda, "sm_89", "+ptx81", "nvptx", 1024, true,
     &kMma16816, false, false, false, &kAd102, "NVIDIA L4, L40S, RTX 40"},
    {"sm_90", Backend::Nvptx, kCuda, "sm_90", "+ptx81", "nvptx", 1024, true,
     &kMma16816, true, false, true, &kHopper,
     "NVIDIA H100, H200; base of later chips"},
    {"sm_90a", Backend::Nvptx, kCuda, "sm_90a", "+ptx81", "nvptx", 1024, true,
     &kMma16816, true, true, true, &kHopper,
     "NVIDIA H100, H200, with Hopper's own instructions"},
    {"gfx942", Backend::Amdgpu, kRocm, "gfx942", "", "amdgcn", 2048, true,
     &kMfma161616, false, false, false, &kCdna3,
     "AMD MI300 (object code only)"},
};

static const llvm::StringRef kX86Members[] = {"x86-64-v4", "x86-64-v3"};
// The first is machine code of one chip, the others run on every later one.
static const llvm::StringRef kNvidiaMembers[] = {"sm_90a", "sm_90", "sm_80"};
static const TargetFamily kFamilies[] = {{"x86_64", kX86Members},
                                         {"nvidia", kNvidiaMembers}};

llvm::ArrayRef<Target> mlir::kvarn::knownTargets() { return kTargets; }

llvm::ArrayRef<TargetFamily> mlir::kvarn::targetFamilies() { return kFamilies; }

const Target *mlir::kvarn::findTarget(llvm::StringRef name) {
  for (const Target &target : kTargets)
    if (target.name == name)
      return &target;
  return nullptr;
}

llvm::SmallVector<const Target *>
mlir::kvarn::expandTarget(llvm::StringRef name) {
  llvm::SmallVector<const Target *> targets;
  for (const TargetFamily &family : kFamilies)
    if (family.name == name)
      for (llvm::StringRef member : family.members)
        targets.push_back(findTarget(member));
  if (const Target *target = findTarget(name))
    targets.push_back(target);
  return targets;
}

const Target *mlir::kvarn::bestOf(llvm::StringRef name) {
  llvm::SmallVector<const Target *> targets = expandTarget(name);
  return targets.empty() ? nullptr : targets.front();
}

std::string mlir::kvarn::knownTargetNames() {
  llvm::SmallVector<llvm::StringRef> names;
  for (const TargetFamily &family : kFamilies)
    names.push_back(family.name);
  for (const Target &target : kTargets)
    names.push_back(target.name);
  return llvm::join(names, ", ");
}
