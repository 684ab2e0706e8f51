//===- Chip.h - Names of NVIDIA's chips -------------------------*- C++ -*-===//

#ifndef KVARN_FORMAT_CHIP_H
#define KVARN_FORMAT_CHIP_H

#include <optional>
#include <string_view>

namespace kvarn {

/// "sm_90a" is 9.0, exactly.
struct Chip {
  int major, minor;
  bool exact; // uses what no other chip has
};

/// Nothing if `name` is none: "sm_80", "sm_90a", ...
std::optional<Chip> parseChip(std::string_view name);

} // namespace kvarn

#endif // KVARN_FORMAT_CHIP_H
