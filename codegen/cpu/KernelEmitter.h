//===- KernelEmitter.h - One kernel as vectors and loops --------*- C++ -*-===//

#ifndef KVARN_CODEGEN_CPU_KERNELEMITTER_H
#define KVARN_CODEGEN_CPU_KERNELEMITTER_H

#include "codegen/cpu/Ir.h"
#include "codegen/cpu/Placement.h"
#include "codegen/cpu/Scratch.h"
#include "dialect/Targets.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

namespace mlir::kvarn::cpu {

/// A tile in memory, row-major without gaps.
struct Buffer {
  Value pointer;
  RankedTensorType type;
};

/// A memref argument. `pointer` is the address of its first element.
struct Memory {
  Value pointer;
  Values sizes, strides; // index
  Type element;
};

/// How the vectors of a block of columns are arranged: vector j of a group of
/// `group` vectors holds columns j, j + group, j + 2 * group, ...
struct ColumnBlock {
  Values vectors;
  int64_t group = 1;
};

/// The register tile of a matrix product.
struct RegisterTile {
  int64_t rows, vectors;
};

/// Writes a function of the C interface for one kernel (see codegen/Codegen.h).
/// Every op of the kernel is translated in order; inline tiles only when their
/// consumer asks for vectors.
class KernelEmitter {
public:
  KernelEmitter(tile::KernelOp kernel, const Target &target);
  LogicalResult run();

private:
  //===--- Functions and ops (KernelEmitter.cpp) --------------------------===//
  func::FuncOp createFunction();
  void mapArguments(func::FuncOp function);
  LogicalResult checkSupported();
  void emitBlock(Block &block);
  void emitOp(Operation &op);
  void emitScalarOp(Operation &op);
  Value arrive(Value counter, Value count);

  //===--- Control flow (ControlFlow.cpp) ---------------------------------===//
  void emitFor(scf::ForOp op);
  void emitWhile(scf::WhileOp op);
  SmallVector<Buffer> carryTiles(ValueRange inits, ValueRange arguments,
                                 ValueRange results, Values &scalarInits);
  void mapCarried(ValueRange values, ValueRange scalarValues);
  Values emitNext(ValueRange values, ValueRange arguments,
                  ArrayRef<Buffer> carried, Operation *terminator);
  void emitIf(scf::IfOp op);
  void emitWarps(tile::WarpsOp op);
  /// The carried or returned values of a kind that stays an SSA value.
  static bool isCarried(Type type);

  //===--- Tiles (Tiles.cpp) ----------------------------------------------===//
  Value scalar(Value original) const { return scalars.lookup(original); }
  /// `width` elements of the tile from `column` of row `lead`.
  Value vectorAt(Value tile, ValueRange lead, Value column, int64_t width);
  Value elementAt(Value tile, ValueRange lead, Value column);
  /// The same converted to f32.
  Value floatsAt(Value tile, ValueRange lead, Value column, int64_t width);
  Value evaluate(Operation *op, ValueRange lead, Value column, int64_t width);
  Value constantAt(arith::ConstantOp op, ValueRange lead, Value column,
                   int64_t width);
  Value iotaAt(tile::IotaOp op, ValueRange lead, Value column, int64_t width);
  Value hadamardAt(tile::HadamardMatrixOp op, ValueRange lead, Value column,
                   int64_t width);
  Value broadcastAt(tile::BroadcastOp op, ValueRange lead, Value column,
                    int64_t width);
  Value elementwiseAt(Operation *op, ValueRange lead, Value column,
                      int64_t width);

  Buffer allocate(RankedTensorType type);
  /// Where the result of a buffered op goes; the buffer is the result's from
  /// now on.
  Buffer destination(Value result);
  void materialize(Value tile, Buffer to);
  void fill(Buffer to,
            llvm::function_ref<Value(ValueRange, Value, int64_t)> vector);
  /// An existing buffer of the tile or a new one that belongs to `temporaries`.
  Buffer inMemory(Value tile);
  Buffer inMemoryAsF32(Value tile);
  void release(Operation *after);
  Value bufferAddress(Buffer buffer, ValueRange lead, Value column);
  void storeTo(Buffer buffer, Value value, ValueRange lead, Value column);
  void forEachRow(ArrayRef<int64_t> shape,
                  llvm::function_ref<void(ValueRange)> body);
  /// A constant array in the module.
  Value table(DenseElementsAttr values);
  /// As many zero bytes.
  Value zeros(int64_t bytes);
  Value global(Type type, Attribute value);

