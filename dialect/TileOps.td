//===- TileOps.td - Level 2: tiles ------------------------------*- tablegen -*-===//

#ifndef KVARN_DIALECT_TILEOPS_TD
#define KVARN_DIALECT_TILEOPS_TD

include "dialect/KVarNTypes.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/IR/RegionKindInterface.td"
include "mlir/Interfaces/ControlFlowInterfaces.td"
include "mlir/Interfaces/FunctionInterfaces.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

class Tile_Op<string mnemonic, list<Trait> traits = []>
    : Op<Tile_Dialect, mnemonic, traits>;

def Tile_HasElementsPred : CPred<
    "::llvm::cast<::mlir::ShapedType>($_self).getNumElements() > 0">;
class Tile_TileOf<list<Type> allowed>
    : RankedTensorOf<allowed, [HasStaticShapePred, Tile_HasElementsPred],
                     "statically shaped tensor with elements">;
class Tile_VectorOf<list<Type> allowed>
    : RankedTensorOf<allowed, [HasStaticShapePred, HasAnyRankOfPred<[1]>,
                               Tile_HasElementsPred],
                     "statically shaped 1D tensor with elements">;

def Tile_Tile : Tile_TileOf<[AnyFloat, AnySignlessInteger, Index]>;
def Tile_FloatTile : Tile_TileOf<[AnyFloat]>;
def Tile_NumberTile : Tile_TileOf<[AnyFloat, AnySignlessInteger, Index]>;
def Tile_CodeTile : Tile_TileOf<[I8]>;
def Tile_IndexOrTile : AnyTypeOf<[Index, Tile_VectorOf<[Index]>]>;
def Tile_MemRef : MemRefOf<[AnyFloat, AnySignlessInteger]>;
def Tile_Source : AnyTypeOf<[MemRefOf<[I8]>, Tile_SlotType]>;

def Tile_Axis : I32EnumAttr<"Axis", "axis of the launch grid", [
    I32EnumAttrCase<"X", 0, "x">, I32EnumAttrCase<"Y", 1, "y">,
    I32EnumAttrCase<"Z", 2, "z">]> {
  let cppNamespace = "::mlir::kvarn::tile";
  let genSpecializedAttr = 0;
}
def Tile_AxisAttr : EnumAttr<Tile_Dialect, Tile_Axis, "axis"> {
  let assemblyFormat = "$value";
}

def Tile_ReduceKind : I32EnumAttr<"ReduceKind", "reduction", [
    I32EnumAttrCase<"Add", 0, "add">, I32EnumAttrCase<"Max", 1, "max">,
    I32EnumAttrCase<"Min", 2, "min">, I32EnumAttrCase<"Squares", 3, "squares">]> {
  let cppNamespace = "::mlir::kvarn::tile";
  let genSpecializedAttr = 0;
}
def Tile_ReduceKindAttr : EnumAttr<Tile_Dialect, Tile_ReduceKind, "reduce"> {
  let assemblyFormat = "$value";
}

//===----------------------------------------------------------------------===//
// Kernels
//===----------------------------------------------------------------------===//

