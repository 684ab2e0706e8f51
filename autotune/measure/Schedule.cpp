//===- Schedule.cpp - A schedule without the compiler ---------------------===//

#include "autotune/measure/Schedule.h"

#include "format/Chip.h"

#include <charconv>
#include <map>

namespace kvarn::tune {

/// "a = 1, b = x" as a map.
static std::map<std::string, std::string, std::less<>>
readFields(std::string_view inside) {
  std::map<std::string, std::string, std::less<>> fields;
  while (!inside.empty()) {
    std::string_view item = inside.substr(0, inside.find(", "));
    inside.remove_prefix(std::min(item.size() + 2, inside.size()));
    size_t equals = item.find(" = ");
    if (equals != std::string_view::npos)
      fields.emplace(item.substr(0, equals), item.substr(equals + 3));
  }
  return fields;
}

std::optional<Schedule> parseSchedule(std::string_view text) {
  size_t begin = text.find('<'), end = text.rfind('>');
  if (begin == std::string_view::npos || end == std::string_view::npos ||
      end < begin)
    return std::nullopt;
  auto fields = readFields(text.substr(begin + 1, end - begin - 1));
  Schedule s;
  bool ok = true;
  auto number = [&](const char *name, int64_t &value) {
    auto found = fields.find(name);
    if (found == fields.end()) {
      ok = false;
      return;
    }
    const std::string &digits = found->second;
    auto [stop, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), value);
    ok &= error == std::errc() && stop == digits.data() + digits.size();
  };
  auto word = [&](const char *name, const char *yes, const char *no) {
    std::string value = fields[name];
    ok &= value == yes || value == no;
    return value == yes;
  };
  number("rows", s.rows);
  number("tokens", s.tokens);
  number("pool_tokens", s.poolTokens);
  number("warps", s.warps);
  number("splits", s.splits);
  s.async = word("copy", "async", "direct");
  s.subnormal = word("expand", "subnormal", "convert");
  s.narrow = word("operand", "f16", "f32");
  fields.emplace("query", "registers"); // what is left out
  s.sharedQuery = word("query", "shared", "registers");
  number("register_rows", s.registerRows);
  number("register_columns", s.registerColumns);
  s.programs = 0;
  if (s.splits == 0)
    number("programs", s.programs);
  for (int64_t positive : {s.rows, s.tokens, s.poolTokens, s.warps,
                           s.registerRows, s.registerColumns})
    ok &= positive > 0;
  ok &= s.splits > 0 || (s.splits == 0 && s.programs > 0);
  return ok ? std::optional(s) : std::nullopt;
}

bool needsEqualRequests(const VariantKey &key, std::string_view chip,
                        const Bucket &bucket, const Schedule &schedule) {
  return key.kernel == "attend" && parseChip(chip) && bucket.batch > 1 &&
         schedule.splits > 0;
}

std::string describe(const Schedule &s, std::string_view kernel) {
  std::string text = "warps " + std::to_string(s.warps);
  if (kernel != "attend")
    return text + ", rows " + std::to_string(s.rows) + ", tokens " +
           std::to_string(s.tokens) +
           (s.programs ? ", programs " + std::to_string(s.programs) : "");
  text += s.splits == 0
              ? ", balanced over " + std::to_string(s.programs) + " programs"
              : ", splits " + std::to_string(s.splits);
  text += ", tokens " + std::to_string(s.tokens);
  text += ", pool_tokens " + std::to_string(s.poolTokens);
  text += s.async ? ", async" : ", direct";
  text += s.subnormal ? ", subnormal" : ", convert";
  text += s.sharedQuery ? ", shared query" : "";
  if (!s.narrow)
    text += ", register tile " + std::to_string(s.registerRows) + " x " +
            std::to_string(s.registerColumns);
  return text;
}

} // namespace kvarn::tune
