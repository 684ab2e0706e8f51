//===- Manifest.h - What a kernel library contains --------------*- C++ -*-===//
//
// A kernel library is a folder NAME.kvlib/ with `manifest.json` and one binary
// per variant. The compiler writes the manifest, the runtime reads it; this is
// the one definition of both. Every JSON member has the name of its field here
// in snake_case (`headDim` is "head_dim").
//
// Nothing here throws. The text may be damaged or hostile: whatever passes
// readManifest() is complete, bounded and consistent in itself.
//
//===----------------------------------------------------------------------===//

#ifndef KVARN_FORMAT_MANIFEST_H
#define KVARN_FORMAT_MANIFEST_H

#include "format/Rule.h"

#include <array>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace kvarn {

/// Version of the JSON text.
inline constexpr int64_t kManifestSchema = 1;
/// Version of the calling convention between runtime and kernels, see
/// runtime/Backend.h.
inline constexpr int64_t kKernelAbi = 1;

inline constexpr std::string_view kManifestFileName = "manifest.json";

enum class DType { F16, BF16, F32, I8, I32, I64 };
inline constexpr std::array<std::string_view, 6> kDTypeNames = {
    "f16", "bf16", "f32", "i8", "i32", "i64"};
std::string_view dtypeName(DType dtype);
std::optional<DType> parseDType(std::string_view name);
int64_t dtypeBytes(DType dtype);

enum class BinaryKind { SharedObject, Object, Ptx, Cubin };
inline constexpr std::array<std::string_view, 4> kBinaryKindNames = {
    "shared-object", "object", "ptx", "cubin"};
std::string_view binaryKindName(BinaryKind kind);
std::optional<BinaryKind> parseBinaryKind(std::string_view name);

/// What a variant was specialized for. Two variants may have the same key: they
/// differ in schedule or required device and compute the same.
struct VariantKey {
  std::string kernel;    // attend, append, flush, ... or a user's name
  std::string format;    // kvarn_k4v2_g128, or "" for a program without one
  std::string layout;    // reference, mma16816, or ""
  int64_t headDim = 0;   // 0 = does not apply
  int64_t ratio = 0;     // query heads per KV head; 0 = does not apply
  std::string dtype;     // f16, bf16, f32, or ""
  int64_t queryRows = 0; // bucket: query tokens x ratio of one tile; 0 = none
  std::vector<std::string> features;          // sorted, no duplicates
  std::map<std::string, std::string> options; // iterations, prescale, split...
  std::string target;                         // x86_64, sm_90a, ...

  bool operator==(const VariantKey &) const = default;
};

struct Binary {
  std::string file; // plain name of a file beside the manifest
  BinaryKind kind = BinaryKind::SharedObject;
  std::string sha256; // 64 lower-case hex digits
  int64_t bytes = 0;

  bool operator==(const Binary &) const = default;
};

/// What must be true of the device. JSON: "requires".
struct Requirements {
  std::string arch; // x86_64, aarch64, nvptx or amdgcn
  std::string cpu;  // x86-64-v3, x86-64-v4, or ""
  std::vector<std::string> cpuFeatures;
  std::string chip; // sm_90a, or ""

  bool operator==(const Requirements &) const = default;
};

struct Parameter {
  enum class Kind { Tensor, Scalar };

  std::string name;
  Kind kind = Kind::Tensor;
  DType dtype = DType::F16;   // a scalar is f32, i32 or i64
  std::vector<int64_t> shape; // -1 = any extent; empty for a scalar
  bool output = false;
  /// Bytes: the address of a tensor, and every stride but the innermost, must
  /// be a multiple. 0 = that of the element. JSON: optional.
  int64_t alignment = 0;

  bool operator==(const Parameter &) const = default;
};

/// Workspace or an intermediate: row-major, contiguous, alive for one run of
/// the variant. Rules may use the parameters.
struct Buffer {
  std::string name;
  DType dtype = DType::F32;
  std::vector<Rule> shape;

