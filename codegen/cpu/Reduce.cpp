//===- Reduce.cpp - Reductions, butterflies, transposition ----------------===//

#include "codegen/cpu/KernelEmitter.h"

using namespace mlir;
using namespace mlir::kvarn;
using namespace mlir::kvarn::cpu;
using namespace mlir::kvarn::tile;

//===----------------------------------------------------------------------===//
// reduce
//===----------------------------------------------------------------------===//

Value KernelEmitter::combine(ReduceKind kind, Value a, Value b) {
  if (!isa<FloatType>(getElementTypeOrSelf(a))) {
    if (kind == ReduceKind::Add)
      return ir.create<arith::AddIOp>(a, b);
    if (kind == ReduceKind::Max)
      return ir.create<arith::MaxSIOp>(a, b);
    return ir.create<arith::MinSIOp>(a, b);
  }
  if (kind == ReduceKind::Add)
    return ir.create<arith::AddFOp>(a, b);
  // The form that is one instruction on every CPU.
  auto predicate = kind == ReduceKind::Max ? arith::CmpFPredicate::OGT
                                           : arith::CmpFPredicate::OLT;
  Value first = ir.create<arith::CmpFOp>(predicate, a, b);
  return ir.create<arith::SelectOp>(first, a, b);
}

static TypedAttr neutralElement(ReduceKind kind, Type element) {
  auto real = dyn_cast<FloatType>(element);
  if (!real) {
    unsigned bits = element.isIndex() ? 64 : element.getIntOrFloatBitWidth();
    APInt value = kind == ReduceKind::Add   ? APInt::getZero(bits)
                  : kind == ReduceKind::Max ? APInt::getSignedMinValue(bits)
                                            : APInt::getSignedMaxValue(bits);
    return IntegerAttr::get(element, value);
  }
  const llvm::fltSemantics &semantics = real.getFloatSemantics();
  return FloatAttr::get(
      real, kind == ReduceKind::Add
                ? APFloat::getZero(semantics)
                : APFloat::getInf(semantics,
                                  /*Negative=*/kind == ReduceKind::Max));
}

Value KernelEmitter::neutral(ReduceKind kind, Type type) {
  TypedAttr scalar = neutralElement(kind, getElementTypeOrSelf(type));
  if (auto vector = dyn_cast<VectorType>(type))
    return ir.create<arith::ConstantOp>(DenseElementsAttr::get(vector, scalar));
  return ir.create<arith::ConstantOp>(scalar);
}

/// Halves again and again: the same order for every call.
Value KernelEmitter::foldLanes(ReduceKind kind, Value vector) {
  int64_t width = cast<VectorType>(vector.getType()).getDimSize(0);
  while (width > 1) {
    width /= 2;
    auto low = llvm::to_vector(llvm::seq<int64_t>(width));
    auto high = llvm::to_vector(llvm::seq<int64_t>(width, 2 * width));
    vector = combine(kind, ir.shuffle(vector, vector, low),
                     ir.shuffle(vector, vector, high));
  }
  return ir.create<vector::ExtractOp>(vector, ArrayRef<int64_t>{0});
}

/// One row along the last dimension to a scalar.
Value KernelEmitter::reduceRow(ReduceOp op, ValueRange lead) {
  RankedTensorType type = op.getInput().getType();
  int64_t columns = columnsOf(type);
  Type element = type.getElementType();
  ReduceKind kind = op.getKind();
  Value total;
  int64_t full = columns / lanes * lanes;
  if (full) {
    Value init = neutral(kind, VectorType::get(lanes, element));
    Values sums =
        ir.loop(full, lanes, init, [&](Value column, ValueRange carried) {
          Value vector = vectorAt(op.getInput(), lead, column, lanes);
          return Values{combine(kind, vector, carried[0])};
        });
    total = foldLanes(kind, sums[0]);
  }
  ir.pieces(columns - full, lanes / 2, [&](Value column, int64_t width) {
    Value rest = foldLanes(
        kind, vectorAt(op.getInput(), lead, ir.add(column, full), width));
    total = total ? combine(kind, rest, total) : rest;
  });
  return total;
}

