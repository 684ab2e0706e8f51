//===- KVarNAttrs.td - Format, schedule, target, fragment -------*- tablegen -*-===//

#ifndef KVARN_DIALECT_KVARNATTRS_TD
#define KVARN_DIALECT_KVARNATTRS_TD

include "dialect/KVarNDialect.td"
include "mlir/IR/TensorEncoding.td"


def KVarN_Layout : I32EnumAttr<"RecordLayout", "order of codes in a record", [
    I32EnumAttrCase<"Reference", 0, "reference">,
    I32EnumAttrCase<"Mma16816", 1, "mma16816">]> {
  let cppNamespace = "::mlir::kvarn";
  let genSpecializedAttr = 0;
}

def KVarN_Part : I32EnumAttr<"RecordPart", "part of a record", [
    I32EnumAttrCase<"Key", 0, "key">, I32EnumAttrCase<"Value", 1, "value">]> {
  let cppNamespace = "::mlir::kvarn";
  let genSpecializedAttr = 0;
}
def KVarN_PartAttr : EnumAttr<KVarN_Dialect, KVarN_Part, "part"> {
  let assemblyFormat = "$value";
}

def KVarN_Field : I32EnumAttr<"RecordField", "vector of a record", [
    I32EnumAttrCase<"KeyScale", 0, "key_scale">,
    I32EnumAttrCase<"KeyZero", 1, "key_zero">,
    I32EnumAttrCase<"KeyToken", 2, "key_token">,
    I32EnumAttrCase<"ValueChannel", 3, "value_channel">,
    I32EnumAttrCase<"ValueScale", 4, "value_scale">,
    I32EnumAttrCase<"ValueZero", 5, "value_zero">]> {
  let cppNamespace = "::mlir::kvarn";
  let genSpecializedAttr = 0;
}
def KVarN_FieldAttr : EnumAttr<KVarN_Dialect, KVarN_Field, "field"> {
  let assemblyFormat = "$value";
}

def KVarN_Range : I32EnumAttr<"QuantRange", "choice of a row's range", [
    I32EnumAttrCase<"MinMax", 0, "minmax">, I32EnumAttrCase<"Mse", 1, "mse">]> {
  let cppNamespace = "::mlir::kvarn";
  let genSpecializedAttr = 0;
}
def KVarN_RangeAttr : EnumAttr<KVarN_Dialect, KVarN_Range, "range"> {
  let assemblyFormat = "$value";
}

def KVarN_Frame : I32EnumAttr<"Frame", "frame of K and V", [
    I32EnumAttrCase<"Rotated", 0, "rotated">,
    I32EnumAttrCase<"Original", 1, "original">]> {
  let cppNamespace = "::mlir::kvarn";
  let genSpecializedAttr = 0;
}
def KVarN_FrameAttr : EnumAttr<KVarN_Dialect, KVarN_Frame, "frame"> {
  let assemblyFormat = "$value";
}

def KVarN_Copy : I32EnumAttr<"CopyMode", "how codes reach the arithmetic", [
    I32EnumAttrCase<"Direct", 0, "direct">,
    I32EnumAttrCase<"Async", 1, "async">]> {
  let cppNamespace = "::mlir::kvarn";
  let genSpecializedAttr = 0;
}

def KVarN_Expand : I32EnumAttr<"ExpandMode", "way from codes to operands", [
    I32EnumAttrCase<"Convert", 0, "convert">,
    I32EnumAttrCase<"Subnormal", 1, "subnormal">]> {
  let cppNamespace = "::mlir::kvarn";
  let genSpecializedAttr = 0;
}
def KVarN_Team : I32EnumAttr<"Team", "which warps work on a tile together", [
    I32EnumAttrCase<"Warp", 0, "warp">,
    I32EnumAttrCase<"Warpgroup", 1, "warpgroup">]> {
  let cppNamespace = "::mlir::kvarn";
  let genSpecializedAttr = 0;
}

def KVarN_QueryPlace
    : I32EnumAttr<"QueryPlace", "where the query is in a loop over tokens", [
    I32EnumAttrCase<"Registers", 0, "registers">,
    I32EnumAttrCase<"Shared", 1, "shared">]> {
  let cppNamespace = "::mlir::kvarn";
  let genSpecializedAttr = 0;
}

def KVarN_RowEnds
    : I32EnumAttr<"RowEnds", "what the end of a row tile needs, until then", [
    I32EnumAttrCase<"Kept", 0, "kept">,
    I32EnumAttrCase<"Again", 1, "again">]> {
  let cppNamespace = "::mlir::kvarn";
  let genSpecializedAttr = 0;
}

def KVarN_RecordLoops
    : I32EnumAttr<"RecordLoops", "the loops over the blocks of a row tile", [
    I32EnumAttrCase<"Two", 0, "two">,
    I32EnumAttrCase<"One", 1, "one">]> {
  let cppNamespace = "::mlir::kvarn";
  let genSpecializedAttr = 0;
}

def KVarN_RecordOrder
    : I32EnumAttr<"RecordOrder", "what products with a record begin with", [
    I32EnumAttrCase<"Forward", 0, "forward">,
    I32EnumAttrCase<"Backward", 1, "backward">]> {
  let cppNamespace = "::mlir::kvarn";
  let genSpecializedAttr = 0;
}

def KVarN_ExpandAttr : EnumAttr<KVarN_Dialect, KVarN_Expand, "expand"> {
  let assemblyFormat = "$value";
}

class KVarN_Attr<string name, string attrMnemonic, list<Trait> traits = []>
    : AttrDef<KVarN_Dialect, name, traits> {
  let mnemonic = attrMnemonic;
}

