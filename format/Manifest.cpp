//===- Manifest.cpp - Names and writing of manifests ----------------------===//

#include "format/Manifest.h"

#include "format/Hash.h"

#include <nlohmann/json.hpp>

namespace kvarn {

using nlohmann::json;

template <typename Enum, size_t N>
static std::optional<Enum>
parseEnum(const std::array<std::string_view, N> &names, std::string_view name) {
  for (size_t i = 0; i < N; ++i)
    if (names[i] == name)
      return static_cast<Enum>(i);
  return std::nullopt;
}

std::string_view dtypeName(DType dtype) {
  return kDTypeNames[static_cast<size_t>(dtype)];
}

std::optional<DType> parseDType(std::string_view name) {
  return parseEnum<DType>(kDTypeNames, name);
}

int64_t dtypeBytes(DType dtype) {
  switch (dtype) {
  case DType::I8:
    return 1;
  case DType::F16:
  case DType::BF16:
    return 2;
  case DType::F32:
  case DType::I32:
    return 4;
  case DType::I64:
    return 8;
  }
  return 0;
}

std::string_view binaryKindName(BinaryKind kind) {
  return kBinaryKindNames[static_cast<size_t>(kind)];
}

std::optional<BinaryKind> parseBinaryKind(std::string_view name) {
  return parseEnum<BinaryKind>(kBinaryKindNames, name);
}

//===----------------------------------------------------------------------===//
// Writing
//===----------------------------------------------------------------------===//

template <typename List, typename ToJson>
static json arrayOf(const List &list, ToJson toJson) {
  json result = json::array();
  for (const auto &item : list)
    result.push_back(toJson(item));
  return result;
}

static json toJson(const VariantKey &key) {
  return {{"kernel", key.kernel},         {"format", key.format},
          {"layout", key.layout},         {"head_dim", key.headDim},
          {"ratio", key.ratio},           {"dtype", key.dtype},
          {"query_rows", key.queryRows},  {"features", json(key.features)},
          {"options", json(key.options)}, {"target", key.target}};
}

static json toJson(const Binary &binary) {
  return {{"file", binary.file},
          {"kind", binaryKindName(binary.kind)},
          {"sha256", binary.sha256},
          {"bytes", binary.bytes}};
}

static json toJson(const Requirements &requirements) {
  return {{"arch", requirements.arch},
          {"cpu", requirements.cpu},
          {"cpu_features", json(requirements.cpuFeatures)},
          {"chip", requirements.chip}};
}

static json toJson(const Parameter &parameter) {
  bool tensor = parameter.kind == Parameter::Kind::Tensor;
  json result = {{"name", parameter.name},
                 {"kind", tensor ? "tensor" : "scalar"},
                 {"dtype", dtypeName(parameter.dtype)},
                 {"output", parameter.output}};
  if (tensor || !parameter.shape.empty())
    result["shape"] = json(parameter.shape);
  if (parameter.alignment)
    result["alignment"] = parameter.alignment;
  return result;
}

static json toJson(const Buffer &buffer) {
  return {{"name", buffer.name},
          {"dtype", dtypeName(buffer.dtype)},
          {"shape", arrayOf(buffer.shape, ruleToJson)}};
}

static json toJson(const ExtentCheck &check) {
  return {{"tensor", check.tensor},
          {"dimension", check.dimension},
          {"extent", ruleToJson(check.extent)}};
}

static json toJson(const Launch &launch) {
  json result = {
      {"entry", launch.entry},     {"grid", arrayOf(launch.grid, ruleToJson)},
      {"block", launch.block},     {"shared_bytes", launch.sharedBytes},
      {"cluster", launch.cluster}, {"arguments", json(launch.arguments)}};
  if (launch.early)
    result["early"] = true;
  if (launch.registers)
    result["registers"] = *launch.registers;
  if (launch.spillBytes)
    result["spill_bytes"] = *launch.spillBytes;
  return result;
}

std::string shortName(const Hint &hint) {
  std::string text;
  for (const HintMember &member : kHintMembers)
    if (std::optional<int64_t> value = hint.*member.value)
      text += (text.empty() ? "" : ".") + std::string(1, member.letter) +
              std::to_string(*value);
  return text;
}

static bool dependsOnShapes(const Rule &rule) {
  return rule.kind == Rule::Kind::Dim ||
         std::any_of(rule.operands.begin(), rule.operands.end(),
                     dependsOnShapes);
}

bool followsRequests(const Variant &variant) {
  auto grows = [](const Launch &launch) {
    return std::any_of(launch.grid.begin(), launch.grid.end(), dependsOnShapes);
  };
  return !variant.requirements.chip.empty() &&
         std::any_of(variant.launches.begin(), variant.launches.end(), grows);
}

static json toJson(const Hint &hint) {
  json result = json::object();
  for (const HintMember &member : kHintMembers)
    if (std::optional<int64_t> value = hint.*member.value)
      result[member.name] = *value;
  return result;
}

static json toJson(const Variant &variant) {
  auto convert = [](const auto &item) { return toJson(item); };
  json result = {{"id", variant.id},
                 {"key", toJson(variant.key)},
                 {"schedule", variant.schedule},
                 {"schedule_from", variant.scheduleFrom},
                 {"binary", toJson(variant.binary)},
                 {"requires", toJson(variant.requirements)},
                 {"parameters", arrayOf(variant.parameters, convert)},
                 {"buffers", arrayOf(variant.buffers, convert)},
                 {"launches", arrayOf(variant.launches, convert)},
                 {"hint", toJson(variant.hint)}};
  if (!variant.checks.empty())
    result["checks"] = arrayOf(variant.checks, convert);
  return result;
}

std::string writeManifest(const Manifest &manifest) {
  json root = {{"schema", manifest.schema},
               {"abi", manifest.abi},
               {"compiler", manifest.compiler},
               {"variants", arrayOf(manifest.variants, [](const Variant &v) {
                  return toJson(v);
                })}};
  // Bytes that are not UTF-8 would make dump() throw; replaced, they are found
  // by describeManifestError() only if they matter.
  auto dump = [&](int indent) {
    return root.dump(indent, ' ', false, json::error_handler_t::replace);
  };
  std::string canonical = dump(-1);
  root["checksum"] = sha256Hex(canonical);
  return dump(1) + "\n";
}

std::string describeManifestError(const Manifest &manifest) {
  std::string error;
  readManifest(writeManifest(manifest), error);
  return error;
}

} // namespace kvarn
