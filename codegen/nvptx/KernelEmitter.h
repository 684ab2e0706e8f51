//===- KernelEmitter.h - One kernel, tiles in registers ---------*- C++ -*-===//

#ifndef KVARN_CODEGEN_NVPTX_KERNELEMITTER_H
#define KVARN_CODEGEN_NVPTX_KERNELEMITTER_H

#include "codegen/KernelOps.h"
#include "codegen/nvptx/Barriers.h"
#include "codegen/nvptx/Dot.h"
#include "codegen/nvptx/Ir.h"
#include "dialect/Layout.h"
#include "dialect/Targets.h"
#include "passes/Schedules.h"

#include "mlir/Dialect/SCF/IR/SCF.h"

#include "llvm/ADT/MapVector.h"

#include <map>

namespace mlir::kvarn::nvptx {

/// A memref argument. `pointer` is the address of its first element.
struct Memory {
  Value pointer;
  Values sizes, strides; // i64
  Type element;
};

/// Codes stay where they are until a product wants them.
struct Codes {
  Value base; // of this lane: the code in register 0
  ::kvarn::Format format;
  ::kvarn::Part part;
  tile::Layout layout;
  int64_t unit;                     // bytes of one load
  SmallVector<int64_t> bits;        // register -> bits from the base
  std::map<int64_t, Values> loaded; // unit -> words
  std::map<std::pair<int64_t, int64_t>, Value> pairs; // see Records.cpp
  // Words with the upper bytes of others, and whether with nothing else.
  DenseMap<std::pair<Value, unsigned>, Value> upper;
};

/// A slot of each warp in shared memory.
struct Slot {
  int64_t offset, barrier; // bytes from the first one of the warp
  int64_t bytes;
  // i32 on the stack: copies so far, and whether the last one is known to be
  // there.
  Value phase, arrived;
};

/// Where a kept tile lies in shared memory: that of warp 0, or of all warps.
struct Kept {
  int64_t offset;
  bool alike;
};

/// A sum of numbers, and of the squares of their differences from the mean.
struct Moments {
  Value sum, squares;
};

/// Writes a PTX kernel for one tile kernel (see codegen/Codegen.h). Each tile
/// is a list of scalars, one for each register of its layout; fp16 tiles may be
/// packed, two registers of the first register bit in one word.
class KernelEmitter {
public:
  KernelEmitter(tile::KernelOp kernel, const Target &target);
  LogicalResult run();

private:
  //===--- Functions and ops (KernelEmitter.cpp) --------------------------===//
  LogicalResult checkTogether();
  LogicalResult checkSupported();
  void findExchanged();
  LLVM::LLVMFuncOp createFunction();
  void mapArguments(LLVM::LLVMFuncOp function);
  LogicalResult emitBlock(Block &block);
  LogicalResult emitOp(Operation &op);
  void emitSimpleOp(Operation *op);
  void emitScalarOp(Operation &op);

  //===--- Control flow (ControlFlow.cpp) ---------------------------------===//
  LogicalResult emitRegions(Operation *op);
  bool passesBy(Value product, Operation *op);
  LogicalResult emitFor(scf::ForOp op);
  LogicalResult emitWhile(scf::WhileOp op);
  LogicalResult emitIf(scf::IfOp op);
  Value conditionOf(Value condition);
  LogicalResult emitWarps(tile::WarpsOp op);
  /// The body of a loop or branch, and in `yielded` the scalars it ends with.
  LogicalResult emitBody(Block &block, Values &yielded);
  /// The scalars or words that stand for values, their types, and what stands
  /// for them from now on.
  Values flatten(ValueRange values);
  SmallVector<Type> flatTypes(ValueRange values);
  void unflatten(ValueRange values, ValueRange flat);