  //===--- Reductions and butterflies (Reduce.cpp) ------------------------===//
  void emitReduce(tile::ReduceOp op);
  void emitScan(tile::ScanOp op);
  Value reduceRow(tile::ReduceOp op, ValueRange lead);
  void reduceColumns(tile::ReduceOp op, Buffer to);
  Value combine(tile::ReduceKind kind, Value a, Value b);
  Value neutral(tile::ReduceKind kind, Type type);
  Value foldLanes(tile::ReduceKind kind, Value vector);
  void emitHadamard(tile::HadamardOp op);
  void emitTranspose(tile::TransposeOp op);

  //===--- Matrix products (Dot.cpp) --------------------------------------===//
  void emitDot(tile::DotOp op);
  RegisterTile registerTile(tile::DotOp op);
  void dotColumns(tile::DotOp op, Buffer lhs, Buffer to);
  void dotColumnBlock(tile::DotOp op, Buffer lhs, Buffer to, Value column,
                      int64_t vectors, int64_t width);
  void dotRowBlock(tile::DotOp op, Buffer lhs, Buffer to, Value row,
                   int64_t rows, Value column, int64_t vectors, int64_t width,
                   const Buffer *panel, int64_t group);
  ColumnBlock columnBlock(Value tile, Value row, Value column, int64_t vectors,
                          int64_t width);
  Values interleave(ArrayRef<Value> vectors);
  void dotRows(tile::DotOp op, Value rows, Buffer lhs, Buffer to);
  void dotRowsBlock(tile::DotOp op, Value rows, const Buffer *packed,
                    Buffer lhs, Buffer to, Value m, int64_t ms, Value n,
                    int64_t ns);
  Value horizontalSums(Values vectors);

  //===--- Memory (Memory.cpp) --------------------------------------------===//
  Value rowAddress(Value memory, OperandRange indices, Value mask, Value row,
                   Value column, int64_t bytes);
  Value loadAt(tile::LoadOp op, ValueRange lead, Value column, int64_t width);
  void emitStore(tile::StoreOp op);
  void emitGather(tile::GatherOp op);
  void emitScatter(tile::ScatterOp op);
  void ifMasked(Value mask, Value row, llvm::function_ref<void()> body);

  //===--- Records (Records.cpp, StoreCodes.cpp) --------------------------===//
  Value recordAddress(Value pages, Value block, Value head);
  /// The address of the byte at `offset` of a record in pages or in a slot.
  Value sourceAddress(Value source, OperandRange indices, int64_t offset);
  Value loadVectorAt(tile::LoadVectorOp op, Value column, int64_t width);
  Value codesAt(tile::LoadCodesOp op, Value row, Value column, int64_t width);
  Value packedCodesAt(tile::LoadCodesOp op, Value row, Value column,
                      int64_t width);
  Value scatteredCodesAt(tile::LoadCodesOp op, Value row, Value column,
                         int64_t width);
  Value codeByteAddress(tile::LoadCodesOp op, Value row, Value column);
  /// `group` vectors of codes as f32 with a single load, see ColumnBlock.
  Values groupedCodesAt(tile::LoadCodesOp op, Value row, Value column,
                        int64_t group, int64_t width, bool subnormal);
  Value expandAt(tile::ExpandOp op, ValueRange lead, Value column,
                 int64_t width);
  Value codesBehind(tile::ExpandOp op, ValueRange lead, Value column,
                    int64_t width);
  Value wholeBytesAt(tile::ExpandOp op, Value row, Value column, int64_t width);
  Value subtractTopAt(tile::SubtractTopOp op, ValueRange lead, Value column,
                      int64_t width);
  Value expandScaleAt(tile::ExpandScaleOp op, Value column, int64_t width);
  void emitStoreVector(tile::StoreVectorOp op);
  void emitStoreCodes(tile::StoreCodesOp op);
  void emitAsyncCopy(tile::AsyncCopyOp op);
  void allocateSlots();

  tile::KernelOp kernel;
  const Target &target;
  Placement placement;
  Ir ir;
  int64_t lanes; // f32 elements of a vector register
  Value scratchPointer;
  Scratch scratch;
  IRMapping scalars;
  DenseMap<Value, Memory> memories;
  DenseMap<Value, Buffer> buffers;
  DenseMap<Value, int64_t> owned;    // tile -> offset of its buffer
  SmallVector<int64_t> temporaries;  // offsets to free after this op
  DenseMap<Value, Buffer> forwarded; // yielded tile -> buffer of the result
  std::array<Value, 3> programId;
  DenseMap<Attribute, Value> tables; // in the entry block
};

/// Elements of a row. A tile of rank 0 is a row of one.
int64_t columnsOf(RankedTensorType type);

/// Codes of this op lie one after the other along the last dimension.
bool hasPackedRows(tile::LoadCodesOp op);

/// Replaces exp, exp2, log, log2 and tanh by arithmetic, and conversions that
/// would need a library.
LogicalResult expandMath(func::FuncOp function);

} // namespace mlir::kvarn::cpu

#endif // KVARN_CODEGEN_CPU_KERNELEMITTER_H
