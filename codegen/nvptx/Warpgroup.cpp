//===- Warpgroup.cpp - Products of four warps, with wgmma -----------------===//
//
// wgmma multiplies [64 rows, 16 depth] from registers by [16 depth, columns]
// from shared memory. There rows of memory run along the depth (K-major, in the
// words of the PTX ISA): 64 elements of each column of the operand, and another
// 64 in the next panel. The 16-byte pieces of a row of 128 bytes are permuted
// by the row's number, as the instruction's 128-byte swizzle has it.
//
// A product is not waited for until its result is used, so that what stands
// between is done meanwhile.
//
//===----------------------------------------------------------------------===//

#include "codegen/nvptx/KernelEmitter.h"
#include "codegen/nvptx/Runs.h"
#include "passes/MatrixLayouts.h"

#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace mlir::kvarn;
using namespace mlir::kvarn::nvptx;
using namespace mlir::kvarn::tile;

/// fp16 elements of a row of memory, and of one 16-byte piece of it.
static constexpr int64_t kRowElements = 64, kPieceElements = 8;

/// The bits of an address that number the pieces of a row.
static constexpr int64_t kPieceMask = 0x70;

/// Bytes of the depth of one instruction within a row of memory.
static constexpr int64_t kStepBytes = 32, kStepsPerRow = 4;

//===----------------------------------------------------------------------===//
// Staged tiles
//===----------------------------------------------------------------------===//

/// Where the element at `place` lies, in elements.
static int64_t swizzled(const Layout &memory, ArrayRef<int64_t> place) {
  int64_t index = memory.registerAt(place);
  return index ^ (index / kRowElements % kPieceElements * kPieceElements);
}

void KernelEmitter::emitStage(StageOp op) {
  Layout from = layout(op.getInput()), memory = layout(op.getResult());
  // The swizzle is linear too: places add up without carries.
  Value own = ir.i32(0);
  for (auto [bases, number] :
       {std::pair(&from.lanes, lane), std::pair(&from.warps, warp)})
    for (auto [bit, basis] : llvm::enumerate(*bases))
      if (int64_t part = swizzled(memory, basis)) {
        Value set = ir.both(ir.shiftRight(number, bit), ir.i32(1));
        own = ir.create<arith::XOrIOp>(own, ir.mul(set, ir.i32(2 * part)));
      }
  // Registers whose elements follow one another in memory.
  SmallVector<int64_t> run;
  while (int64_t(1) << run.size() < kPieceElements) {
    auto next = llvm::find_if(from.registers, [&](ArrayRef<int64_t> basis) {
      return memory.registerAt(basis) == int64_t(1) << run.size();
    });
    if (next == from.registers.end())
      break;
    run.push_back(next - from.registers.begin());
  }
  bool inPairs = !run.empty() && run.front() == 0;
  Values values = inPairs ? pairs(op.getInput()) : registers(op.getInput());
  Value base = ir.at(shared, stages.bytesOf(op.getResult()).begin);
  if (syncsBefore.contains(op))
    syncSharers();
  {
    OpBuilder::InsertionGuard guard(ir);
    if (Value owner = ownsCopy(from))
      ir.setInsertionPointToStart(
          ir.create<scf::IfOp>(owner, /*withElseRegion=*/false).thenBlock());
    for (int64_t first = 0; first < from.registerCount(); ++first) {
      if (llvm::any_of(run, [&](int64_t bit) { return first >> bit & 1; }))
        continue;
      // Only pieces are permuted: the rest is part of the instruction, so that
      // there are few addresses to keep.
      int64_t part = 2 * swizzled(memory, from.placeOf(first));
      int64_t piece = part & kPieceMask;
      Value at =
          ir.at(ir.at(base, ir.createOrFold<arith::XOrIOp>(own, ir.i32(piece))),
                part - piece);
      Values elements;
      for (int64_t i = 0; i < int64_t(1) << run.size(); i += inPairs ? 2 : 1) {
        int64_t index = first;
        for (auto [bit, place] : llvm::enumerate(run))
          index |= (i >> bit & 1) << place;
        elements.push_back(values[inPairs ? index / 2 : index]);
      }
      if (inPairs)
        ir.storeWords(elements, at);
      else
        storeRun(ir, elements, at);
    }
  }
}

//===----------------------------------------------------------------------===//
// Products
//===----------------------------------------------------------------------===//

static bool isZero(Value tile) {
  SplatElementsAttr splat;
  return matchPattern(tile, m_Constant(&splat)) &&
         splat.getSplatValue<APFloat>().isZero();
}

static Type structOf(Type element, size_t count) {
  return LLVM::LLVMStructType::getLiteral(element.getContext(),
                                          SmallVector<Type>(count, element));
}

/// "$first, $first + 1, ..", `count` of them.
static std::string operandList(size_t first, size_t count) {
  std::string list;
  for (size_t i = 0; i < count; ++i)
    list += (i ? ", $" : "$") + std::to_string(first + i);
  return list;
}

/// A matrix descriptor: address, no second stride, 1024 bytes between groups of
/// eight rows, all in units of 16 bytes; 128-byte swizzle.
Value KernelEmitter::descriptorOf(Value tile) {
  Value start = ir.at(shared, stages.bytesOf(tile).begin);
  Value address = ir.shiftRight(sharedNumber(start), 4);
  return ir.either(ir.create<arith::ExtUIOp>(ir.getI64Type(), address),
                   ir.i64(int64_t(1) << 62 | int64_t(64) << 32 | 1 << 16));
}

/// Bytes / 16 from the first step of the depth of a staged operand with `rows`
/// rows of memory.
static int64_t stepOffset(int64_t step, int64_t rows) {
  return (step / kStepsPerRow * rows * kRowElements * 2 +
          step % kStepsPerRow * kStepBytes) /
         16;
}