  //===--- Tiles (Tiles.cpp) ----------------------------------------------===//
  const Values &registers(Value tile);
  /// fp16 tiles: one word for each two registers.
  const Values &pairs(Value tile);
  void define(Value tile, Values values) { tiles[tile] = std::move(values); }
  static tile::Layout layout(Value tile) {
    return tile::Layout(tile::layoutOf(tile));
  }
  Value scalar(Value value) { return scalars.lookup(value); }
  /// What this lane (and warp) adds along `dim`, i32.
  Value laneOffset(const tile::Layout &layout, int64_t dim);
  /// Whether this thread holds the first copy of its elements; null = always.
  Value ownsCopy(const tile::Layout &layout);
  void emitElementwise(Operation *op);
  Values elementwise(Operation *op, ArrayRef<const Values *> operands);
  Value math(Operation *op, ValueRange operands);
  bool emitComparisonWithIota(arith::CmpIOp op);
  void emitTruncation(Operation *op);
  void emitPacked(Operation *op);
  void emitIota(tile::IotaOp op);
  void emitBroadcast(tile::BroadcastOp op);
  void emitTranspose(tile::TransposeOp op);
  void emitExpandScale(tile::ExpandScaleOp op);

  //===--- Tiles that are kept (Kept.cpp) ---------------------------------===//
  int64_t allocateKept(Block &block, int64_t offset);
  Value keptAt(Value tile, int64_t word);
  void emitKeep(tile::KeepOp op);
  const Values &fetch(Value tile);

  //===--- Changes of layout (ConvertLayout.cpp) --------------------------===//
  LogicalResult emitConvertLayout(tile::ConvertLayoutOp op);
  void emitPieceTransposition(tile::ConvertLayoutOp op);
  void convertByShuffles(tile::ConvertLayoutOp op, const tile::Layout &from,
                         const tile::Layout &to);
  void convertByRows(tile::ConvertLayoutOp op, bool transposed);

  //===--- Exchange between lanes and warps (Exchange.cpp) ----------------===//
  LogicalResult emitReduce(tile::ReduceOp op);
  LogicalResult emitScan(tile::ScanOp op);
  void emitArrive(tile::ArriveOp op);
  void shareRegisters(ArrayRef<Value> values);
  static int64_t sharedIndex(const tile::Layout &from, ArrayRef<int64_t> place);
  Value sharedPlace(const tile::Layout &from, const tile::Layout &to,
                    int64_t bytes);
  Values exchange(const tile::Layout &from, const tile::Layout &to,
                  const Values &values);
  static SmallVector<int64_t> warpsAlong(const tile::Layout &layout,
                                         int64_t dim);
  Value plus(Value total, Value value);
  Value sumOf(ArrayRef<Value> parts);
  Value combineAll(tile::ReduceKind kind, ArrayRef<Value> values);
  Value reduceLanes(tile::ReduceKind kind, Value value, bool signs);
  Value reduceToNumber(tile::ReduceKind kind, Value tile);
  Values reduceOverWarps(tile::ReduceKind kind, const tile::Layout &from,
                         const tile::Layout &to, ArrayRef<Value> values,
                         ArrayRef<int64_t> parts);
  Value combine(tile::ReduceKind kind, Value a, Value b);
  Values otherWarp(ArrayRef<Value> values, int64_t bit);

  //===--- Rotations (Hadamard.cpp) ---------------------------------------===//
  LogicalResult emitHadamard(tile::HadamardOp op);
  void emitHadamardMatrix(tile::HadamardMatrixOp op);

  //===--- Squares of differences from the mean (Squares.cpp) -------------===//
  /// Sums of squares that are only there to be converted are made in the
  /// layout of the conversion.
  tile::ConvertLayoutOp onlyConversion(tile::ReduceOp op);
  LogicalResult emitSquares(tile::ReduceOp op, Value result);
  void mergeLanes(SmallVector<Moments> &moments, tile::Layout &held,
                  const tile::Layout &wanted, size_t bit, int64_t count);
  Moments momentsOf(ArrayRef<Value> values);
  Moments merge(const Moments &a, const Moments &b, int64_t count);
  Values squaresOverWarps(const tile::Layout &from, const tile::Layout &to,
                          ArrayRef<Moments> own, int64_t count,
                          ArrayRef<int64_t> parts);

