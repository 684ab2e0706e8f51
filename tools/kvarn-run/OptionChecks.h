//===- OptionChecks.h - What the numbers of options may be ----------------===//
//
// CLI11's own checks print bounds as floating point, cut numbers that are too
// large and take NaN.
//
//===----------------------------------------------------------------------===//

#ifndef KVARN_TOOLS_RUN_OPTIONCHECKS_H
#define KVARN_TOOLS_RUN_OPTIONCHECKS_H

#include <CLI/CLI.hpp>

#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <string>

namespace kvarn::run {

/// The most of anything that an option counts.
inline constexpr int64_t kMostCounted = std::numeric_limits<int32_t>::max();

/// A number all of whose characters are used.
template <typename T>
[[nodiscard]] bool parseNumber(const std::string &text, T &value) {
  const char *end = text.data() + text.size();
  auto [stop, status] = std::from_chars(text.data(), end, value);
  return status == std::errc() && stop == end;
}

/// An integer in decimal.
template <typename T> CLI::Validator integerFrom(T least, T most) {
  auto check = [=](std::string &text) -> std::string {
    T value = 0;
    // 010 would be 8 to CLI11.
    if (parseNumber(text, value) && std::to_string(value) == text &&
        least <= value && value <= most)
      return "";
    return "found '" + text + "', expected an integer from " +
           std::to_string(least) + " to " + std::to_string(most);
  };
  return {check, ""};
}

/// Beside CLI::Range, whose comparisons NaN passes.
inline CLI::Validator notNan() {
  auto check = [](std::string &text) -> std::string {
    return std::isnan(std::strtod(text.c_str(), nullptr))
               ? "found '" + text + "', expected a number"
               : "";
  };
  return {check, ""};
}

/// A number that a kernel takes as f32: neither infinite nor NaN, and not
/// below 0 unless it may have a sign.
inline CLI::Validator finiteNumber(bool hasSign) {
  auto check = [=](std::string &text) -> std::string {
    float value = 0;
    if (parseNumber(text.substr(text.starts_with('+')), value) &&
        std::isfinite(value) && (hasSign || value >= 0))
      return "";
    return "found '" + text + "', expected a finite f32 number" +
           (hasSign ? "" : ", at least 0");
  };
  return {check, ""};
}

} // namespace kvarn::run

#endif // KVARN_TOOLS_RUN_OPTIONCHECKS_H
