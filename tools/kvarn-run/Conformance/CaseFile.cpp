//===- CaseFile.cpp - Golden cases from files -----------------------------===//

#include "tools/kvarn-run/Conformance/CaseFile.h"

#include "tools/kvarn-run/Error.h"
#include "tools/kvarn-run/Text.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>

namespace kvarn::run {

using nlohmann::json;

namespace {

/// A value in the JSON text and its name for messages.
class Node {
public:
  Node(const json &value, std::string file, std::string path)
      : value(value), file(std::move(file)), path(std::move(path)) {}

  [[noreturn]] void fail(const std::string &what) const {
    throw Error(kInput, file + ": " + (path.empty() ? "" : path + ": ") + what);
  }
  [[noreturn]] void expected(const std::string &what) const {
    // Not the insides: printing is recursive, a file may nest deeply.
    if (value.is_structured())
      fail("found " + std::string(value.is_array() ? "a list" : "an object") +
           ", expected " + what);
    std::string found =
        value.dump(-1, ' ', true, json::error_handler_t::replace);
    fail("found " + (found.size() > 60 ? found.substr(0, 60) + "..." : found) +
         ", expected " + what);
  }

  bool has(const char *name) const {
    return value.is_object() && value.contains(name);
  }
  Node operator[](const char *name) const {
    if (!value.is_object())
      expected("an object");
    auto found = value.find(name);
    if (found == value.end())
      fail(std::string("has no '") + name + "'");
    return {*found, file, path.empty() ? name : path + "." + name};
  }
  size_t size() const {
    if (!value.is_array())
      expected("a list");
    return value.size();
  }
  Node operator[](size_t i) const {
    return {value[i], file, path + "[" + std::to_string(i) + "]"};
  }
  std::string text() const {
    if (!value.is_string())
      expected("a string");
    return value.get<std::string>();
  }
  int64_t integer(int64_t low, int64_t high) const {
    bool fits = value.is_number_integer() &&
                !(value.is_number_unsigned() &&
                  value.get<uint64_t>() > uint64_t(INT64_MAX));
    if (!fits || value.get<int64_t>() < low || value.get<int64_t>() > high)
      expected("an integer from " + std::to_string(low) + " to " +
               std::to_string(high));
    return value.get<int64_t>();
  }
  double positive() const {
    if (!value.is_number() || !(value.get<double>() > 0) ||
        !std::isfinite(static_cast<float>(value.get<double>())))
      expected("a positive number");
    return value.get<double>();
  }

private:
  const json &value;
  std::string file, path;
};

/// The tensors of one case, as the file describes them.
class CaseReader {
public:
  CaseReader(const Node &node, const std::string &binaryName,
             const std::string &binary, Case &result)
      : node(node), binaryName(binaryName), binary(binary), result(result) {}

  void read();

private:
  static constexpr int64_t kAny = -1; // extent

  void readFormat();
  void readStore();
  void readDecode();
  void checkTables();
  void checkFinite(const char *name);
  Node find(const std::string &name) const;
  /// Reads a tensor; extents may be kAny.
  const HostTensor &tensor(const std::string &name,
                           const std::vector<std::string> &dtypes,
                           const std::vector<int64_t> &shape);
  void checkRecord(const std::string &name, int64_t stride);