def Tile_KernelOp : Tile_Op<"kernel", [
    FunctionOpInterface, IsolatedFromAbove, HasParent<"::mlir::ModuleOp">,
    AutomaticAllocationScope]> {
  let summary = "a kernel: one program, run for every point of a grid";
  let description = [{
    Arguments are memrefs (with any strides but 1 in the last dimension) and
    scalars (`f32`, `i32`, `i64`). The optional schedule is what code generation
    reads its own decisions from. Programs of a grid run in any order and share
    nothing.

    Example:
    ```mlir
    tile.kernel @copy(%x: memref<?xf32>, %y: memref<?xf32>) {
      %i = tile.program_id x
      %v = tile.load %x[%i] : memref<?xf32> -> tensor<16xf32>
      tile.store %v, %y[%i] : tensor<16xf32>, memref<?xf32>
      tile.return
    }
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name,
                       TypeAttrOf<FunctionType>:$function_type,
                       OptionalAttr<KVarN_ScheduleAttr>:$schedule,
                       OptionalAttr<DictArrayAttr>:$arg_attrs,
                       OptionalAttr<DictArrayAttr>:$res_attrs);
  let regions = (region MinSizedRegion<1>:$body);
  let builders = [OpBuilder<(ins "::llvm::StringRef":$name,
                                 "::mlir::FunctionType":$type,
                                 "::mlir::kvarn::ScheduleAttr":$schedule)>];
  let hasCustomAssemblyFormat = 1;
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    ::mlir::ArrayRef<::mlir::Type> getArgumentTypes() {
      return getFunctionType().getInputs();
    }
    ::mlir::ArrayRef<::mlir::Type> getResultTypes() {
      return getFunctionType().getResults();
    }
    ::mlir::Region *getCallableRegion() { return &getBody(); }
  }];
}

def Tile_ReturnOp : Tile_Op<"return", [
    Pure, Terminator, HasParent<"::mlir::kvarn::tile::KernelOp">]> {
  let summary = "end of a kernel";
  let description = "Example: `tile.return`";
  let assemblyFormat = "attr-dict";
}

def Tile_LaunchOp : Tile_Op<"launch", [
    ParentOneOf<["::mlir::func::FuncOp"]>, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "run a kernel over a grid";
  let description = [{
    Stands in a `func.func` whose other ops compute grids and buffer sizes from
    the extents of arguments: that function becomes the launch rules of the
    manifest.

    Example:
    ```mlir
    tile.launch @copy grid(%n, %c1, %c1) (%x, %y) : memref<?xf32>, memref<?xf32>
    ```
  }];
  let arguments = (ins FlatSymbolRefAttr:$kernel, Index:$gridX, Index:$gridY,
                       Index:$gridZ, Variadic<AnyType>:$arguments);
  let assemblyFormat = [{
    $kernel `grid` `(` $gridX `,` $gridY `,` $gridZ `)`
    `(` ($arguments^)? `)` attr-dict (`:` type($arguments)^)?
  }];
}

def Tile_BeginNextOp
    : Tile_Op<"begin_next", [MemoryEffects<[MemRead, MemWrite]>]> {
  let summary = "let the next launch begin, if it waits for this one by itself";
  let description = [{
    What is launched next, and has `tile.await_previous`, may begin when every
    program has come here or has ended. It takes room that programs have left,
    and keeps it until the last of them has ended: this is best near the end.

    Example: `tile.begin_next`
  }];
  let assemblyFormat = "attr-dict";
  let hasVerifier = 1;
}

def Tile_AwaitPreviousOp : Tile_Op<"await_previous", [
    HasParent<"::mlir::kvarn::tile::KernelOp">,
    MemoryEffects<[MemRead, MemWrite]>]> {
  let summary = "wait for the launch before this one";
  let description = [{
    Behind it, everything is there that launches before this one in the same
    `func.func` have stored. A kernel with this op may begin earlier, where the
    target can do that: what stands before the op must not depend on any of
    them. Nothing before it stores. Elsewhere launches follow one another, and
    it does nothing.

    Example: `tile.await_previous`
  }];
  let assemblyFormat = "attr-dict";
  let hasVerifier = 1;
}

def Tile_CheckShapeOp : Tile_Op<"check_shape"> {
  let summary = "what the extents of an argument must be";
  let description = [{
    Stands in a host function beside `tile.launch`; the runtime refuses a launch
    with other extents.

    Example: `tile.check_shape %out[%n, %c128] : memref<?x128xf16>`
  }];
  let arguments = (ins Tile_MemRef:$memory, Variadic<Index>:$extents);
  let assemblyFormat = "$memory `[` $extents `]` attr-dict `:` type($memory)";
  let hasVerifier = 1;
}

def Tile_MultiprocessorsOp : Tile_Op<"multiprocessors", [Pure]> {
  let summary = "how many programs the device runs side by side";
  let description = [{
    Stands in a host function: streaming multiprocessors of a GPU, 1 on a CPU,
    whose results do not depend on the number of its cores.

    Example: `%n = tile.multiprocessors`
  }];
  let results = (outs Index:$result);
  let assemblyFormat = "attr-dict";
}

def Tile_CountersOp : Tile_Op<"counters", [Pure]> {
  let summary = "numbers that are 0 when a program begins";
  let description = [{
    Stands in a host function: 32 numbers for each of the device's
    multiprocessors. Kernels leave them 0 for the next launch. They are at the
    beginning of the workspace, where programs without counters have nothing, so
    that one workspace may serve several programs by turns.

    Example: `%c = tile.counters : memref<?xi32>`
  }];
  let results = (outs MemRefRankOf<[I32], [1]>:$result);
  let assemblyFormat = "attr-dict `:` type($result)";
}

def Tile_ProgramIdOp : Tile_Op<"program_id", [Pure]> {
  let summary = "this program's place in the grid";
  let description = "Example: `%i = tile.program_id x`";
  let arguments = (ins Tile_AxisAttr:$axis);
  let results = (outs Index:$result);
  let assemblyFormat = "$axis attr-dict";
}

def Tile_WarpsOp : Tile_Op<"warps", [
    RecursiveMemoryEffects, SingleBlockImplicitTerminator<"YieldOp">]> {
  let summary = "run a region once per warp and stack the results";
  let description = [{
    The warps of a program run the region without waiting for one another;
    `%w` is the warp's number. Result i has a leading dimension of `count` more
    than the value that the region yields. Slots allocated in the region belong
    to one warp.

    Example:
    ```mlir
    %s = tile.warps 4 (%w) -> (tensor<4x16xf32>) {
      tile.yield %x : tensor<16xf32>
    }
    ```
  }];
  let arguments = (ins I64Attr:$count);
  let results = (outs Variadic<Tile_Tile>:$results);
  let regions = (region SizedRegion<1>:$body);
  let builders = [OpBuilder<(ins "int64_t":$count,
                                 "::mlir::TypeRange":$yielded)>];
  let skipDefaultBuilders = 1;
  let hasCustomAssemblyFormat = 1;
  let hasRegionVerifier = 1;
  let extraClassDeclaration = [{
    ::mlir::BlockArgument getWarp() { return getBody().getArgument(0); }
  }];
}

def Tile_YieldOp : Tile_Op<"yield", [
    Pure, Terminator, ReturnLike, HasParent<"WarpsOp">]> {
  let summary = "results of a warp";
  let description = "Example: `tile.yield %x : tensor<16xf32>`";
  let arguments = (ins Variadic<Tile_Tile>:$values);
  let builders = [OpBuilder<(ins), [{ (void)$_state; }]>];
  let assemblyFormat = "attr-dict ($values^ `:` type($values))?";
}

//===----------------------------------------------------------------------===//
// Values
//===----------------------------------------------------------------------===//

def Tile_IotaOp : Tile_Op<"iota", [Pure]> {
  let summary = "the index along one dimension";
  let description = "Example: `%i = tile.iota 1 : tensor<16x32xi32>`";
  let arguments = (ins I64Attr:$dim);
  let results = (outs Tile_TileOf<[I32, Index]>:$result);
  let assemblyFormat = "$dim attr-dict `:` type($result)";
  let hasVerifier = 1;
}

def Tile_SplatOp : Tile_Op<"splat", [
    Pure, TypesMatchWith<"operand type matches element type of result",
      "result", "input",
      "::llvm::cast<::mlir::RankedTensorType>($_self).getElementType()">]> {
  let summary = "a tile of equal elements";
  let description = "Example: `%t = tile.splat %x : tensor<16x32xf32>`";
  let arguments = (ins AnyTypeOf<[AnyFloat, AnySignlessInteger, Index]>:$input);
  let results = (outs Tile_Tile:$result);
  let assemblyFormat = "$input attr-dict `:` type($result)";
}

def Tile_BroadcastOp : Tile_Op<"broadcast", [Pure]> {
  let summary = "repeat a tile along new dimensions";
  let description = [{
    Dimension i of the operand becomes dimension `dims[i]` of the result.

    Example:
    ```mlir
    %b = tile.broadcast %x dims [0] : tensor<16xf32> -> tensor<16x32xf32>
    ```
  }];
  let arguments = (ins Tile_Tile:$input, DenseI64ArrayAttr:$dims);
  let results = (outs Tile_Tile:$result);
  let assemblyFormat = [{
    $input `dims` $dims attr-dict `:` type($input) `->` type($result)
  }];
  let hasVerifier = 1;
}

def Tile_TransposeOp : Tile_Op<"transpose", [Pure]> {
  let summary = "exchange the two dimensions of a tile";
  let description = [{
    Example: `%t = tile.transpose %x : tensor<16x32xf16> -> tensor<32x16xf16>`
  }];
  let arguments = (ins Tile_Tile:$input);
  let results = (outs Tile_Tile:$result);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($result)";
  let hasVerifier = 1;
}

def Tile_ConvertLayoutOp : Tile_Op<"convert_layout", [Pure]> {
  let summary = "the same tile, held by other lanes";
  let description = [{
    Changes the encoding only.

    Example:
    ```mlir
    %b = tile.convert_layout %a : tensor<16x8xf16, #row> -> tensor<16x8xf16, #column>
    ```
  }];
  let arguments = (ins Tile_Tile:$input);
  let results = (outs Tile_Tile:$result);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($result)";
  let hasVerifier = 1;
  let hasFolder = 1;
}

def Tile_ReduceOp : Tile_Op<"reduce", [Pure]> {
  let summary = "reduce one dimension of a tile";
  let description = [{
    `squares` sums the squares of differences from the mean, of floats, without
    losing what a large mean has in common. Integers are signed. `max` and `min` ignore the order of equal elements, and
    the result where one element is NaN is unspecified.

    Example: `%m = tile.reduce max %x dim 1 : tensor<16x32xf32> -> tensor<16xf32>`
  }];
  let arguments = (ins Tile_ReduceKindAttr:$kind, Tile_NumberTile:$input,
                       I64Attr:$dim);
  let results = (outs AnyTypeOf<[Tile_NumberTile, AnyFloat, AnySignlessInteger,
                                 Index]>:$result);
  let assemblyFormat = [{
    $kind $input `dim` $dim attr-dict `:` type($input) `->` type($result)
  }];
  let hasVerifier = 1;
}

def Tile_ScanOp : Tile_Op<"scan", [Pure, SameOperandsAndResultType]> {
  let summary = "running sums of a vector";
  let description = [{
    Element i of the result is the sum of elements 0 to i.

    Example: `%s = tile.scan %x : tensor<128xindex>`
  }];
  let arguments = (ins Tile_VectorOf<[I32, Index]>:$input);
  let results = (outs Tile_VectorOf<[I32, Index]>:$result);
  let assemblyFormat = "$input attr-dict `:` type($input)";
}

def Tile_DotOp : Tile_Op<"dot", [
    Pure, AllTypesMatch<["accumulator", "result"]>]> {
  let summary = "matrix product of tiles";
  let description = [{
    `result = accumulator + lhs * rhs` for [M, K] x [K, N] + [M, N], or with a
    vector for [M, K] x [K] + [M]; products and sums are f32 whatever the
    operands are. Those dimensions of a right matrix that are `descending` are
    gone through from the last element to the first by matrix instructions of a
    warp: a matter of time, and of rounding where it is the depth.

    Example:
    ```mlir
    %d = tile.dot %a, %b, %c : tensor<16x64xf16>, tensor<64x32xf16> -> tensor<16x32xf32>
    %e = tile.dot %a, %b, %c descending [1] : tensor<16x64xf16>, tensor<64x32xf16> -> tensor<16x32xf32>
    ```
  }];
  let arguments = (ins
      Tile_FloatTile:$lhs, Tile_FloatTile:$rhs,
      Tile_TileOf<[F32]>:$accumulator,
      DefaultValuedOptionalAttr<DenseI64ArrayAttr, "{}">:$descending);
  let results = (outs Tile_TileOf<[F32]>:$result);
  let assemblyFormat = [{
    $lhs `,` $rhs `,` $accumulator (`descending` $descending^)? attr-dict `:`
    type($lhs) `,` type($rhs) `->` type($result)
  }];
  let hasVerifier = 1;
}

def Tile_StageOp : Tile_Op<"stage"> {
  let summary = "put a tile where products of several warps read it";
  let description = [{
    The right operand of products by instructions of four warps, which is in
    shared memory. All warps of a program store their parts of it. Loops and
    branches may carry it: what is staged to be carried on lies where the tile
    lay that it takes the place of, which products must no longer use.

    Example:
    ```mlir
    %b = tile.stage %k : tensor<128x64xf16> -> tensor<128x64xf16>
    ```
  }];
  let arguments = (ins Tile_TileOf<[F16]>:$input);
  // Equal tiles are not one: each has a place of its own.
  let results = (outs Res<Tile_TileOf<[F16]>, "", [MemAlloc]>:$result);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($result)";
  let hasVerifier = 1;
}

def Tile_KeepOp : Tile_Op<"keep", [Pure, SameOperandsAndResultType]> {
  let summary = "a tile that is in shared memory while nobody uses it";
  let description = [{
    The registers of a tile that is used again and again for a long time are
    wanted for other tiles in between. Each lane writes its elements here, and
    reads them in every region that uses them. In `tile.warps`, what does not
    depend on the warp and is kept where all warps come by is there once.

    Example: `%k = tile.keep %q : tensor<16x128xf16>`
  }];
  let arguments = (ins Tile_TileOf<[F16]>:$input);
  let results = (outs Tile_TileOf<[F16]>:$result);
  let assemblyFormat = "$input attr-dict `:` type($input)";
}

def Tile_HadamardOp : Tile_Op<"hadamard", [Pure, SameOperandsAndResultType]> {
  let summary = "Walsh-Hadamard transform of the last dimension";
  let description = [{
    Natural order, not scaled: entries of the matrix are +-1.

    Example: `%h = tile.hadamard %x : tensor<8x128xf32>`
  }];
  let arguments = (ins Tile_TileOf<[F32]>:$input);
  let results = (outs Tile_TileOf<[F32]>:$result);
  let assemblyFormat = "$input attr-dict `:` type($input)";
  let hasVerifier = 1;
}

def Tile_HadamardMatrixOp : Tile_Op<"hadamard_matrix", [Pure]> {
  let summary = "columns of the Walsh-Hadamard matrix, for a product";
  let description = [{
    The columns from `first` on, a multiple of their number, of the matrix whose
    order is the number of rows: natural order, not scaled. `tile.dot %x, %h` is
    what `tile.hadamard` gives for those columns, by the target's matrix
    instruction.

    Example: `%h = tile.hadamard_matrix %first : tensor<128x64xf16>`
  }];
  let arguments = (ins Index:$first);
  let results = (outs Tile_TileOf<[F16]>:$result);
  let assemblyFormat = "$first attr-dict `:` type($result)";
  let hasVerifier = 1;
}

include "dialect/TileMemoryOps.td"

#endif // KVARN_DIALECT_TILEOPS_TD
