//===- ManifestNode.cpp - Checked access to untrusted JSON ----------------===//

#include "format/ManifestNode.h"

#include <algorithm>

namespace kvarn::detail {

bool Object::check(std::span<const std::string_view> known) const {
  if (!node.value->is_object())
    return node.fail("expected an object");
  for (auto &[name, value] : node.value->items())
    if (std::find(known.begin(), known.end(), name) == known.end())
      return node.fail("unknown member '" + name + "'");
  return true;
}

bool Object::get(const char *name, Node &member) const {
  auto found = node.value->find(name);
  if (found == node.value->end())
    return node.fail("no member '" + std::string(name) + "'");
  member = {&*found, join(name), node.error};
  return true;
}

bool readInteger(const Node &node, int64_t low, int64_t high, int64_t &result) {
  bool fits = node.value->is_number_integer() &&
              (!node.value->is_number_unsigned() ||
               *node.value->get_ptr<const json::number_unsigned_t *>() <=
                   static_cast<uint64_t>(INT64_MAX));
  if (fits)
    result = *node.value->get_ptr<const json::number_integer_t *>();
  if (!fits || result < low || result > high)
    return node.fail("expected an integer from " + std::to_string(low) +
                     " to " + std::to_string(high));
  return true;
}

bool readText(const Node &node, std::string &result, size_t limit) {
  const auto *string = node.value->get_ptr<const std::string *>();
  if (!string)
    return node.fail("expected a string");
  if (string->size() > limit)
    return node.fail("expected at most " + std::to_string(limit) + " bytes");
  for (char c : *string) {
    bool space = (c == '\n' || c == '\t') && limit > kMaxName;
    if ((static_cast<unsigned char>(c) < 0x20 && !space) || c == 0x7f)
      return node.fail("expected no control characters");
  }
  result = *string;
  return true;
}

bool readName(const Node &node, std::string &result) {
  if (!readText(node, result))
    return false;
  if (result.empty() || result.find_first_of(",= ") != std::string::npos)
    return node.fail("expected a name without ',', '=' and spaces");
  return true;
}

bool Object::integer(const char *name, int64_t low, int64_t high,
                     int64_t &result) const {
  Node member;
  return get(name, member) && readInteger(member, low, high, result);
}

bool Object::text(const char *name, std::string &result, size_t limit) const {
  Node member;
  return get(name, member) && readText(member, result, limit);
}

bool Object::name(const char *name, std::string &result) const {
  Node member;
  return get(name, member) && readName(member, result);
}

bool Object::boolean(const char *name, bool &result) const {
  Node member;
  if (!get(name, member))
    return false;
  if (!member.value->is_boolean())
    return member.fail("expected true or false");
  result = *member.value->get_ptr<const bool *>();
  return true;
}

bool Object::list(const char *name, size_t limit, Node &result) const {
  if (!get(name, result))
    return false;
  if (!result.value->is_array())
    return result.fail("expected a list");
  if (result.value->size() > limit)
    return result.fail("expected at most " + std::to_string(limit) + " items");
  return true;
}

bool Object::names(const char *name, std::vector<std::string> &result) const {
  Node items;
  if (!list(name, kMaxItems, items))
    return false;
  result.resize(items.value->size());
  for (size_t i = 0; i < result.size(); ++i)
    if (!readName(items.at(i), result[i]))
      return false;
  return true;
}

bool Object::dtype(const char *name, DType &result) const {
  Node member;
  std::string text;
  if (!get(name, member) || !readText(member, text))
    return false;
  std::optional<DType> parsed = parseDType(text);
  if (!parsed)
    return member.fail("expected one of f16, bf16, f32, i8, i32, i64");
  result = *parsed;
  return true;
}

bool readOneOf(const Object &object, const char *name,
               std::initializer_list<std::string_view> known,
               std::string &result) {
  Node member;
  if (!object.get(name, member) || !readText(member, result))
    return false;
  if (std::find(known.begin(), known.end(), result) != known.end())
    return true;
  std::string list;
  for (std::string_view item : known)
    list += (list.empty() ? "\"" : ", \"") + std::string(item) + "\"";
  return member.fail("expected one of " + list);
}

} // namespace kvarn::detail