  const Node &node;
  const std::string &binaryName, &binary;
  Case &result;
};

} // namespace

static constexpr int64_t kMaxExtent = int64_t(1) << 40;
static constexpr size_t kMaxJson = size_t(64) << 20;
static constexpr const char *kHalf = "float16";
static const std::vector<std::string> kHalfs = {"float16", "bfloat16"};

Node CaseReader::find(const std::string &name) const {
  Node list = node["tensors"];
  for (size_t i = 0; i < list.size(); ++i)
    if (list[i]["name"].text() == name)
      return list[i];
  list.fail("has no tensor '" + name + "'");
}

static DType parseTensorType(const Node &entry,
                             const std::vector<std::string> &dtypes) {
  static const std::map<std::string, DType> types = {{"float16", DType::F16},
                                                     {"bfloat16", DType::BF16},
                                                     {"uint8", DType::U8},
                                                     {"int32", DType::I32}};
  std::string name = entry["dtype"].text();
  if (std::find(dtypes.begin(), dtypes.end(), name) == dtypes.end())
    entry["dtype"].expected(joinList(dtypes, " or "));
  return types.at(name);
}

const HostTensor &CaseReader::tensor(const std::string &name,
                                     const std::vector<std::string> &dtypes,
                                     const std::vector<int64_t> &shape) {
  Node entry = find(name);
  DType dtype = parseTensorType(entry, dtypes);
  std::vector<int64_t> found;
  for (size_t i = 0; i < entry["shape"].size(); ++i)
    found.push_back(entry["shape"][i].integer(0, kMaxExtent));
  bool fits = found.size() == shape.size();
  std::string wanted;
  for (size_t i = 0; i < shape.size(); ++i) {
    wanted +=
        (i ? ", " : "") + (shape[i] == kAny ? "any" : std::to_string(shape[i]));
    fits = fits && (shape[i] == kAny || shape[i] == found[i]);
  }
  if (!fits)
    entry["shape"].fail("found " + npy::shapeText(found) + ", expected [" +
                        wanted + "]");
  std::optional<int64_t> bytes = npy::tensorBytes(dtype, found);
  if (!bytes)
    entry["shape"].fail(npy::shapeText(found) + " is too large");
  if (entry.has("bytes") && entry["bytes"].integer(0, INT64_MAX) != *bytes)
    entry["bytes"].expected(std::to_string(*bytes));
  int64_t offset = entry["offset"].integer(0, INT64_MAX);
  auto size = static_cast<int64_t>(binary.size());
  if (offset > size || *bytes > size - offset)
    entry["offset"].fail(std::to_string(*bytes) + " bytes at " +
                         std::to_string(offset) + " end beyond the " +
                         std::to_string(size) + " bytes of " + binaryName);
  HostTensor &tensor = result.tensors[name] = HostTensor(dtype, found);
  std::copy_n(binary.begin() + offset, *bytes, tensor.bytes().begin());
  return tensor;
}

/// The rotated values of a tile to be stored must be finite: NaN and infinity
/// are the caller's error, and there is no right record for them.
void CaseReader::checkFinite(const char *name) {
  for (uint16_t bits : result[name].as<uint16_t>())
    if ((bits & 0x7c00) == 0x7c00)
      find(name).fail("holds NaN or infinity");
}

void CaseReader::checkRecord(const std::string &name, int64_t stride) {
  if (stride < result.format.recordBytes())
    find(name)["shape"].fail("records of " + std::to_string(stride) +
                             " bytes, but a " + result.format.name() +
                             " record with head_dim " +
                             std::to_string(result.format.headDim) + " has " +
                             std::to_string(result.format.recordBytes()));
  if (node.has("record_bytes") &&
      node["record_bytes"].integer(0, kMaxExtent) != stride)
    node["record_bytes"].expected(std::to_string(stride) +
                                  ", the last extent of '" + name + "'");
  result.recordStride = stride;
}

void CaseReader::readFormat() {
  std::optional<Format> format = parseFormatName(node["preset"].text());
  if (!format)
    node["preset"].expected("one of " + knownFormatNames());
  format->headDim = node["head_dim"].integer(1, 1 << 16);
  if (std::string error = describeFormatError(*format); !error.empty())
    node["head_dim"].fail(error);
  auto matches = [&](const char *name, int64_t value) {
    if (node.has(name) && node[name].integer(0, kMaxExtent) != value)
      node[name].expected(std::to_string(value) + ", as the preset says");
  };
  matches("group", format->group);
  matches("key_bits", format->keyBits);
  matches("value_bits", format->valueBits);
  result.format = *format;
}

void CaseReader::readStore() {
  int64_t group = result.format.group, dim = result.format.headDim;
  if (node.has("iterations"))
    result.iterations = node["iterations"].integer(0, 1000);
  const HostTensor &k = tensor("k", kHalfs, {kAny, group, dim});
  int64_t tiles = k.extent(0);
  if (tiles < 1)
    find("k")["shape"].fail("expected at least one tile");
  std::string type = k.dtype() == DType::F16 ? kHalfs[0] : kHalfs[1];
  tensor("v", {type}, {tiles, group, dim});
  tensor("k_rotated", {kHalf}, {tiles, group, dim});
  tensor("v_rotated", {kHalf}, {tiles, group, dim});
  checkRecord("record", tensor("record", {"uint8"}, {tiles, kAny}).extent(1));
  checkFinite("k_rotated");
  checkFinite("v_rotated");
}

/// Every block that a request uses, and its slot, must exist.
void CaseReader::checkTables() {
  auto slots = static_cast<int64_t>(result["pool_k_rotated"].extent(0));
  for (int32_t slot : result["block_to_slot"].as<int32_t>())
    if (slot < -1 || slot >= slots)
      find("block_to_slot")
          .fail("holds " + std::to_string(slot) + ", expected -1 to " +
                std::to_string(slots - 1));
  int64_t columns = result["block_table"].extent(1),
          group = result.format.group;
  int64_t blocks = result["cache"].extent(0);
  auto lengths = result["seq_lens"].as<int32_t>();
  auto table = result["block_table"].as<int32_t>();
  for (size_t b = 0; b < lengths.size(); ++b) {
    if (lengths[b] < 0 || lengths[b] > columns * group)
      find("seq_lens")
          .fail("holds " + std::to_string(lengths[b]) + ", expected 0 to " +
                std::to_string(columns * group));
    for (int64_t i = 0; i * group < lengths[b]; ++i) {
      int32_t block = table[static_cast<int64_t>(b) * columns + i];
      if (block < 0 || block >= blocks)
        find("block_table")
            .fail("holds " + std::to_string(block) + ", expected 0 to " +
                  std::to_string(blocks - 1));
    }
  }
}

void CaseReader::readDecode() {
  int64_t group = result.format.group, dim = result.format.headDim;
  result.kvHeads = node["kv_heads"].integer(1, 1 << 16);
  result.queryHeads = node["query_heads"].integer(1, 1 << 20);
  if (result.queryHeads % result.kvHeads != 0)
    node["query_heads"].expected("a multiple of kv_heads, " +
                                 std::to_string(result.kvHeads));
  result.scale = node["scale"].positive();
  const HostTensor &q = tensor("q", kHalfs, {kAny, result.queryHeads, dim});
  int64_t batch = q.extent(0);
  if (batch < 1)
    find("q")["shape"].fail("expected at least one request");
  std::string type = q.dtype() == DType::F16 ? kHalfs[0] : kHalfs[1];
  const HostTensor &cache =
      tensor("cache", {"uint8"}, {kAny, result.kvHeads, kAny});
  checkRecord("cache", cache.extent(2));
  tensor("block_table", {"int32"}, {batch, kAny});
  tensor("seq_lens", {"int32"}, {batch});
  tensor("block_to_slot", {"int32"}, {cache.extent(0)});
  int64_t slots =
      tensor("pool_k_rotated", {kHalf}, {kAny, group, result.kvHeads, dim})
          .extent(0);
  tensor("pool_v_rotated", {kHalf}, {slots, group, result.kvHeads, dim});
  tensor("out", {type}, {batch, result.queryHeads, dim});
  checkTables();
}

void CaseReader::read() {
  std::string kind = node["case"].text();
  if (kind != "store" && kind != "decode")
    node["case"].expected("\"store\" or \"decode\"");
  result.kind = kind == "store" ? Case::Kind::Store : Case::Kind::Decode;
  readFormat();
  if (result.kind == Case::Kind::Store)
    readStore();
  else
    readDecode();
  result.name += " " + kind + " " + result.format.name() +
                 " D=" + std::to_string(result.format.headDim);
}

static std::string readWhole(const std::string &path) {
  std::string error;
  std::optional<std::string> bytes = readFile(path, error);
  if (!bytes)
    throw Error(kInput, error);
  return std::move(*bytes);
}

std::vector<Case> readCases(const std::string &path) {
  std::string text = readWhole(path);
  if (text.size() > kMaxJson)
    throw Error(kInput, path + ": larger than 64 MiB");
  json document;
  try {
    document = json::parse(text);
  } catch (const json::parse_error &error) {
    // "[json.exception.parse_error.101] parse error at line 1, ..."
    std::string what = error.what();
    throw Error(kInput, path + ": " + what.substr(what.find(']') + 2));
  }
  Node list = Node(document, path, "")["cases"];
  if (list.size() == 0)
    list.fail("holds no case");
  if (!path.ends_with(".json"))
    throw Error(kInput, path + ": expected a name that ends with .json");
  std::string binaryName = path.substr(0, path.size() - 5) + ".bin";
  std::string binary = readWhole(binaryName);
  std::vector<Case> cases(list.size());
  for (size_t i = 0; i < cases.size(); ++i) {
    cases[i].name =
        path.substr(path.rfind('/') + 1) + " cases[" + std::to_string(i) + "]";
    CaseReader(list[i], binaryName, binary, cases[i]).read();
  }
  return cases;
}

} // namespace kvarn::run