def KVarN_FormatAttr : KVarN_Attr<"Format", "format"> {
  let summary = "a record format: every fact about the bytes of a record";
  let description = [{
    Key and value bits (2, 4 or 8), group = tokens of a block (64 or 128),
    head_dim (64, 128 or 256) and the order of the codes. Sizes, offsets and bit
    positions come from `kvarn::Format` in `format/Format.h`, which the runtime
    shares.

    Example:
    ```mlir
    #kvarn.format<key_bits = 4, value_bits = 2, group = 128, head_dim = 128, layout = reference>
    ```
  }];
  let parameters = (ins "int64_t":$keyBits, "int64_t":$valueBits,
                        "int64_t":$group, "int64_t":$headDim,
                        "::mlir::kvarn::RecordLayout":$layout);
  let builders = [AttrBuilder<(ins "const ::kvarn::Format &":$format)>];
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    /// The arithmetic of the record.
    ::kvarn::Format get() const;
  }];
}

def KVarN_ScheduleAttr : KVarN_Attr<"Schedule", "schedule"> {
  let summary = "every decision of tiling and code generation";
  let description = [{
    The autotuner enumerates these and nothing else; a pass takes no decision
    that is not here.

    | field | meaning |
    |---|---|
    | `rows` | query rows (query tokens x ratio) of one tile |
    | `tokens` | tokens of one tile of a record, divides the group |
    | `pool_tokens` | tokens of one tile of K and V that are not packed, divides the group |
    | `warps` | warps of one program |
    | `splits` | parts into which the blocks of a request are cut; 0: the work of all requests is cut into equal shares, one for each of `programs` programs per multiprocessor |
    | `programs` | programs that one multiprocessor of a GPU must hold at once, which limits their registers; may be left out where `splits` is not 0 |
    | `copy` | `direct` from the pages, or `async` into slots |
    | `expand` | codes to operands: `convert`, or fp16 `subnormal` numbers |
    | `operand` | element type of matrix operands, `f32` or `f16` |
    | `register_rows`, `register_columns` | register tile of a matrix product on a target without matrix instructions |
    | `team` | `warp` (where it is left out): each warp owns whole records, whose scales are folded into queries and weights; `warpgroup`: all warps share every record, which is dequantized once for all their rows, and multiply by instructions of four warps |
    | `query` | `registers` (where it is left out), or `shared`: in shared memory, which leaves the registers to scores and sums where a warp has many rows |
    | `ends` | with `splits = 0`, what the end of a row tile needs (its request, its place among the partial results): `kept` in registers (where it is left out), or looked up `again` where these are short |
    | `loops` | `two` (where it is left out): with `copy = async`, `operand = f16`, `team = warp` and whole records at once, records that all rows see and whose weights fit the maximum so far have a loop of their own; `one`: it is decided within each block, which takes fewer registers |
    | `order` | with `operand = f16` and `team = warp`, products go through the tokens of a record and the channels of its values `forward` (where it is left out) or `backward`: the assembler then finds another order of instructions, which may be faster |

    Example:
    ```mlir
    #kvarn.schedule<rows = 8, tokens = 128, pool_tokens = 128, warps = 1, splits = 1, copy = direct, expand = convert, operand = f32, register_rows = 4, register_columns = 32>
    ```
  }];
  let parameters = (ins "int64_t":$rows, "int64_t":$tokens,
                        "int64_t":$poolTokens, "int64_t":$warps,
                        "int64_t":$splits, "::mlir::kvarn::CopyMode":$copy,
                        "::mlir::kvarn::ExpandMode":$expand,
                        "::mlir::Type":$operand, "int64_t":$registerRows,
                        "int64_t":$registerColumns,
                        "int64_t":$programs, "::mlir::kvarn::Team":$team,
                        "::mlir::kvarn::QueryPlace":$query,
                        "::mlir::kvarn::RowEnds":$ends,
                        "::mlir::kvarn::RecordLoops":$loops,
                        "::mlir::kvarn::RecordOrder":$order);
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
}

def KVarN_TargetAttr : KVarN_Attr<"Target", "target"> {
  let summary = "a known target, by name";
  let description = [{
    The facts about a target (processor, vector width, matrix instruction) are
    one row of the table in `dialect/Targets.cpp`; this attribute names the row.

    Example:
    ```mlir
    #kvarn.target<"x86-64-v4">
    ```
  }];
  let parameters = (ins StringRefParameter<"name of a row">:$name);
  let assemblyFormat = "`<` $name `>`";
  let genVerifyDecl = 1;
}

def Tile_LayoutAttr : AttrDef<Tile_Dialect, "Layout", [
    DeclareAttrInterfaceMethods<VerifiableTensorEncoding>]> {
  let mnemonic = "layout";
  let summary = "which lane of which warp holds which element of a tile";
  let description = [{
    A linear layout: the place of the element in register r of lane l of warp w
    is the sum of one vector per set bit of r, l and w. Bit i of the register
    number adds `registers[i]`, and so on; all sizes are powers of two. A lane or
    warp bit that adds nothing holds copies. All operands of matrix instructions,
    rows and columns of them, and the orders of codes in a record are such
    layouts. Without lanes it is the order of a tile in shared memory: bit i of
    the number of a place adds `registers[i]`.

    Example (the accumulator of `m16n8k16`, [16, 8]):
    ```mlir
    #tile.layout<rank = 2, registers = [(0, 1), (8, 0)],
                 lanes = [(0, 2), (0, 4), (1, 0), (2, 0), (4, 0)], warps = []>
    ```
  }];
  let parameters = (ins "int64_t":$rank,
                        ArrayRefParameter<"int64_t", "flat">:$registers,
                        ArrayRefParameter<"int64_t", "flat">:$lanes,
                        ArrayRefParameter<"int64_t", "flat">:$warps);
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
}

#endif // KVARN_DIALECT_KVARNATTRS_TD