  //===--- Matrix products (Dot.cpp) --------------------------------------===//
  LogicalResult emitDot(tile::DotOp op);
  DotPlan planDot(tile::DotOp op);
  DotStep stepOf(const DotPlan &plan, const DotCell &cell, int64_t at);
  Values multiply(const DotStep &step, ArrayRef<Value> sum);
  void sumInChains(const DotPlan &plan, ArrayRef<DotCell> group, Values &total,
                   DenseMap<Value, Value> &copies);
  void sumCells(const DotPlan &plan, ArrayRef<DotCell> cells, Values &total,
                DenseMap<Value, Value> &copies);

  //===--- Products that are added where a number says so (AddIf.cpp) -----===//
  bool emitAddIf(arith::SelectOp op);
  std::optional<AddIf> addIfOf(tile::DotOp dot);
  void emitDotIf(tile::DotOp dot, const DotPlan &plan, AddIf add);

  //===--- Products with vectors (VectorDot.cpp) --------------------------===//
  DotStep vectorStep(const VectorPlan &plan, int64_t row,
                     ArrayRef<int64_t> steps);
  Value vectorSum(const VectorPlan &plan, int64_t row);
  LogicalResult emitVectorDot(tile::DotOp op);

  //===--- Matrices of few different registers (AlikeDot.cpp) -------------===//
  bool areAlike(Value tile) const;
  SignedSum signedSum(ArrayRef<DotStep> steps);
  void sumAlike(const DotPlan &plan, Values &total);
  /// Brings what was emitted since the last such product into the order in
  /// which stores need it.
  void orderByStores();

  //===--- Products of four warps (Warpgroup.cpp) -------------------------===//
  void emitStage(tile::StageOp op);
  LogicalResult checkSharedDot(tile::DotOp op);
  LogicalResult emitSharedDot(tile::DotOp op);
  Values sumsOf(tile::DotOp op);
  Value descriptorOf(Value tile);
  void waitFor(size_t count);
  void waitForProducts() { waitFor(underWay.size()); }

  //===--- Memory (Memory.cpp) --------------------------------------------===//
  Value address(Value memref, ArrayRef<Value> indices);
  Value existing(Value memref, Value address, Value exists);
  LogicalResult forEachRun(Operation *op, Value tile, OperandRange indices,
                           Value mask,
                           llvm::function_ref<void(Value address, Value exists,
                                                   ArrayRef<int64_t> registers)>
                               access);
  LogicalResult emitLoad(tile::LoadOp op);
  LogicalResult emitStore(tile::StoreOp op);
  LogicalResult emitGather(tile::GatherOp op);
  LogicalResult emitScatter(tile::ScatterOp op);

  //===--- Records (Records.cpp) ------------------------------------------===//
  Value sourceAddress(Value source, OperandRange indices, int64_t offset);
  LogicalResult emitLoadVector(tile::LoadVectorOp op);
  LogicalResult emitLoadCodes(tile::LoadCodesOp op);
  Values codeValues(Codes &codes);
  LogicalResult emitExpand(tile::ExpandOp op);
  LogicalResult expandValues(tile::ExpandOp op);
  LogicalResult emitSubtractTop(tile::SubtractTopOp op);
  Value codePair(Codes &codes, int64_t pair, int64_t &bit);
  Value upperBytes(Codes &codes, Value word, bool alone);
  Value expandPair(Value tile, int64_t pair);
  Value pairOf(Value tile, int64_t index);
  FailureOr<Value> codeOffset(Operation *op, const ::kvarn::Format &format,
                              ::kvarn::Part part, const tile::Layout &layout,
                              int64_t tokenDim, int64_t &unit);

  //===--- Records are written (Store.cpp) --------------------------------===//
  Value recordAddress(Value pages, Value block, Value head);
  LogicalResult emitStoreCodes(tile::StoreCodesOp op);
  void emitStoreVector(tile::StoreVectorOp op);

