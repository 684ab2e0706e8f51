//===- Inspect.cpp - What a finished library holds ------------------------===//

#include "tools/kvarn-compile/Inspect.h"

#include "format/Hash.h"

#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

using namespace kvarn;
namespace fs = std::filesystem;

std::optional<Manifest> openManifest(const std::string &path,
                                     std::string &error) {
  fs::path file = fs::path(path) / kManifestFileName;
  std::error_code code;
  bool regular = fs::is_regular_file(file, code);
  std::ifstream stream(regular ? file.string() : "", std::ios::binary);
  std::ostringstream text;
  text << stream.rdbuf();
  if (!regular || !stream) {
    error = "'" + path + "' is no kernel library: cannot read " +
            std::string(kManifestFileName);
    return std::nullopt;
  }
  std::optional<Manifest> manifest = readManifest(text.str(), error);
  if (!manifest)
    error = "'" + path + "': " + error;
  return manifest;
}

//===----------------------------------------------------------------------===//
// Variants
//===----------------------------------------------------------------------===//

template <typename List> static std::string join(const List &list) {
  std::string text;
  for (const std::string &item : list)
    text += (text.empty() ? "" : ",") + item;
  return text.empty() ? "none" : text;
}

static std::string describeKey(const VariantKey &key) {
  std::ostringstream text;
  text << key.kernel;
  if (!key.format.empty())
    text << ", " << key.format << ", layout " << key.layout << ", head_dim "
         << key.headDim;
  if (!key.dtype.empty())
    text << ", " << key.dtype;
  if (key.ratio)
    text << ", ratio " << key.ratio << ", features " << join(key.features);
  if (key.queryRows)
    text << ", " << key.queryRows << " query rows";
  for (auto &[name, value] : key.options)
    text << ", " << name << "=" << value;
  return text.str();
}

static std::string describeTarget(const Variant &variant) {
  const Requirements &needs = variant.requirements;
  std::string text = variant.key.target;
  for (const std::string *member : {&needs.chip, &needs.cpu})
    if (!member->empty() && *member != variant.key.target)
      text += ", " + *member;
  if (!needs.cpuFeatures.empty())
    text += ", with " + join(needs.cpuFeatures);
  return text;
}

static std::string describeHint(const Hint &hint) {
  std::string text;
  auto add = [&](const char *what, std::optional<int64_t> value) {
    if (value)
      text += (text.empty() ? "" : ", ") + std::string(what) + " " +
              std::to_string(*value);
  };
  add("batch", hint.maxBatch);
  add("KV heads", hint.kvHeads);
  add("query tokens", hint.maxQueryTokens);
  add("context", hint.context);
  return text;
}

/// What is wrong with a binary, or "".
static std::string describeDamage(const std::string &path,
                                  const Binary &binary) {
  std::string error;
  std::optional<FileHash> hash = hashFile(path, error);
  if (!hash)
    return error;
  if (hash->bytes != binary.bytes)
    return "has " + std::to_string(hash->bytes) + " bytes";
  return hash->sha256 == binary.sha256 ? "" : "has sha256 " + hash->sha256;
}

static void describeVariant(const Variant &variant, std::ostream &text) {
  auto line = [&](const char *name, const std::string &value) {
    if (!value.empty())
      text << "  " << name
           << std::string(10 - std::string_view(name).size(), ' ') << value
           << "\n";
  };
  const Binary &binary = variant.binary;
  text << variant.id << "\n";
  line("kernel", describeKey(variant.key));
  line("target", describeTarget(variant));
  line("tuned for", describeHint(variant.hint));
  if (!variant.schedule.empty())
    line("schedule", variant.schedule + ", of " + variant.scheduleFrom);
  line("binary", binary.file + ", " + std::string(binaryKindName(binary.kind)) +
                     ", " + std::to_string(binary.bytes) + " bytes");
  line("sha256", binary.sha256);
}

//===----------------------------------------------------------------------===//
// The library
//===----------------------------------------------------------------------===//

Inspection inspectLibrary(const std::string &path, const Manifest &manifest) {
  Inspection result;
  std::ostringstream text;
  text << path << ": made by " << manifest.compiler << ", schema "
       << manifest.schema << ", kernel ABI " << manifest.abi << "\n";
  std::map<std::string, std::string> damage; // by file
  int64_t bytes = 0;
  for (const Variant &variant : manifest.variants) {
    const Binary &binary = variant.binary;
    if (damage.try_emplace(binary.file).second) {
      damage[binary.file] = describeDamage(path + "/" + binary.file, binary);
      bytes += binary.bytes;
    }
    describeVariant(variant, text);
    if (!damage[binary.file].empty())
      text << "  DAMAGED   " << damage[binary.file] << "\n";
  }
  for (auto &[file, what] : damage)
    result.damaged += what.empty() ? 0 : 1;
  text << manifest.variants.size() << " variants, " << damage.size()
       << " binaries of " << bytes << " bytes, " << result.damaged
       << " damaged\n";
  result.text = text.str();
  return result;
}