  bool operator==(const Buffer &) const = default;
};

/// What a launch needs of its arguments beyond their types: the extent of a
/// tensor that is written follows from what is read.
struct ExtentCheck {
  std::string tensor; // a parameter
  int64_t dimension = 0;
  Rule extent; // what it must be

  bool operator==(const ExtentCheck &) const = default;
};

struct Launch {
  std::string entry; // symbol
  std::array<Rule, 3> grid = {Rule(1), Rule(1), Rule(1)};
  int64_t block = 1;       // threads; 1 on a CPU
  int64_t sharedBytes = 0; // on a CPU: scratch bytes of one worker thread
  int64_t cluster = 1;
  std::vector<std::string> arguments; // parameters or buffers
  /// May begin before the launch before it has ended: the kernel waits for it.
  /// JSON: optional.
  bool early = false;
  /// Of a thread, and the bytes of them that a thread keeps in memory; nothing
  /// if the assembler did not say. JSON: optional.
  std::optional<int64_t> registers = {}, spillBytes = {};

  bool operator==(const Launch &) const = default;
};

/// What a variant was tuned for. Affects which one is chosen, never whether the
/// result is right.
struct Hint {
  std::optional<int64_t> maxBatch;
  std::optional<int64_t> maxQueryTokens;
  std::optional<int64_t> context;
  std::optional<int64_t> kvHeads;

  bool operator==(const Hint &) const = default;
};

/// A member of a hint: its name in JSON, and what stands for it in ids.
struct HintMember {
  const char *name;
  char letter;
  std::optional<int64_t> Hint::*value;
};
/// All of them, in the order of ids.
inline constexpr HintMember kHintMembers[] = {
    {"max_batch", 'b', &Hint::maxBatch},
    {"kv_heads", 'h', &Hint::kvHeads},
    {"context", 'c', &Hint::context},
    {"max_query_tokens", 'q', &Hint::maxQueryTokens}};

/// Among variants of which some have hints, one without any is for work that no
/// hint is as near to as this. Distances are counted in factors of two, of
/// batch times KV heads, query tokens and context.
inline constexpr double kNearHint = 0.75;

/// For the ids of variants: "b8.h8.c4096.q1", "" without hints.
std::string shortName(const Hint &hint);

struct Variant {
  std::string id; // unique in the library
  VariantKey key;
  std::string schedule;     // text of the #kvarn.schedule attribute
  std::string scheduleFrom; // the target the schedule was made for
  Binary binary;
  Requirements requirements; // JSON: "requires"
  std::vector<Parameter> parameters;
  std::vector<Buffer> buffers;
  std::vector<ExtentCheck> checks; // JSON: optional
  std::vector<Launch> launches;    // run in this order
  Hint hint;

  bool operator==(const Variant &) const = default;
};

/// Whether a GPU has the more programs of `variant` to run, the more requests
/// there are. Each then takes as long as its request is, and they come in
/// waves: a hint says nothing of more requests than it names.
bool followsRequests(const Variant &variant);

struct Manifest {
  int64_t schema = kManifestSchema;
  int64_t abi = kKernelAbi;
  std::string compiler;
  std::vector<Variant> variants;

  bool operator==(const Manifest &) const = default;
};

/// The JSON text, with its checksum. The same manifest always gives the same
/// text. Does not check: see describeManifestError().
std::string writeManifest(const Manifest &manifest);

/// The manifest in `text`, or nothing and an error such as
/// `manifest.json: variants[2].binary.sha256: expected a string of 64 hex
/// digits`.
std::optional<Manifest> readManifest(std::string_view text, std::string &error);

/// What readManifest(writeManifest(manifest)) would complain about, or "".
std::string describeManifestError(const Manifest &manifest);

} // namespace kvarn

#endif // KVARN_FORMAT_MANIFEST_H
