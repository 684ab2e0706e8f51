//===- Text.cpp - Small pieces of text ------------------------------------===//

#include "tools/kvarn-run/Text.h"

#include <algorithm>
#include <cstdarg>
#include <cstdio>

namespace kvarn::run {

std::string formatText(const char *format, ...) {
  va_list arguments, again;
  va_start(arguments, format);
  va_copy(again, arguments);
  int size = std::vsnprintf(nullptr, 0, format, arguments);
  va_end(arguments);
  std::string text(static_cast<size_t>(std::max(size, 0)) + 1, '\0');
  std::vsnprintf(text.data(), text.size(), format, again);
  va_end(again);
  text.pop_back();
  return text;
}

std::vector<std::string> splitList(std::string_view text, char separator) {
  std::vector<std::string> items;
  while (!text.empty()) {
    size_t end = std::min(text.find(separator), text.size());
    items.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return items;
}

std::string joinList(const std::vector<std::string> &items,
                     std::string_view separator) {
  std::string text;
  for (size_t i = 0; i < items.size(); ++i)
    text.append(i ? separator : "").append(items[i]);
  return text;
}

static bool isNumber(const std::string &text) {
  return !text.empty() && (std::isdigit(static_cast<unsigned char>(text[0])) ||
                           text[0] == '-' || text[0] == '+');
}

std::string formatTable(const std::vector<std::vector<std::string>> &rows) {
  std::vector<size_t> widths;
  std::vector<bool> right;
  for (size_t r = 0; r < rows.size(); ++r) {
    widths.resize(std::max(widths.size(), rows[r].size()));
    right.resize(widths.size(), true);
    for (size_t c = 0; c < rows[r].size(); ++c) {
      widths[c] = std::max(widths[c], rows[r][c].size());
      if (r > 0)
        right[c] = right[c] && isNumber(rows[r][c]);
    }
  }
  std::string text;
  for (const std::vector<std::string> &row : rows) {
    std::string line;
    for (size_t c = 0; c < row.size(); ++c) {
      std::string space(widths[c] - row[c].size(), ' ');
      line += (c ? "  " : "") + (right[c] ? space + row[c] : row[c] + space);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

} // namespace kvarn::run
