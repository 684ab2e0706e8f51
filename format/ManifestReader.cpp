//===- ManifestReader.cpp - Reading of untrusted manifests ----------------===//

#include "format/Chip.h"
#include "format/Format.h"
#include "format/Hash.h"
#include "format/ManifestNode.h"

#include <algorithm>
#include <span>
#include <unordered_map>
#include <unordered_set>

namespace kvarn {

using namespace detail;

// Bounds on what a sane library contains. They keep the memory and time of
// reading, and everything computed from a manifest, within reason.
static constexpr size_t kMaxText = size_t(64) << 20;
static constexpr int kMaxNesting = 2 * kMaxRuleDepth + 16;
static constexpr size_t kMaxVariants = 1 << 16;
static constexpr size_t kMaxRank = 8;
static constexpr int64_t kMaxExtent = int64_t(1) << 48;
static constexpr int64_t kMaxBytes = int64_t(1) << 40;
static constexpr int64_t kMaxThreads = 1024;
static constexpr int64_t kMaxShared = int64_t(1) << 30;
static constexpr int64_t kMaxCluster = 16;
static constexpr int64_t kMaxAlignment = 4096;

//===----------------------------------------------------------------------===//
// Parts of a variant
//===----------------------------------------------------------------------===//

static bool readFeatures(const Object &object, VariantKey &key) {
  Node member;
  if (!object.get("features", member) ||
      !object.names("features", key.features))
    return false;
  for (size_t i = 1; i < key.features.size(); ++i)
    if (key.features[i - 1] >= key.features[i])
      return member.fail("expected a sorted list without duplicates");
  return true;
}

static bool readOptions(const Object &object, VariantKey &key) {
  Node member;
  if (!object.get("options", member))
    return false;
  if (!member.value->is_object() || member.value->size() > kMaxItems)
    return member.fail("expected an object of at most " +
                       std::to_string(kMaxItems) + " strings");
  for (auto &[name, value] : member.value->items()) {
    json nameValue = name;
    std::string text;
    if (!readName({&nameValue, member.path, member.error}, text) ||
        !readName({&value, member.path + "." + name, member.error},
                  key.options[name]))
      return false;
  }
  return true;
}

/// A format fixes which layouts and head dimensions there are.
static bool checkFormat(const Object &object, const VariantKey &key) {
  Node format, layout, headDim;
  if (!object.get("format", format) || !object.get("layout", layout) ||
      !object.get("head_dim", headDim))
    return false;
  std::optional<Layout> parsedLayout = parseLayout(key.layout);
  if (!parsedLayout && !(key.format.empty() && key.layout.empty()))
    return layout.fail("expected \"reference\" or \"mma16816\"");
  if (key.format.empty())
    return true;
  std::optional<Format> parsed = parseFormatName(key.format);
  if (!parsed)
    return format.fail("unknown format, expected one of " + knownFormatNames());
  parsed->headDim = key.headDim;
  if (std::string error = describeFormatError(*parsed); !error.empty())
    return headDim.fail(error);
  return true;
}

static bool readKey(const Node &node, VariantKey &key) {
  Object object(node);
  return object.check({"kernel", "format", "layout", "head_dim", "ratio",
                       "dtype", "query_rows", "features", "options",
                       "target"}) &&
         object.name("kernel", key.kernel) &&
         object.text("format", key.format) &&
         object.text("layout", key.layout) &&
         object.integer("head_dim", 0, 1 << 16, key.headDim) &&
         object.integer("ratio", 0, 1 << 16, key.ratio) &&
         readOneOf(object, "dtype", {"f16", "bf16", "f32", ""}, key.dtype) &&
         object.integer("query_rows", 0, 1 << 20, key.queryRows) &&
         readFeatures(object, key) && readOptions(object, key) &&
         object.name("target", key.target) && checkFormat(object, key);
}

static bool isHash(const std::string &text) {
  return text.size() == 64 &&
         text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

static bool readHash(const Object &object, const char *name,
                     std::string &result) {
  Node member;
  if (!object.get(name, member))
    return false;
  const auto *text = member.value->get_ptr<const std::string *>();
  if (!text || !isHash(*text))
    return member.fail("expected a string of 64 hex digits");
  result = *text;
  return true;
}

static bool readBinary(const Node &node, Binary &binary) {
  Object object(node);
  Node file;
  std::string kind;
  if (!object.check({"file", "kind", "sha256", "bytes"}) ||
      !object.get("file", file) || !readText(file, binary.file) ||
      !readOneOf(object, "kind", {"shared-object", "object", "ptx", "cubin"},
                 kind) ||
      !readHash(object, "sha256", binary.sha256) ||
      !object.integer("bytes", 0, kMaxBytes, binary.bytes))
    return false;
  if (binary.file.empty() || binary.file == "." || binary.file == ".." ||
      binary.file == kManifestFileName ||
      binary.file.find_first_of("/\\") != std::string::npos)
    return file.fail("expected the plain name of a file beside the manifest");
  binary.kind = *parseBinaryKind(kind);
  return true;
}

static bool readRequirements(const Node &node, Requirements &requirements) {
  Object object(node);
  return object.check({"arch", "cpu", "cpu_features", "chip"}) &&
         readOneOf(object, "arch", {"x86_64", "aarch64", "nvptx", "amdgcn"},
                   requirements.arch) &&
         object.text("cpu", requirements.cpu) &&
         object.names("cpu_features", requirements.cpuFeatures) &&
         object.text("chip", requirements.chip);
}

static bool readShape(const Object &object, std::vector<int64_t> &shape) {
  Node list;
  if (!object.list("shape", kMaxRank, list))
    return false;
  shape.resize(list.value->size());
  for (size_t i = 0; i < shape.size(); ++i)
    if (!readInteger(list.at(i), -1, kMaxExtent, shape[i]))
      return false;
  return true;
}

static bool readAlignment(const Object &object, Parameter &parameter) {
  Node member;
  if (!object.get("alignment", member) ||
      !readInteger(member, 1, kMaxAlignment, parameter.alignment))
    return false;
  if (parameter.alignment & (parameter.alignment - 1))
    return member.fail("expected a power of two");
  return true;
}

static bool readParameter(const Node &node, Parameter &parameter) {
  Object object(node);
  std::string kind;
  if (!object.check(
          {"name", "kind", "dtype", "shape", "output", "alignment"}) ||
      !object.name("name", parameter.name) ||
      !readOneOf(object, "kind", {"tensor", "scalar"}, kind) ||
      !object.dtype("dtype", parameter.dtype) ||
      !object.boolean("output", parameter.output))
    return false;
  if (kind == "tensor") {
    parameter.kind = Parameter::Kind::Tensor;
    return readShape(object, parameter.shape) &&
           (!object.has("alignment") || readAlignment(object, parameter));
  }
  parameter.kind = Parameter::Kind::Scalar;
  if (object.has("shape") || object.has("alignment") || parameter.output)
    return node.fail("a scalar has no shape and no alignment, and is no "
                     "output");
  if (parameter.dtype != DType::F32 && parameter.dtype != DType::I32 &&
      parameter.dtype != DType::I64)
    return node.fail("a scalar is f32, i32 or i64");
  return true;
}

static bool readRule(const Node &node, Rule &rule) {
  std::optional<Rule> parsed = parseRule(*node.value, node.path, *node.error);
  if (parsed)
    rule = std::move(*parsed);
  return parsed.has_value();
}

static const Parameter *findParameter(const Variant &variant,
                                      const std::string &name) {
  for (const Parameter &parameter : variant.parameters)
    if (parameter.name == name)
      return &parameter;
  return nullptr;
}

/// That everything `rule` names exists.
static bool checkRule(const Node &node, const Rule &rule,
                      const Variant &variant) {
  for (const Rule &operand : rule.operands)
    if (!checkRule(node, operand, variant))
      return false;
  if (rule.kind == Rule::Kind::Device && rule.name != "sm_count")
    return node.fail("unknown device fact '" + rule.name +
                     "', expected sm_count");
  if (rule.kind != Rule::Kind::Dim && rule.kind != Rule::Kind::Param)
    return true;
  const Parameter *parameter = findParameter(variant, rule.name);
  if (!parameter)
    return node.fail("unknown parameter '" + rule.name + "'");
  bool tensor = parameter->kind == Parameter::Kind::Tensor;
  if (rule.kind == Rule::Kind::Dim &&
      (!tensor || rule.value >= static_cast<int64_t>(parameter->shape.size())))
    return node.fail("parameter '" + rule.name + "' has no dimension " +
                     std::to_string(rule.value));
  if (rule.kind == Rule::Kind::Param &&
      (tensor || parameter->dtype == DType::F32))
    return node.fail("parameter '" + rule.name + "' is no integer");
  return true;
}

static bool readBuffer(const Node &node, const Variant &variant,
                       Buffer &buffer) {
  Object object(node);
  Node shape;
  if (!object.check({"name", "dtype", "shape"}) ||
      !object.name("name", buffer.name) ||
      !object.dtype("dtype", buffer.dtype) ||
      !object.list("shape", kMaxRank, shape))
    return false;
  buffer.shape.resize(shape.value->size());
  for (size_t i = 0; i < buffer.shape.size(); ++i)
    if (!readRule(shape.at(i), buffer.shape[i]) ||
        !checkRule(shape.at(i), buffer.shape[i], variant))
      return false;
  return true;
}

static bool checkArguments(const Object &object, const Variant &variant,
                           const Launch &launch) {
  Node list;
  if (!object.get("arguments", list))
    return false;
  for (size_t i = 0; i < launch.arguments.size(); ++i) {
    const std::string &name = launch.arguments[i];
    bool known = findParameter(variant, name) ||
                 std::any_of(variant.buffers.begin(), variant.buffers.end(),
                             [&](const Buffer &b) { return b.name == name; });
    if (!known)
      return list.at(i).fail("unknown parameter or buffer '" + name + "'");
  }
  return true;
}

static bool readCount(const Object &object, const char *name,
                      std::optional<int64_t> &result) {
  return !object.has(name) ||
         object.integer(name, 0, kMaxShared, result.emplace());
}

static bool readEarly(const Object &object, const Variant &variant,
                      Launch &launch) {
  Node early;
  if (!object.has("early"))
    return true;
  if (!object.get("early", early) || !object.boolean("early", launch.early))
    return false;
  const std::string &name = variant.requirements.chip;
  std::optional<Chip> chip = parseChip(name);
  return !launch.early || (chip && chip->major >= 9) ||
         early.fail("expected false for '" + name +
                    "': kernels wait by themselves from sm_90 on");
}

static bool readLaunch(const Node &node, const Variant &variant,
                       Launch &launch) {
  Object object(node);
  Node grid;
  if (!object.check({"entry", "grid", "block", "shared_bytes", "cluster",
                     "arguments", "early", "registers", "spill_bytes"}) ||
      !object.name("entry", launch.entry) || !object.list("grid", 3, grid) ||
      !object.integer("block", 1, kMaxThreads, launch.block) ||
      !object.integer("shared_bytes", 0, kMaxShared, launch.sharedBytes) ||
      !object.integer("cluster", 1, kMaxCluster, launch.cluster) ||
      !object.names("arguments", launch.arguments) ||
      !readEarly(object, variant, launch) ||
      !readCount(object, "registers", launch.registers) ||
      !readCount(object, "spill_bytes", launch.spillBytes))
    return false;
  if (grid.value->size() != 3)
    return grid.fail("expected three rules");
  for (size_t i = 0; i < 3; ++i)
    if (!readRule(grid.at(i), launch.grid[i]) ||
        !checkRule(grid.at(i), launch.grid[i], variant))
      return false;
  return checkArguments(object, variant, launch);
}

static bool readCheck(const Node &node, const Variant &variant,
                      ExtentCheck &check) {
  Object object(node);
  Node tensor, extent;
  if (!object.check({"tensor", "dimension", "extent"}) ||
      !object.get("tensor", tensor) || !object.name("tensor", check.tensor) ||
      !object.integer("dimension", 0, kMaxExtent, check.dimension) ||
      !object.get("extent", extent) || !readRule(extent, check.extent))
    return false;
  Rule own = Rule::dim(check.tensor, check.dimension);
  return checkRule(tensor, own, variant) &&
         checkRule(extent, check.extent, variant);
}

static bool readHint(const Node &node, Hint &hint) {
  Object object(node);
  std::vector<std::string_view> names;
  for (const HintMember &member : kHintMembers)
    names.push_back(member.name);
  if (!object.check(std::span<const std::string_view>(names)))
    return false;
  for (const HintMember &member : kHintMembers) {
    int64_t value = 0;
    if (!object.has(member.name))
      continue;
    if (!object.integer(member.name, 1, kMaxExtent, value))
      return false;
    hint.*member.value = value;
  }
  return true;
}

//===----------------------------------------------------------------------===//
// Variants
//===----------------------------------------------------------------------===//

/// Reads the list `name` with `read(node, item)`. Names of parameters and
/// buffers share one space: `taken`.
template <typename Item, typename Read>
static bool readItems(const Object &object, const char *name,
                      std::vector<Item> &items, Read read) {
  Node list;
  if (!object.list(name, kMaxItems, list))
    return false;
  items.reserve(list.value->size());
  for (size_t i = 0; i < list.value->size(); ++i)
    if (!read(list.at(i), items.emplace_back()))
      return false;
  return true;
}

/// A CPU runs shared objects (or objects to be linked), NVIDIA PTX or cubins.
static bool checkKind(const Node &node, const Variant &variant) {
  BinaryKind kind = variant.binary.kind;
  const std::string &arch = variant.requirements.arch;
  bool host = kind == BinaryKind::SharedObject || kind == BinaryKind::Object;
  bool hostArch = arch == "x86_64" || arch == "aarch64";
  bool nvidia = kind == BinaryKind::Ptx || kind == BinaryKind::Cubin;
  if ((hostArch && !host) || (arch == "nvptx" && !nvidia))
    return node.fail("a binary of kind " + std::string(binaryKindName(kind)) +
                     " cannot run on " + arch);
  return true;
}

static bool readVariant(const Node &node, Variant &variant) {
  Object object(node);
  std::unordered_set<std::string> taken;
  auto unique = [&](const Node &item, const std::string &name) {
    return taken.insert(name).second ||
           item.fail("duplicate name '" + name + "'");
  };
  auto parameter = [&](const Node &item, Parameter &result) {
    return readParameter(item, result) && unique(item, result.name);
  };
  auto buffer = [&](const Node &item, Buffer &result) {
    return readBuffer(item, variant, result) && unique(item, result.name);
  };
  auto launch = [&](const Node &item, Launch &result) {
    return readLaunch(item, variant, result);
  };
  auto check = [&](const Node &item, ExtentCheck &result) {
    return readCheck(item, variant, result);
  };
  Node key, binary, needs, hint;
  return object.check({"id", "key", "schedule", "schedule_from", "binary",
                       "requires", "parameters", "buffers", "launches", "hint",
                       "checks"}) &&
         object.name("id", variant.id) && object.get("key", key) &&
         readKey(key, variant.key) &&
         object.text("schedule", variant.schedule, kMaxLongText) &&
         object.text("schedule_from", variant.scheduleFrom) &&
         object.get("binary", binary) && readBinary(binary, variant.binary) &&
         object.get("requires", needs) &&
         readRequirements(needs, variant.requirements) &&
         checkKind(node, variant) &&
         readItems(object, "parameters", variant.parameters, parameter) &&
         readItems(object, "buffers", variant.buffers, buffer) &&
         (!object.has("checks") ||
          readItems(object, "checks", variant.checks, check)) &&
         readItems(object, "launches", variant.launches, launch) &&
         object.get("hint", hint) && readHint(hint, variant.hint);
}

static bool readVariants(const Object &root, std::vector<Variant> &variants) {
  Node list;
  if (!root.list("variants", kMaxVariants, list))
    return false;
  std::unordered_set<std::string> ids;
  std::unordered_map<std::string, Binary> binaries; // one may hold several
  variants.reserve(list.value->size());
  for (size_t i = 0; i < list.value->size(); ++i) {
    Node node = list.at(i);
    if (!readVariant(node, variants.emplace_back()))
      return false;
    if (!ids.insert(variants.back().id).second)
      return node.fail("duplicate id '" + variants.back().id + "'");
    const Binary &binary = variants.back().binary;
    if (binaries.try_emplace(binary.file, binary).first->second != binary)
      return node.fail("binary '" + binary.file +
                       "' is described differently before");
  }
  return true;
}

//===----------------------------------------------------------------------===//
// The whole
//===----------------------------------------------------------------------===//

/// Nesting of brackets outside strings: JSON libraries recurse over it.
static bool nestingIsBounded(std::string_view text) {
  int depth = 0;
  bool inString = false;
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (inString) {
      if (c == '\\')
        ++i;
      else if (c == '"')
        inString = false;
      continue;
    }
    if (c == '"')
      inString = true;
    else if (c == '[' || c == '{')
      ++depth;
    else if (c == ']' || c == '}')
      --depth;
    if (depth > kMaxNesting)
      return false;
  }
  return true;
}

static bool checkVersion(const Object &root, const char *name,
                         int64_t expected) {
  Node member;
  int64_t found = 0;
  if (!root.get(name, member) || !readInteger(member, 0, INT32_MAX, found))
    return false;
  if (found != expected)
    return member.fail("found " + std::to_string(found) + ", expected " +
                       std::to_string(expected));
  return true;
}

static bool checkChecksum(json &value, const Object &root) {
  Node member;
  std::string found;
  if (!readHash(root, "checksum", found) || !root.get("checksum", member))
    return false;
  value.erase("checksum");
  std::string text = value.dump(-1, ' ', false, json::error_handler_t::replace);
  if (sha256Hex(text) != found)
    return member.fail("does not match the contents: the file is damaged or "
                       "was edited");
  return true;
}

std::optional<Manifest> readManifest(std::string_view text,
                                     std::string &error) {
  Node node{nullptr, std::string(kManifestFileName), &error};
  error.clear();
  if (text.size() > kMaxText) {
    node.fail("expected at most " + std::to_string(kMaxText) + " bytes");
    return std::nullopt;
  }
  if (!nestingIsBounded(text)) {
    node.fail("nested deeper than " + std::to_string(kMaxNesting) + " levels");
    return std::nullopt;
  }
  json value = json::parse(text.begin(), text.end(), nullptr,
                           /*allow_exceptions=*/false);
  if (value.is_discarded()) {
    node.fail("not valid JSON; the file is damaged or truncated");
    return std::nullopt;
  }
  node.value = &value;
  Object root(node);
  Manifest manifest;
  // Versions first: other versions may have other members.
  if (!value.is_object()) {
    node.fail("expected an object");
    return std::nullopt;
  }
  if (!checkVersion(root, "schema", kManifestSchema) ||
      !checkVersion(root, "abi", kKernelAbi) || !checkChecksum(value, root) ||
      !root.check({"schema", "abi", "compiler", "variants"}) ||
      !root.text("compiler", manifest.compiler) ||
      !readVariants(root, manifest.variants))
    return std::nullopt;
  return manifest;
}

} // namespace kvarn