/// Another dimension than the last: whole vectors of results.
void KernelEmitter::reduceColumns(ReduceOp op, Buffer to) {
  int64_t dim = op.getDim();
  fill(to, [&](ValueRange lead, Value column, int64_t width) {
    Value init =
        neutral(op.getKind(), VectorType::get(width, to.type.getElementType()));
    return ir.loop(op.getInput().getType().getDimSize(dim), 1, init,
                   [&](Value row, ValueRange carried) {
                     Values place(lead);
                     place.insert(place.begin() + dim, row);
                     Value vector =
                         vectorAt(op.getInput(), place, column, width);
                     return Values{combine(op.getKind(), vector, carried[0])};
                   })[0];
  });
}

void KernelEmitter::emitScan(ScanOp op) {
  Buffer to = destination(op.getResult());
  Value sum = ir.zero(to.type.getElementType());
  ir.loop(
      to.type.getDimSize(0), 1, {sum}, [&](Value place, ValueRange carried) {
        Value next = ir.add(carried[0], elementAt(op.getInput(), {}, place));
        storeTo(to, next, {}, place);
        return Values{next};
      });
}

void KernelEmitter::emitReduce(ReduceOp op) {
  RankedTensorType input = op.getInput().getType();
  if (input.getRank() == 1) {
    Value sum = reduceRow(op, {});
    if (!isTile(op.getResult())) {
      scalars.map(op.getResult(), sum);
      return;
    }
    storeTo(destination(op.getResult()), sum, {}, ir.index(0));
    return;
  }
  Buffer to = destination(op.getResult());
  if (int64_t(op.getDim()) != input.getRank() - 1)
    return reduceColumns(op, to);
  forEachRow(input.getShape(), [&](ValueRange lead) {
    storeTo(to, reduceRow(op, lead), lead.drop_back(), lead.back());
  });
}

//===----------------------------------------------------------------------===//
// hadamard
//===----------------------------------------------------------------------===//

/// A whole row in registers: stages wider than a vector combine vectors, the
/// others combine the lanes of each.
void KernelEmitter::emitHadamard(HadamardOp op) {
  Buffer to = destination(op.getResult());
  int64_t columns = columnsOf(to.type), width = std::min(lanes, columns);
  int64_t count = columns / width;
  forEachRow(to.type.getShape(), [&](ValueRange lead) {
    Values row;
    for (int64_t i = 0; i < count; ++i)
      row.push_back(vectorAt(op.getInput(), lead, ir.index(i * width), width));
    for (int64_t stride = 1; stride < width; stride *= 2) {
      SmallVector<int64_t> partner, sign;
      for (int64_t lane = 0; lane < width; ++lane) {
        partner.push_back(lane ^ stride);
        sign.push_back(lane & stride ? -1 : 1);
      }
      Value signs = ir.constant(ir.getF32Type(), sign);
      for (Value &vector : row)
        vector = ir.fma(vector, signs, ir.shuffle(vector, vector, partner));
    }
    for (int64_t stride = 1; stride < count; stride *= 2)
      for (int64_t i = 0; i < count; ++i)
        if (!(i & stride)) {
          Value a = row[i], b = row[i + stride];
          row[i] = ir.create<arith::AddFOp>(a, b);
          row[i + stride] = ir.create<arith::SubFOp>(a, b);
        }
    for (int64_t i = 0; i < count; ++i)
      storeTo(to, row[i], lead, ir.index(i * width));
  });
}

//===----------------------------------------------------------------------===//
// transpose
//===----------------------------------------------------------------------===//

void KernelEmitter::emitTranspose(TransposeOp op) {
  Buffer to = destination(op.getResult());
  RankedTensorType from = op.getInput().getType();
  ir.loop(from.getDimSize(0), 1, [&](Value row) {
    ir.pieces(from.getDimSize(1), lanes, [&](Value column, int64_t width) {
      Value vector = vectorAt(op.getInput(), row, column, width);
      for (int64_t i = 0; i < width; ++i)
        storeTo(to, ir.create<vector::ExtractOp>(vector, ArrayRef<int64_t>{i}),
                ir.add(column, i), row);
    });
  });
}
