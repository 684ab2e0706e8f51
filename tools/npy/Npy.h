//===- Npy.h - Arrays in .npy files -----------------------------*- C++ -*-===//
//
// Reads and writes NumPy's .npy files: format 1.0, 2.0 and 3.0, little-endian,
// C order, element types f2, f4, i1, u1, i4, i8. NumPy has no bfloat16 of its
// own: ml_dtypes writes it as '<V2' (two opaque bytes), some programs as
// 'bfloat16'. Both are read as BF16; '<V2' is written.
//
// Nothing here throws. The bytes may be damaged or hostile: an array that
// parseNpy() returns is complete and consistent.
//
//===----------------------------------------------------------------------===//

#ifndef KVARN_TOOLS_NPY_NPY_H
#define KVARN_TOOLS_NPY_NPY_H

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace kvarn::npy {

enum class DType { F16, BF16, F32, I8, U8, I32, I64 };
inline constexpr std::array<std::string_view, 7> kDTypeNames = {
    "f16", "bf16", "f32", "i8", "u8", "i32", "i64"};

std::string_view dtypeName(DType dtype);
std::optional<DType> parseDType(std::string_view name);
int64_t dtypeBytes(DType dtype);

/// "[2, 128, 64]"
std::string shapeText(const std::vector<int64_t> &shape);

/// Bytes of a dense tensor, or nothing if an extent is negative or the product
/// does not fit in 64 bits.
std::optional<int64_t> tensorBytes(DType dtype,
                                   const std::vector<int64_t> &shape);

/// A dense array in C order.
struct Array {
  DType dtype = DType::F32;
  std::vector<int64_t> shape;
  std::vector<uint8_t> data; // tensorBytes(dtype, shape) of them
};

/// The array in `bytes`, or nothing and what is wrong with them. `error` does
/// not name the file.
std::optional<Array> parseNpy(std::string_view bytes, std::string &error);

/// The first bytes of a .npy file; `shape` and the data follow its promise.
std::string npyHeader(DType dtype, const std::vector<int64_t> &shape);

/// Reads `path`, a regular file; `error` starts with its name.
std::optional<Array> readNpy(const std::string &path, std::string &error);

} // namespace kvarn::npy

#endif // KVARN_TOOLS_NPY_NPY_H
