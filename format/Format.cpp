//===- Format.cpp - Names of formats --------------------------------------===//

#include "format/Format.h"

#include <algorithm>

namespace kvarn {

template <typename List> static bool contains(const List &list, int64_t value) {
  return std::find(list.begin(), list.end(), value) != list.end();
}

template <typename List> static std::string join(const List &list) {
  std::string text;
  for (int64_t value : list)
    text += (text.empty() ? "" : ", ") + std::to_string(value);
  return text;
}

template <typename Visit> static void forEachFormat(Visit visit) {
  for (int64_t keyBits : kBits)
    for (int64_t valueBits : kBits)
      for (int64_t group : kGroups)
        visit(Format{keyBits, valueBits, group, 128, Layout::Reference});
}

std::optional<Format> parseFormatName(std::string_view name) {
  std::optional<Format> found;
  forEachFormat([&](const Format &format) {
    if (format.name() == name)
      found = format;
  });
  return found;
}

std::string knownFormatNames() {
  std::string names;
  forEachFormat([&](const Format &format) {
    names += (names.empty() ? "" : ", ") + format.name();
  });
  return names;
}

std::string describeFormatError(const Format &format) {
  auto error = [](const char *what, int64_t value, const std::string &known) {
    return std::string(what) + " is " + std::to_string(value) +
           ", expected one of " + known;
  };
  if (!contains(kBits, format.keyBits))
    return error("key bits", format.keyBits, join(kBits));
  if (!contains(kBits, format.valueBits))
    return error("value bits", format.valueBits, join(kBits));
  if (!contains(kGroups, format.group))
    return error("group", format.group, join(kGroups));
  if (!contains(kHeadDims, format.headDim))
    return error("head_dim", format.headDim, join(kHeadDims));
  return {};
}

std::optional<Layout> parseLayout(std::string_view name) {
  for (size_t i = 0; i < kLayoutNames.size(); ++i)
    if (kLayoutNames[i] == name)
      return static_cast<Layout>(i);
  return std::nullopt;
}

} // namespace kvarn