  //===--- Slots (Slots.cpp) ----------------------------------------------===//
  void allocateSlots();
  void allocateMemory();
  void initializeSlots();
  void emitAsyncCopy(tile::AsyncCopyOp op);
  void askForOthers(Value slot);
  void emitWait(tile::WaitOp op);
  void sayTogether(Value word);
  void waitForBarrier(const Slot &slot, Value parity);
  void emitBulkCopy(const Slot &slot, Value predicate, Value from, Value to);
  void emitLaneCopies(const Slot &slot, Value predicate, Value from, Value to);
  LogicalResult checkWait(tile::WaitOp op);
  Value slotAddress(Value slot);
  Value sharedNumber(Value pointer);
  Value slotMemory();
  Value barrierOf(const Slot &slot);
  /// Whether this thread is the one that acts for all that share the slots.
  Value isFirst();
  void meetSharers();
  void fenceCopies();
  void syncSharers();

  tile::KernelOp kernel;
  const Target &target;
  Ir ir;
  bool bulkCopies;
  int64_t warps = 1;
  bool hasOwnWarps = false; // there is a tile.warps
  /// What programs leave for each other: memrefs that a kernel with a
  /// tile.arrive stores to. Loads of them stay in their order.
  DenseSet<Value> exchanged;
  bool insideWarps = false;
  bool together = false; // all warps share slots and products
  bool repeats = false;  // there is a loop with its body in front
  // Of one warp, or of all together.
  int64_t barrierBytes = 0, slotBytes = 0;
  int64_t slotsOffset = 0;   // of all slots
  int64_t scratchOffset = 0; // of what warps exchange
  int64_t scratchBytes = 0;
  Value copies; // i32 on the stack: asynchronous copies of this warp so far
  Value lane, shared, scratch;
  // With tile.warps that of lane 0: the assembler then knows that all lanes
  // have the same.
  Value warp;
  // 0, of which it does not know that: what is loaded ahead shall stay in the
  // registers of lanes, because moving it to shared ones is to wait for it.
  Value ownZero;
  IRMapping scalars;
  DenseMap<Value, Memory> memories;
  DenseMap<Value, Values> tiles, packed;
  DenseMap<Value, Opposite> opposites; // of words that are one of a few
  Values unpacked;                     // what registers() made last
  DenseSet<Operation *> emitted;       // with an op before them
  Operation *firstOfProduct = nullptr; // a mark before one of sumAlike
  DenseMap<Value, std::shared_ptr<Codes>> codes;
  DenseMap<Value, tile::ExpandOp> expanded;
  DenseMap<std::pair<Value, int64_t>, Value> expandedPairs;
  llvm::MapVector<Value, Slot> slots;
  StagedTiles stages;
  DenseSet<Operation *> syncsBefore; // see Barriers.h
  DenseMap<Value, Kept> kept;
  DenseMap<Value, Values> fetched; // kept tiles, in this region
  SmallVector<Value> underWay;     // products, in the order they were begun in
  std::array<Value, 3> programId;
};

/// The type of a scalar of `type` while it is computed with.
inline Type registerType(Type type) {
  if (type.isIndex() || isa<tile::TokenType>(type))
    return IntegerType::get(type.getContext(), 32);
  return type;
}

/// Whether the bit of this basis only makes copies.
inline bool isCopy(ArrayRef<int64_t> basis) {
  return llvm::all_of(basis, [](int64_t part) { return part == 0; });
}

/// Whether a word holds two registers of the tile.
inline bool isInPairs(Value value) {
  return isTile(value) && getElementTypeOrSelf(value).isF16() &&
         tile::Layout(tile::layoutOf(value)).registerCount() > 1;
}

/// Whether the numbers of `value` cannot be below 0, as far as what they are
/// made of shows it, over `depth` ops: the bits of such floats are in order as
/// they are.
bool isNeverNegative(Value value, int depth = 12);

/// Bits from the first of a part to the code at `place` of a tile whose
/// dimension `tokenDim` counts tokens.
int64_t bitOf(const ::kvarn::Format &format, ::kvarn::Part part,
              ArrayRef<int64_t> place, int64_t tokenDim);

/// The symbol of a program's shared memory.
inline constexpr StringLiteral kSharedMemory = "kvarn_shared";

} // namespace mlir::kvarn::nvptx

#endif // KVARN_CODEGEN_NVPTX_KERNELEMITTER_H