namespace {
/// What the steps of one product have in common.
struct ProductText {
  int64_t columns, steps;
  bool fresh;       // no sums to begin with
  size_t firstLeft; // number of the first operand of the left side

  std::string text() const;
};
} // namespace

std::string ProductText::text() const {
  std::string results = operandList(0, columns / 2);
  std::string right = "$" + std::to_string(firstLeft + 4 * steps);
  std::string text = "{\n .reg .pred p;\n .reg .b64 b;\n setp.ne.b32 p, " +
                     std::string(fresh ? "0" : "1") +
                     ", 0;\n wgmma.fence.sync.aligned;\n";
  for (int64_t step = 0; step < steps; ++step) {
    text += " add.s64 b, " + right + ", " +
            std::to_string(stepOffset(step, columns)) +
            ";\n wgmma.mma_async.sync.aligned.m64n" + std::to_string(columns) +
            "k16.f32.f16.f16 {" + results + "}, {" +
            operandList(firstLeft + 4 * step, 4) + "}, b, p, 1, 1, 0;\n";
    if (step == 0 && fresh)
      text += " setp.ne.b32 p, 1, 0;\n";
  }
  return text + " wgmma.commit_group.sync.aligned;\n}";
}

/// That the tiles lie as the instruction has them.
LogicalResult KernelEmitter::checkSharedDot(DotOp op) {
  RankedTensorType lhs = op.getLhs().getType(), rhs = op.getRhs().getType();
  if (!stages.contains(op.getRhs()))
    return op.emitOpError("has a right operand that is not staged");
  int64_t columns = rhs.getShape()[1];
  SharedProduct expected = sharedProduct(lhs.getShape(), columns);
  for (auto [value, layout] : {std::pair(Value(op.getLhs()), &expected.lhs),
                               {op.getRhs(), &expected.rhs},
                               {op.getResult(), &expected.result}})
    if (layoutOf(value) != layout->get(ir.getContext()))
      return op.emitOpError() << "has the tile " << value.getType()
                              << ", expected " << layout->get(ir.getContext());
  if (lhs.getShape()[0] != 16 * warps || warps % 4 ||
      lhs.getShape()[1] % kRowElements || columns < 8 || columns > 256)
    return op.emitOpError()
           << "multiplies " << lhs.getShape()[0] << " x " << lhs.getShape()[1]
           << " by " << columns << " columns, expected 16 rows for each of "
           << warps
           << " warps, a depth of 64 or more and 8 "
              "to 256 columns";
  return success();
}

/// The registers that `op` adds to. Products with the same sums follow one
/// another without waiting. They then count as one of those under way, so that
/// to wait for one before them is to wait for no fewer.
Values KernelEmitter::sumsOf(DotOp op) {
  Value sums = op.getAccumulator();
  auto known = llvm::find(underWay, sums);
  if (known == underWay.end() || !sums.hasOneUse())
    return registers(sums);
  underWay.erase(known);
  return tiles[sums];
}

/// All steps of the depth in one statement, so that no register is moved in
/// between.
LogicalResult KernelEmitter::emitSharedDot(DotOp op) {
  if (failed(checkSharedDot(op)))
    return failure();
  if (syncsBefore.contains(op))
    syncSharers();
  RankedTensorType lhs = op.getLhs().getType(), rhs = op.getRhs().getType();
  ProductText product;
  product.columns = rhs.getShape()[1];
  product.steps = lhs.getShape()[1] / 16;
  product.fresh = isZero(op.getAccumulator());
  size_t count = product.columns / 2;
  std::string constraints;
  for (size_t i = 0; i < count; ++i)
    constraints += "=&f,";
  Values operands;
  if (!product.fresh)
    operands = sumsOf(op);
  for (size_t i = 0; i < operands.size(); ++i)
    constraints += std::to_string(i) + ",";
  product.firstLeft = count + operands.size();
  auto add = [&](Value operand, StringRef constraint) {
    operands.push_back(operand);
    constraints += constraint.str() + ",";
  };
  for (Value word : Values(pairs(op.getLhs())))
    add(word, "r");
  add(descriptorOf(op.getRhs()), "l");
  Value all = ir.assembly(product.text(), constraints + "~{memory}", operands,
                          structOf(ir.getF32Type(), count));
  Values values;
  for (size_t i = 0; i < count; ++i)
    values.push_back(ir.create<LLVM::ExtractValueOp>(all, i));
  define(op.getResult(), values);
  underWay.push_back(op.getResult());
  return success();
}

/// For the first `count` products that are under way: their registers are not
/// touched before.
void KernelEmitter::waitFor(size_t count) {
  if (count == 0)
    return;
  ArrayRef<Value> done = ArrayRef(underWay).take_front(count);
  Values operands;
  for (Value tile : done)
    llvm::append_range(operands, tiles[tile]);
  std::string constraints;
  for (size_t i = 0; i < operands.size(); ++i)
    constraints += "=f,";
  for (size_t i = 0; i < operands.size(); ++i)
    constraints += std::to_string(i) + ",";
  // They end in the order in which they were begun.
  Value all = ir.assembly("wgmma.wait_group.sync.aligned " +
                              std::to_string(underWay.size() - count) + ";",
                          constraints + "~{memory}", operands,
                          structOf(ir.getF32Type(), operands.size()));
  int64_t next = 0;
  for (Value tile : done)
    for (Value &value : tiles[tile])
      value = ir.create<LLVM::ExtractValueOp>(all, next++);
  underWay.erase(underWay.begin(), underWay.begin() + count);
}
