//===- Chip.cpp - Names of NVIDIA's chips ---------------------------------===//

#include "format/Chip.h"

#include <charconv>

std::optional<kvarn::Chip> kvarn::parseChip(std::string_view name) {
  if (!name.starts_with("sm_"))
    return std::nullopt;
  name.remove_prefix(3);
  bool exact = name.ends_with('a');
  name.remove_suffix(exact ? 1 : 0);
  int number = 0;
  auto [end, error] =
      std::from_chars(name.data(), name.data() + name.size(), number);
  if (error != std::errc() || end != name.data() + name.size() || number < 10)
    return std::nullopt;
  return Chip{number / 10, number % 10, exact};
}
