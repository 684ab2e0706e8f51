//===- ManifestNode.h - Checked access to untrusted JSON --------*- C++ -*-===//
//
// Every read function returns false after the first error; the error says where
// and what was expected.
//
//===----------------------------------------------------------------------===//

#ifndef KVARN_FORMAT_MANIFESTNODE_H
#define KVARN_FORMAT_MANIFESTNODE_H

#include "format/Manifest.h"

#include <initializer_list>
#include <nlohmann/json.hpp>
#include <span>

namespace kvarn::detail {

using nlohmann::json;

inline constexpr size_t kMaxItems = 256; // of a list
inline constexpr size_t kMaxName = 255;
inline constexpr size_t kMaxLongText = 1 << 16;

/// A JSON value, where it stands, and where errors go.
struct Node {
  const json *value;
  std::string path;
  std::string *error;

  bool fail(const std::string &what) const {
    *error = path + ": " + what;
    return false;
  }

  Node at(size_t index) const {
    return {&(*value)[index], path + "[" + std::to_string(index) + "]", error};
  }
};

/// The members of a JSON object.
class Object {
public:
  Object(Node node) : node(std::move(node)) {}

  /// That it is an object and has no members but these.
  bool check(std::span<const std::string_view> known) const;
  bool check(std::initializer_list<std::string_view> known) const {
    return check(std::span(known.begin(), known.size()));
  }

  bool has(const char *name) const { return node.value->contains(name); }

  bool get(const char *name, Node &member) const;

  std::string join(const char *name) const {
    bool root = node.path == kManifestFileName;
    return node.path + (root ? ": " : ".") + name;
  }

  bool integer(const char *name, int64_t low, int64_t high,
               int64_t &result) const;
  bool text(const char *name, std::string &result,
            size_t limit = kMaxName) const;
  bool name(const char *name, std::string &result) const;
  bool boolean(const char *name, bool &result) const;
  bool list(const char *name, size_t limit, Node &result) const;
  bool names(const char *name, std::vector<std::string> &result) const;
  bool dtype(const char *name, DType &result) const;

private:
  Node node;
};

bool readInteger(const Node &node, int64_t low, int64_t high, int64_t &result);

/// Long texts (limit > kMaxName) may have line breaks and tabs; nothing else
/// may have control characters. (A zero byte would cut the string for C
/// callers.)
bool readText(const Node &node, std::string &result, size_t limit = kMaxName);

/// A name is not empty, and can stand in a list separated by commas.
bool readName(const Node &node, std::string &result);

bool readOneOf(const Object &object, const char *name,
               std::initializer_list<std::string_view> known,
               std::string &result);

} // namespace kvarn::detail

#endif // KVARN_FORMAT_MANIFESTNODE_H
