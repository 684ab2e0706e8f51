//===- Space.cpp - What the autotuner may try, printed --------------------===//

#include "tools/kvarn-compile/Space.h"

#include "autotune/space/Space.h"
#include "codegen/library/Compile.h"
#include "codegen/nvptx/Assemble.h"
#include "passes/Schedules.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace mlir::kvarn;

void mlir::kvarn::printSpace(const Target &target, llvm::raw_ostream &out) {
  for (const SpaceField *field : searchSpace(target.backend)) {
    out << llvm::left_justify(field->family, 12)
        << llvm::left_justify(field->name, 17)
        << llvm::join(field->values, ", ");
    if (!field->constraint.empty())
      out << " (" << field->constraint << ")";
    out << "\n";
  }
}

static llvm::json::Object chipToJson(const Target &target) {
  const Chip &chip = *target.chip;
  return llvm::json::Object{{"lanes", target.vectorBits / 32},
                            {"gpu", target.backend != Backend::Cpu},
                            {"processors", chip.processors},
                            {"threads", chip.threads},
                            {"registers", chip.registers},
                            {"shared_bytes", chip.sharedBytes},
                            {"program_shared_bytes", chip.programSharedBytes},
                            {"instruction_rate", chip.instructionRate},
                            {"read_bandwidth", chip.readBandwidth}};
}

static llvm::json::Object hintToJson(const ::kvarn::Hint &hint) {
  llvm::json::Object object;
  for (const ::kvarn::HintMember &member : ::kvarn::kHintMembers)
    if (std::optional<int64_t> value = hint.*member.value)
      object[member.name] = *value;
  return object;
}

std::string mlir::kvarn::listSchedulesOfSpace(const Target &target,
                                              StringRef family,
                                              func::FuncOp program,
                                              FormatAttr format) {
  llvm::json::Array schedules;
  for (const SchedulePoint &point :
       enumerateSchedules(target, family, program, format)) {
    std::string text;
    llvm::raw_string_ostream(text) << Attribute(point.schedule);
    llvm::json::Object item{{"schedule", text},
                            {"shared_bytes", point.sharedBytes}};
    if (!point.broken.empty())
      item["broken"] = point.broken;
    schedules.push_back(std::move(item));
  }
  llvm::json::Array specials;
  std::vector<HintedSchedule> defaults =
      defaultSchedules(program.getContext(), target, program);
  for (const HintedSchedule &special : llvm::drop_begin(defaults)) {
    llvm::json::Array hints;
    for (const ::kvarn::Hint &hint : special.hints)
      hints.push_back(hintToJson(hint));
    specials.push_back(
        llvm::json::Object{{"schedule", scheduleText(special.schedule)},
                           {"hints", std::move(hints)}});
  }
  bool nvptx = target.backend == Backend::Nvptx;
  std::string text;
  llvm::raw_string_ostream(text)
      << llvm::json::Value(llvm::json::Object{
             {"target", target.name},
             {"kernel", family},
             {"compiler", compilerVersion()},
             {"assembler",
              nvptx ? nvptx::assemblerVersion(target.cpu) : "LLVM"},
             {"chip", chipToJson(target)},
             {"specials", std::move(specials)},
             {"schedules", std::move(schedules)}})
      << "\n";
  return text;
}
