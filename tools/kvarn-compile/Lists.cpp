//===- Lists.cpp - What kvarn-compile knows -------------------------------===//

#include "tools/kvarn-compile/Lists.h"

#include "codegen/library/Compile.h"
#include "dialect/Targets.h"
#include "format/Format.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Format.h"

using namespace mlir;
using namespace mlir::kvarn;

void mlir::kvarn::printTargets(llvm::raw_ostream &out) {
  auto line = [&](StringRef name, const Twine &text) {
    out << llvm::left_justify(name, 12) << text << "\n";
  };
  for (const TargetFamily &family : targetFamilies())
    line(family.name, "the best that the machine has of " +
                          llvm::join(family.members, ", "));
  for (const Target &target : knownTargets())
    line(target.name, target.description +
                          "; up to --emit=" + stagesOf(target).back()->name);
}

void mlir::kvarn::printFormats(llvm::raw_ostream &out) {
  out << "format            bytes per token and KV head, head_dim 64 / "
         "128 / 256\n";
  for (int64_t keyBits : ::kvarn::kBits)
    for (int64_t valueBits : ::kvarn::kBits)
      for (int64_t group : ::kvarn::kGroups) {
        ::kvarn::Format format{keyBits, valueBits, group};
        out << llvm::left_justify(format.name(), 18);
        for (int64_t headDim : ::kvarn::kHeadDims) {
          format.headDim = headDim;
          out << (headDim == 64 ? "" : " / ")
              << llvm::format("%g", format.bytesPerToken());
        }
        out << "\n";
      }
}

void mlir::kvarn::printStages(llvm::raw_ostream &out) {
  for (const StageRow &row : kStages)
    out << llvm::left_justify(row.name, 10) << row.description << "\n";
}
