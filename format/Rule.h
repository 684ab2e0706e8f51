//===- Rule.h - Launch rules: small expressions as data ---------*- C++ -*-===//
//
// Grids and buffer shapes of a kernel depend on the arguments of a launch. A
// rule is that dependence as JSON, so that the runtime needs no code from the
// compiler to size a launch:
//
//   rule := integer
//         | {"dim": [TENSOR, N]}      extent of dimension N of a parameter
//         | {"param": NAME}           value of an i32 or i64 scalar parameter
//         | {"device": FACT}          FACT is "sm_count" (1 on a CPU)
//         | {OP: [rule, rule]}        OP is add, mul, max, min, ceildiv
//                                     or floordiv
//
// Nothing here throws; rules may come from a damaged file.
//
//===----------------------------------------------------------------------===//

#ifndef KVARN_FORMAT_RULE_H
#define KVARN_FORMAT_RULE_H

#include <cstdint>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace kvarn {

/// Deeper rules are refused: parsing and evaluation are recursive.
inline constexpr int kMaxRuleDepth = 32;

struct Rule {
  enum class Kind {
    Constant,
    Dim,
    Param,
    Device,
    Add,
    Mul,
    Max,
    Min,
    CeilDiv,
    FloorDiv
  };

  Kind kind = Kind::Constant;
  int64_t value = 0;          // Constant: the value; Dim: the dimension
  std::string name;           // Dim, Param: the parameter; Device: the fact
  std::vector<Rule> operands; // two for the operators, else none

  Rule() = default;
  Rule(int64_t constant) : value(constant) {}
  bool operator==(const Rule &) const = default;

  static Rule dim(std::string tensor, int64_t dimension);
  static Rule param(std::string scalar);
  static Rule device(std::string fact);
  static Rule binary(Kind op, Rule a, Rule b);
  static Rule add(Rule a, Rule b);
  static Rule mul(Rule a, Rule b);
  static Rule max(Rule a, Rule b);
  static Rule min(Rule a, Rule b);
  static Rule ceildiv(Rule a, Rule b);
  static Rule floordiv(Rule a, Rule b);
};

/// Where a rule takes its values from. A callback returns nothing for a name it
/// does not know; a missing callback knows none.
struct RuleInputs {
  std::function<std::optional<int64_t>(std::string_view, int64_t)> dim;
  std::function<std::optional<int64_t>(std::string_view)> param;
  std::function<std::optional<int64_t>(std::string_view)> device;
};

/// Parses `json`; `path` names it in `error` (`launches[0].grid[1]`).
std::optional<Rule> parseRule(const nlohmann::json &json,
                              const std::string &path, std::string &error);

nlohmann::json ruleToJson(const Rule &rule);

/// The rule as an expression for people: `ceildiv(dim(q, 0), 16)`.
std::string printRule(const Rule &rule);

/// The value of `rule`, or nothing and what went wrong: an unknown name, a
/// division by zero, or a value that does not fit in 64 bits. Division rounds
/// towards +infinity (ceildiv) and -infinity (floordiv).
std::optional<int64_t> evaluateRule(const Rule &rule, const RuleInputs &inputs,
                                    std::string &error);

} // namespace kvarn

#endif // KVARN_FORMAT_RULE_H
