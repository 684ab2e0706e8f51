//===- Header.cpp - A C header for a library ------------------------------===//

#include "tools/kvarn-compile/Inspect.h"

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <set>
#include <sstream>

using namespace kvarn;

namespace {
/// A part of a key that can tell the programs of a library apart: as a name
/// has it, "" if the key has no such part.
using Part = std::function<std::string(const VariantKey &)>;
} // namespace

static std::string identifier(std::string text) {
  for (char &c : text)
    if (!std::isalnum(static_cast<unsigned char>(c)))
      c = '_';
  if (text.empty() || std::isdigit(static_cast<unsigned char>(text[0])))
    text.insert(0, "kvarn_");
  return text;
}

static std::string upper(std::string text) {
  for (char &c : text)
    c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return text;
}

/// A string of C. A manifest may have any bytes in its names.
static std::string quote(const std::string &text) {
  std::string result = "\"";
  for (char c : text) {
    auto code = static_cast<unsigned char>(c);
    char octal[8];
    std::snprintf(octal, sizeof octal, "\\%03o", code);
    bool plain = code >= ' ' && code < 127 && c != '"' && c != '\\' && c != '?';
    result += plain ? std::string(1, c) : std::string(octal);
  }
  return result + "\"";
}

static std::string join(const std::vector<std::string> &list,
                        const char *separator) {
  std::string text;
  for (const std::string &item : list)
    text += (text.empty() ? "" : separator) + item;
  return text;
}

static std::string optionList(const VariantKey &key) {
  std::vector<std::string> items;
  for (auto &[name, value] : key.options)
    items.push_back(name + "=" + value);
  return join(items, ",");
}

static const std::vector<Part> &parts() {
  auto number = [](const char *letter, int64_t value) {
    return value ? letter + std::to_string(value) : std::string();
  };
  static const std::vector<Part> list = {
      [](const VariantKey &key) { return key.format; },
      [](const VariantKey &key) { return key.layout; },
      [=](const VariantKey &key) { return number("d", key.headDim); },
      [=](const VariantKey &key) { return number("r", key.ratio); },
      [](const VariantKey &key) { return key.dtype; },
      [](const VariantKey &key) { return join(key.features, "_"); },
      [](const VariantKey &key) { return optionList(key); },
      [](const VariantKey &key) { return key.target; }};
  return list;
}

/// The kernel, and the parts in which the programs of that kernel differ.
static std::string programName(const VariantKey &key,
                               const std::vector<VariantKey> &programs) {
  std::string name = key.kernel;
  for (const Part &part : parts()) {
    bool differs = std::any_of(
        programs.begin(), programs.end(), [&](const VariantKey &other) {
          return other.kernel == key.kernel && part(other) != part(key);
        });
    if (differs && !part(key).empty())
      name += "_" + part(key);
  }
  return name;
}

/// Programs for the CPU need no target, it is that of a request without one.
static bool isCpu(const Variant &variant) {
  return variant.binary.kind == BinaryKind::SharedObject ||
         variant.binary.kind == BinaryKind::Object;
}

static void writeRequest(const std::string &name, const Variant &variant,
                         std::ostream &text) {
  const VariantKey &key = variant.key;
  text << "static inline kvarn_request " << name << "(void) {\n"
       << "  kvarn_request request;\n"
          "  memset(&request, 0, sizeof request);\n"
          "  request.struct_size = sizeof request;\n";
  auto set = [&](const char *member, const std::string &value) {
    if (!value.empty())
      text << "  request." << member << " = " << quote(value) << ";\n";
  };
  auto setNumber = [&](const char *member, int64_t value) {
    if (value)
      text << "  request." << member << " = " << value << ";\n";
  };
  set("kernel", key.kernel);
  set("format", key.format);
  set("layout", key.layout);
  setNumber("head_dim", key.headDim);
  setNumber("ratio", key.ratio);
  set("dtype", key.dtype);
  set("features", join(key.features, ","));
  set("options", optionList(key));
  if (!isCpu(variant))
    set("target", key.target);
  text << "  return request;\n}\n";
}

std::string headerPath(const std::string &path) {
  return std::filesystem::path(path).replace_extension(".h");
}

std::string makeHeader(const std::string &path, const Manifest &manifest) {
  std::string stem = identifier(std::filesystem::path(path).stem());
  std::vector<VariantKey> programs;
  std::vector<const Variant *> firsts; // of each program
  for (const Variant &variant : manifest.variants) {
    VariantKey key = variant.key;
    key.queryRows = 0; // the hints of a request choose
    if (std::find(programs.begin(), programs.end(), key) != programs.end())
      continue;
    programs.push_back(key);
    firsts.push_back(&variant);
  }
  std::ostringstream text;
  std::string guard = upper(stem) + "_KVLIB_H",
              library = std::filesystem::path(path).filename();
  text << "/* The kernels of " << library
       << ".\n * Written by kvarn-compile --header; do not edit. */\n\n#ifndef "
       << guard << "\n#define " << guard
       << "\n\n#include <kvarn/kvarn.h>\n\n#include <string.h>\n\n"
          "/* Requests for kvarn_select() and kvarn_jit_get(). Hints are left "
          "to the\n * program. */\n";
  std::set<std::string> taken;
  for (size_t i = 0; i < programs.size(); ++i) {
    std::string name =
        identifier(stem + "_" + programName(programs[i], programs));
    while (!taken.insert(name).second)
      name += "_";
    text << "\n";
    writeRequest(name, *firsts[i], text);
  }
  text << "\n/* Variants for kvarn_select_id(). */\n";
  for (const Variant &variant : manifest.variants) {
    std::string name = upper(identifier(stem + "_id_" + variant.id));
    while (!taken.insert(name).second)
      name += "_";
    text << "#define " << name << " " << quote(variant.id) << "\n";
  }
  text << "\n#endif /* " << guard << " */\n";
  return text.str();
}
