//===- Rule.cpp - Launch rules --------------------------------------------===//

#include "format/Rule.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <utility>

namespace kvarn {

using nlohmann::json;
using Kind = Rule::Kind;

static constexpr std::array<std::pair<std::string_view, Kind>, 6> kOperators = {
    {{"add", Kind::Add},
     {"mul", Kind::Mul},
     {"max", Kind::Max},
     {"min", Kind::Min},
     {"ceildiv", Kind::CeilDiv},
     {"floordiv", Kind::FloorDiv}}};

static std::optional<Kind> parseOperator(std::string_view name) {
  for (auto &[known, kind] : kOperators)
    if (known == name)
      return kind;
  return std::nullopt;
}

static std::string operatorName(Kind op) {
  for (auto &[name, kind] : kOperators)
    if (kind == op)
      return std::string(name);
  return {};
}

Rule Rule::dim(std::string tensor, int64_t dimension) {
  Rule rule(dimension);
  rule.kind = Kind::Dim;
  rule.name = std::move(tensor);
  return rule;
}

Rule Rule::param(std::string scalar) {
  Rule rule;
  rule.kind = Kind::Param;
  rule.name = std::move(scalar);
  return rule;
}

Rule Rule::device(std::string fact) {
  Rule rule;
  rule.kind = Kind::Device;
  rule.name = std::move(fact);
  return rule;
}

Rule Rule::binary(Kind op, Rule a, Rule b) {
  Rule rule;
  rule.kind = op;
  rule.operands.reserve(2);
  rule.operands.push_back(std::move(a));
  rule.operands.push_back(std::move(b));
  return rule;
}

Rule Rule::add(Rule a, Rule b) {
  return binary(Kind::Add, std::move(a), std::move(b));
}
Rule Rule::mul(Rule a, Rule b) {
  return binary(Kind::Mul, std::move(a), std::move(b));
}
Rule Rule::max(Rule a, Rule b) {
  return binary(Kind::Max, std::move(a), std::move(b));
}
Rule Rule::min(Rule a, Rule b) {
  return binary(Kind::Min, std::move(a), std::move(b));
}
Rule Rule::ceildiv(Rule a, Rule b) {
  return binary(Kind::CeilDiv, std::move(a), std::move(b));
}
Rule Rule::floordiv(Rule a, Rule b) {
  return binary(Kind::FloorDiv, std::move(a), std::move(b));
}

//===----------------------------------------------------------------------===//
// JSON
//===----------------------------------------------------------------------===//

static std::optional<int64_t> getInteger(const json &value) {
  if (value.is_number_unsigned() &&
      *value.get_ptr<const json::number_unsigned_t *>() >
          static_cast<uint64_t>(INT64_MAX))
    return std::nullopt;
  if (!value.is_number_integer())
    return std::nullopt;
  return *value.get_ptr<const json::number_integer_t *>();
}

static std::optional<Rule> parseDepth(const json &value,
                                      const std::string &path,
                                      std::string &error, int depth);

static std::optional<Rule> fail(std::string &error, const std::string &path,
                                const std::string &what) {
  error = path + ": " + what;
  return std::nullopt;
}

static std::optional<Rule> parseDim(const json &value, const std::string &path,
                                    std::string &error) {
  if (!value.is_array() || value.size() != 2 || !value[0].is_string())
    return fail(error, path, "expected [parameter, dimension]");
  std::optional<int64_t> dimension = getInteger(value[1]);
  if (!dimension || *dimension < 0)
    return fail(error, path, "expected a dimension of at least 0");
  return Rule::dim(*value[0].get_ptr<const std::string *>(), *dimension);
}

static std::optional<Rule> parseOperands(Kind op, const json &value,
                                         const std::string &path,
                                         std::string &error, int depth) {
  if (!value.is_array() || value.size() != 2)
    return fail(error, path, "expected two operands");
  std::optional<Rule> a = parseDepth(value[0], path + "[0]", error, depth + 1);
  if (!a)
    return std::nullopt;
  std::optional<Rule> b = parseDepth(value[1], path + "[1]", error, depth + 1);
  if (!b)
    return std::nullopt;
  return Rule::binary(op, std::move(*a), std::move(*b));
}

static std::optional<Rule> parseDepth(const json &value,
                                      const std::string &path,
                                      std::string &error, int depth) {
  if (depth > kMaxRuleDepth)
    return fail(error, path,
                "deeper than " + std::to_string(kMaxRuleDepth) + " levels");
  if (std::optional<int64_t> constant = getInteger(value))
    return Rule(*constant);
  if (!value.is_object() || value.size() != 1)
    return fail(error, path,
                "expected a rule: an integer or an object with one member");
  const std::string &key = value.begin().key();
  const json &operand = *value.begin();
  std::string inner = path + "." + key;
  if (key == "dim")
    return parseDim(operand, inner, error);
  if (key == "param" || key == "device") {
    if (!operand.is_string())
      return fail(error, inner, "expected a string");
    const std::string &name = *operand.get_ptr<const std::string *>();
    return key == "param" ? Rule::param(name) : Rule::device(name);
  }
  if (std::optional<Kind> op = parseOperator(key))
    return parseOperands(*op, operand, inner, error, depth);
  return fail(error, path,
              "unknown rule '" + key +
                  "', expected one of dim, param, device, add, mul, max, min, "
                  "ceildiv, floordiv");
}

std::optional<Rule> parseRule(const json &value, const std::string &path,
                              std::string &error) {
  return parseDepth(value, path, error, 1);
}

json ruleToJson(const Rule &rule) {
  switch (rule.kind) {
  case Kind::Constant:
    return rule.value;
  case Kind::Dim:
    return {{"dim", json::array({rule.name, rule.value})}};
  case Kind::Param:
    return {{"param", rule.name}};
  case Kind::Device:
    return {{"device", rule.name}};
  default:
    json operands = json::array();
    for (const Rule &operand : rule.operands)
      operands.push_back(ruleToJson(operand));
    return {{operatorName(rule.kind), std::move(operands)}};
  }
}

std::string printRule(const Rule &rule) {
  switch (rule.kind) {
  case Kind::Constant:
    return std::to_string(rule.value);
  case Kind::Dim:
    return "dim(" + rule.name + ", " + std::to_string(rule.value) + ")";
  case Kind::Param:
    return rule.name;
  case Kind::Device:
    return "device." + rule.name;
  default:
    std::string text = operatorName(rule.kind) + "(";
    for (size_t i = 0; i < rule.operands.size(); ++i)
      text += (i ? ", " : "") + printRule(rule.operands[i]);
    return text + ")";
  }
}

//===----------------------------------------------------------------------===//
// Evaluation
//===----------------------------------------------------------------------===//

static std::optional<int64_t> divide(int64_t a, int64_t b, bool up) {
  if (a == INT64_MIN && b == -1)
    return std::nullopt;
  int64_t quotient = a / b;
  bool exact = a % b == 0, negative = (a < 0) != (b < 0);
  if (exact || negative == up)
    return quotient; // C++ rounds towards 0
  return up ? quotient + 1 : quotient - 1;
}

/// `b` is not 0 for a division. Nothing on overflow.
static std::optional<int64_t> apply(Kind op, int64_t a, int64_t b) {
  int64_t result = 0;
  switch (op) {
  case Kind::Add:
    return __builtin_add_overflow(a, b, &result) ? std::nullopt
                                                 : std::optional(result);
  case Kind::Mul:
    return __builtin_mul_overflow(a, b, &result) ? std::nullopt
                                                 : std::optional(result);
  case Kind::Max:
    return std::max(a, b);
  case Kind::Min:
    return std::min(a, b);
  case Kind::CeilDiv:
    return divide(a, b, /*up=*/true);
  case Kind::FloorDiv:
    return divide(a, b, /*up=*/false);
  default:
    return std::nullopt;
  }
}

static std::optional<int64_t>
evaluateLeaf(const Rule &rule, const RuleInputs &inputs, std::string &error) {
  std::optional<int64_t> value;
  if (rule.kind == Kind::Dim && inputs.dim)
    value = inputs.dim(rule.name, rule.value);
  else if (rule.kind == Kind::Param && inputs.param)
    value = inputs.param(rule.name);
  else if (rule.kind == Kind::Device && inputs.device)
    value = inputs.device(rule.name);
  if (!value)
    error = "unknown value " + printRule(rule);
  return value;
}

static std::optional<int64_t> evaluateDepth(const Rule &rule,
                                            const RuleInputs &inputs,
                                            std::string &error, int depth) {
  if (depth > kMaxRuleDepth) {
    error = "rule is deeper than " + std::to_string(kMaxRuleDepth) + " levels";
    return std::nullopt;
  }
  if (rule.kind == Kind::Constant)
    return rule.value;
  if (rule.kind < Kind::Add)
    return evaluateLeaf(rule, inputs, error);
  if (rule.operands.size() != 2) {
    error = operatorName(rule.kind) + " needs two operands";
    return std::nullopt;
  }
  auto a = evaluateDepth(rule.operands[0], inputs, error, depth + 1);
  if (!a)
    return std::nullopt;
  auto b = evaluateDepth(rule.operands[1], inputs, error, depth + 1);
  if (!b)
    return std::nullopt;
  bool division = rule.kind == Kind::CeilDiv || rule.kind == Kind::FloorDiv;
  if (division && *b == 0) {
    error = "division by zero in " + printRule(rule);
    return std::nullopt;
  }
  std::optional<int64_t> value = apply(rule.kind, *a, *b);
  if (!value)
    error = "64-bit overflow in " + printRule(rule);
  return value;
}

std::optional<int64_t> evaluateRule(const Rule &rule, const RuleInputs &inputs,
                                    std::string &error) {
  return evaluateDepth(rule, inputs, error, 1);
}

} // namespace kvarn
