//===- Help.h - --help on two screens -------------------------------------===//

#ifndef KVARN_TOOLS_RUN_HELP_H
#define KVARN_TOOLS_RUN_HELP_H

#include <CLI/CLI.hpp>

#include <string>

namespace kvarn::run {

/// The usual help in fewer lines: one blank line between groups, and of an
/// option only its type, its default and whether it is required (*).
class HelpFormatter : public CLI::Formatter {
public:
  HelpFormatter() { column_width(28); }

  std::string make_help(const CLI::App *app, std::string name,
                        CLI::AppFormatMode mode) const override {
    std::string text = CLI::Formatter::make_help(app, std::move(name), mode);
    for (size_t at; (at = text.find("\n\n\n")) != std::string::npos;)
      text.erase(at, 1);
    return text;
  }
  std::string make_option_opts(const CLI::Option *option) const override {
    if (option->get_type_size() == 0)
      return "";
    std::string type = option->get_type_name();
    std::string value = option->get_default_str();
    return " " + type.substr(0, type.find(':')) +
           (value.empty() ? "" : "=" + value) +
           (option->get_required() ? " (*)" : "");
  }
};

} // namespace kvarn::run

#endif // KVARN_TOOLS_RUN_HELP_H
