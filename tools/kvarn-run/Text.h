//===- Text.h - Small pieces of text --------------------------------------===//

#ifndef KVARN_TOOLS_RUN_TEXT_H
#define KVARN_TOOLS_RUN_TEXT_H

#include <string>
#include <string_view>
#include <vector>

namespace kvarn::run {

/// printf into a string.
[[gnu::format(printf, 1, 2)]] std::string formatText(const char *format, ...);

/// "a,b" -> {"a", "b"}; "" -> {}.
std::vector<std::string> splitList(std::string_view text, char separator);
std::string joinList(const std::vector<std::string> &items,
                     std::string_view separator);

/// Rows in columns as wide as they need; the first row is the heading.
/// Numbers go to the right.
std::string formatTable(const std::vector<std::vector<std::string>> &rows);

} // namespace kvarn::run

#endif // KVARN_TOOLS_RUN_TEXT_H
