//===- RuleTest.cpp - Launch rules ----------------------------------------===//

#include "format/Rule.h"

#include <cmath>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

using namespace kvarn;
using nlohmann::json;

static RuleInputs inputs() {
  RuleInputs result;
  result.dim = [](std::string_view tensor,
                  int64_t dimension) -> std::optional<int64_t> {
    if (tensor == "q" && dimension < 3)
      return 10 + dimension;
    return std::nullopt;
  };
  result.param = [](std::string_view name) -> std::optional<int64_t> {
    if (name == "window")
      return 100;
    return std::nullopt;
  };
  result.device = [](std::string_view) { return std::optional<int64_t>(132); };
  return result;
}

static std::string parseError(const char *text) {
  std::string error;
  EXPECT_FALSE(parseRule(json::parse(text), "grid[1]", error)) << text;
  return error;
}

static std::string evaluationError(const Rule &rule) {
  std::string error;
  EXPECT_FALSE(evaluateRule(rule, inputs(), error));
  return error;
}

static int64_t value(const Rule &rule) {
  std::string error;
  std::optional<int64_t> result = evaluateRule(rule, inputs(), error);
  EXPECT_TRUE(result) << error;
  return result.value_or(-999);
}

TEST(Rule, RoundTripsThroughJson) {
  Rule rule = Rule::max(
      1, Rule::mul(Rule::ceildiv(Rule::dim("q", 0), 16),
                   Rule::min(Rule::device("sm_count"),
                             Rule::floordiv(Rule::param("window"), 3))));
  json expected = json::parse(
      R"({"max":[1,{"mul":[{"ceildiv":[{"dim":["q",0]},16]},
          {"min":[{"device":"sm_count"},{"floordiv":[{"param":"window"},3]}]}]}]})");
  EXPECT_EQ(ruleToJson(rule), expected);
  std::string error;
  EXPECT_EQ(parseRule(expected, "r", error), rule) << error;
  EXPECT_EQ(printRule(rule), "max(1, mul(ceildiv(dim(q, 0), 16), "
                             "min(device.sm_count, floordiv(window, 3))))");
  EXPECT_EQ(value(rule), 33);
}

TEST(Rule, DivisionRounds) {
  for (int64_t a = -7; a <= 7; ++a)
    for (int64_t b = -3; b <= 3; ++b) {
      if (b == 0)
        continue;
      double exact = double(a) / double(b);
      EXPECT_EQ(value(Rule::ceildiv(a, b)), int64_t(std::ceil(exact)));
      EXPECT_EQ(value(Rule::floordiv(a, b)), int64_t(std::floor(exact)));
    }
  EXPECT_EQ(value(Rule::add(Rule::dim("q", 2), -2)), 10);
}

TEST(Rule, ParseErrorsNameThePath) {
  const char *expectedRule =
      "grid[1]: expected a rule: an integer or an object with one member";
  EXPECT_EQ(parseError("1.5"), expectedRule);
  EXPECT_EQ(parseError("\"x\""), expectedRule);
  EXPECT_EQ(parseError("{}"), expectedRule);
  EXPECT_EQ(parseError("18446744073709551615"), expectedRule);
  EXPECT_EQ(parseError(R"({"add":[1]})"), "grid[1].add: expected two operands");
  EXPECT_EQ(parseError(R"({"dim":["q"]})"),
            "grid[1].dim: expected [parameter, dimension]");
  EXPECT_EQ(parseError(R"({"mul":[1,{"dim":["q",-1]}]})"),
            "grid[1].mul[1].dim: expected a dimension of at least 0");
  EXPECT_EQ(parseError(R"({"param":3})"), "grid[1].param: expected a string");
  EXPECT_EQ(parseError(R"({"pow":[1,2]})"),
            "grid[1]: unknown rule 'pow', expected one of dim, param, device, "
            "add, mul, max, min, ceildiv, floordiv");
}

TEST(Rule, DepthIsBounded) {
  json text = 1;
  Rule rule = 1;
  for (int i = 1; i < kMaxRuleDepth; ++i) {
    text = {{"add", json::array({1, text})}};
    rule = Rule::add(1, rule);
  }
  std::string error;
  EXPECT_TRUE(parseRule(text, "r", error)) << error;
  EXPECT_EQ(value(rule), kMaxRuleDepth);
  text = {{"add", json::array({1, text})}};
  EXPECT_FALSE(parseRule(text, "r", error));
  EXPECT_TRUE(error.ends_with(": deeper than 32 levels")) << error;
  EXPECT_EQ(evaluationError(Rule::add(1, rule)),
            "rule is deeper than 32 levels");
}

TEST(Rule, EvaluationErrors) {
  EXPECT_EQ(evaluationError(Rule::add(INT64_MAX, 1)),
            "64-bit overflow in add(9223372036854775807, 1)");
  EXPECT_EQ(evaluationError(Rule::mul(INT64_MIN, -1)),
            "64-bit overflow in mul(-9223372036854775808, -1)");
  EXPECT_EQ(evaluationError(Rule::floordiv(INT64_MIN, -1)),
            "64-bit overflow in floordiv(-9223372036854775808, -1)");
  EXPECT_EQ(evaluationError(Rule::ceildiv(4, Rule::add(1, -1))),
            "division by zero in ceildiv(4, add(1, -1))");
  EXPECT_EQ(evaluationError(Rule::dim("k", 0)), "unknown value dim(k, 0)");
  EXPECT_EQ(evaluationError(Rule::param("scale")), "unknown value scale");
  Rule broken = Rule::add(1, 2);
  broken.operands.pop_back();
  EXPECT_EQ(evaluationError(broken), "add needs two operands");
}
