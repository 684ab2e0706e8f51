//===- Format.h - The KVarN record, byte by byte ----------------*- C++ -*-===//
//
// One record holds one cache block (G tokens) of one KV head, K and V together.
// This header is the only place that knows the sizes, offsets and bit positions
// inside a record; compiler and runtime both use it. It depends on nothing.
// docs/format.md is the same contract in prose.
//
//===----------------------------------------------------------------------===//

#ifndef KVARN_FORMAT_FORMAT_H
#define KVARN_FORMAT_FORMAT_H

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace kvarn {

/// Order of the codes inside a record. Vectors are the same in both layouts.
enum class Layout {
  /// K codes [D][G] and V codes [G][D], lowest bits = lowest index.
  Reference,
  /// Codes in the register order of the 16x8x16 matrix instruction.
  Mma16816,
};

/// The two quantized tiles of a record.
enum class Part { Key, Value };

/// The fp16 vectors of a record. `KeyScale`, `KeyZero` and `ValueChannel` have
/// head_dim elements, the others have group elements.
enum class Vector {
  KeyScale,
  KeyZero,
  KeyToken,
  ValueChannel,
  ValueScale,
  ValueZero
};

inline constexpr std::array<int64_t, 3> kBits = {2, 4, 8};
inline constexpr std::array<int64_t, 2> kGroups = {64, 128};
inline constexpr std::array<int64_t, 3> kHeadDims = {64, 128, 256};
inline constexpr std::array<std::string_view, 2> kLayoutNames = {"reference",
                                                                 "mma16816"};

/// Tokens of one sub-block of layout mma16816: 32 tokens of codes can be copied
/// and used alone.
inline constexpr int64_t kSubBlock = 32;

/// The two axes of a tile.
enum class Axis { Token, Channel };

/// Where one code lies: bits [bit, bit + bits) of the little-endian 32-bit word
/// at byte `word * 4` of its code field.
struct CodePosition {
  int64_t word;
  int64_t bit;
};

/// Everything there is to know about a record. All sizes and offsets in bytes.
struct Format {
  int64_t keyBits = 4;
  int64_t valueBits = 2;
  int64_t group = 128;
  int64_t headDim = 128;
  Layout layout = Layout::Reference;

  bool operator==(const Format &) const = default;

  constexpr int64_t bits(Part part) const {
    return part == Part::Key ? keyBits : valueBits;
  }

  constexpr int64_t codeBytes(Part part) const {
    return group * headDim * bits(part) / 8;
  }

  constexpr int64_t codeOffset(Part part) const {
    return part == Part::Key ? 0 : vectorOffset(Vector::KeyToken) + 2 * group;
  }

  constexpr int64_t vectorLength(Vector vector) const {
    return vector == Vector::KeyScale || vector == Vector::KeyZero ||
                   vector == Vector::ValueChannel
               ? headDim
               : group;
  }

  constexpr int64_t vectorOffset(Vector vector) const {
    switch (vector) {
    case Vector::KeyScale:
      return codeBytes(Part::Key);
    case Vector::KeyZero:
      return vectorOffset(Vector::KeyScale) + 2 * headDim;
    case Vector::KeyToken:
      return vectorOffset(Vector::KeyZero) + 2 * headDim;
    case Vector::ValueChannel:
      return codeOffset(Part::Value) + codeBytes(Part::Value);
    case Vector::ValueScale:
      return vectorOffset(Vector::ValueChannel) + 2 * headDim;
    case Vector::ValueZero:
      return vectorOffset(Vector::ValueScale) + 2 * group;
    }
    return -1;
  }

  /// The compact size. The distance between records is a run-time stride of at
  /// least this.
  constexpr int64_t recordBytes() const {
    return vectorOffset(Vector::ValueZero) + 2 * group;
  }

  constexpr double bytesPerToken() const {
    return static_cast<double>(recordBytes()) / static_cast<double>(group);
  }

  /// The place of the code of (token, channel).
  constexpr CodePosition position(Part part, int64_t token,
                                  int64_t channel) const {
    if (layout == Layout::Reference) {
      int64_t index = part == Part::Key ? channel * group + token
                                        : token * headDim + channel;
      int64_t bit = index * bits(part);
      return {bit / 32, bit % 32};
    }
    return part == Part::Key ? mmaKeyPosition(token, channel)
                             : mmaValuePosition(token, channel);
  }

  /// The place of a code within its byte depends on its token or its channel
  /// alone: this one.
  constexpr Axis bitAxis(Part part) const {
    return (layout == Layout::Reference) == (part == Part::Key) ? Axis::Token
                                                                : Axis::Channel;
  }

  /// bit % 8 of the codes at `index` along `bitAxis(part)`.
  constexpr int64_t bitInByte(Part part, int64_t index) const {
    return (bitAxis(part) == Axis::Token ? position(part, index, 0)
                                         : position(part, 0, index))
               .bit %
           8;
  }

  /// How many tokens or channels there are along `bitAxis(part)`.
  constexpr int64_t bitLength(Part part) const {
    return bitAxis(part) == Axis::Token ? group : headDim;
  }

  /// The bits of an index along `bitAxis(part)` that number the codes of a
  /// byte: with all of them set it is that of the topmost code.
  constexpr int64_t topOfByte(Part part) const {
    int64_t top = 0;
    for (int64_t bit = 1; bit < bitLength(part); bit *= 2)
      if (bitInByte(part, bit))
        top |= bit;
    return top;
  }

  /// What the codes of a byte add to an index along `bitAxis(part)`, the
  /// topmost first: all subsets of the bits of `topOfByte(part)`.
  std::vector<int64_t> codesOfByte(Part part) const {
    int64_t top = topOfByte(part);
    std::vector<int64_t> all = {top};
    while (all.back())
      all.push_back((all.back() - 1) & top);
    return all;
  }

  /// `kvarn_k<KB>v<VB>_g<G>`: what users call the format. head_dim and layout
  /// are named apart.
  std::string name() const {
    return "kvarn_k" + std::to_string(keyBits) + "v" +
           std::to_string(valueBits) + "_g" + std::to_string(group);
  }

private:
  // Both parts: [sub-block of 32 tokens][chunk][lane 0..31][4 words]; a lane
  // reads one 16-byte chunk at a time. lane = 4 * g + c, as the matrix
  // instruction numbers its fragments. A pair of codes that share a register
  // lies 16 bits apart.
  constexpr int64_t mmaWord(Part part, int64_t token, int64_t chunk,
                            int64_t lane, int64_t word) const {
    int64_t chunks = headDim * bits(part) / 128;
    return (((token / kSubBlock) * chunks + chunk) * 32 + lane) * 4 + word;
  }

  // K is the B operand (16 channels x 8 tokens). Lane c owns 8 consecutive
  // channels of every 32, lane g the tokens 8*(g/2) + 2*j + g%2 for word j.
  constexpr CodePosition mmaKeyPosition(int64_t token, int64_t channel) const {
    int64_t t = token % kSubBlock;
    int64_t g = 2 * (t / 8) + t % 2, c = channel % 32 / 8;
    int64_t step = 2 * (channel / 32) + channel % 8 / 4; // of 16 channels
    int64_t stepsPerWord = 8 / keyBits;
    int64_t pair = 2 * (step % stepsPerWord) + channel % 4 / 2;
    return {
        mmaWord(Part::Key, token, step / stepsPerWord, 4 * g + c, t % 8 / 2),
        keyBits * pair + 16 * (channel % 2)};
  }

  // V transposed is the A operand (16 channels x 16 tokens). Lane g owns 8
  // consecutive channels of every 64, lane c the 8 consecutive tokens 8*c...
  constexpr CodePosition mmaValuePosition(int64_t token,
                                          int64_t channel) const {
    int64_t t = token % kSubBlock;
    int64_t g = channel % 64 / 8, c = t / 8;
    int64_t row = 8 * (channel / 64) + channel % 8;
    // Pairs of one row: the token pair t % 8 / 2. A word holds 16 / bits pairs:
    // half a row (8 bits), a row (4 bits) or two rows (2 bits).
    int64_t pair = 4 * row + t % 8 / 2, pairsPerWord = 16 / valueBits;
    int64_t word = pair / pairsPerWord;
    return {mmaWord(Part::Value, token, word / 4, 4 * g + c, word % 4),
            valueBits * (pair % pairsPerWord) + 16 * (t % 2)};
  }
};

/// The format called `name` (`kvarn_k4v2_g128`), or nothing if there is none.
std::optional<Format> parseFormatName(std::string_view name);

/// Every known format name, separated by ", ": for error messages and --help.
std::string knownFormatNames();

/// What is wrong with `format`, or an empty string.
std::string describeFormatError(const Format &format);

std::optional<Layout> parseLayout(std::string_view name);

inline std::string_view layoutName(Layout layout) {
  return kLayoutNames[static_cast<size_t>(layout)];
}

} // namespace kvarn

#endif // KVARN_FORMAT_FORMAT_H
