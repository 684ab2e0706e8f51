//===- ManifestFuzzer.cpp - The manifest reader on arbitrary text ---------===//

#include "format/Hash.h"
#include "format/Manifest.h"

#include <cstdlib>
#include <nlohmann/json.hpp>

using namespace kvarn;
using nlohmann::json;

/// The error, if any.
static std::string read(std::string_view text) {
  std::string error;
  std::optional<Manifest> manifest = readManifest(text, error);
  if (manifest.has_value() == !error.empty())
    std::abort(); // an error without a message, or the reverse
  if (!manifest)
    return error;
  // What was accepted can be written and read again.
  if (!describeManifestError(*manifest).empty())
    std::abort();
  std::optional<Manifest> again = readManifest(writeManifest(*manifest), error);
  if (!again || !(*again == *manifest))
    std::abort();
  // Rules of accepted manifests evaluate to a number or an error.
  RuleInputs inputs;
  inputs.dim = [](std::string_view, int64_t) { return INT64_MAX; };
  inputs.param = [](std::string_view) { return INT64_MIN; };
  inputs.device = [](std::string_view) { return -1; };
  for (const Variant &variant : manifest->variants)
    for (const Launch &launch : variant.launches)
      for (const Rule &rule : launch.grid) {
        (void)evaluateRule(rule, inputs, error);
        (void)printRule(rule);
      }
  return {};
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  std::string_view text(reinterpret_cast<const char *>(data), size);
  std::string error = read(text);
  // dump() below is recursive; the reader refuses such text before that.
  bool tooDeep = error.find("nested deeper") != std::string::npos;
  // A mutation breaks the checksum: mend it, or nothing behind it is tested.
  json root = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (root.is_object() && !tooDeep) {
    root.erase("checksum");
    std::string body =
        root.dump(-1, ' ', false, json::error_handler_t::replace);
    root["checksum"] = sha256Hex(body);
    read(root.dump(-1, ' ', false, json::error_handler_t::replace));
  }
  return 0;
}
