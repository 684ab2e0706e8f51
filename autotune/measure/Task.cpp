//===- Task.cpp - What is tuned, and for what -----------------------------===//

#include "autotune/measure/Task.h"

#include "autotune/measure/Error.h"

#include <algorithm>

namespace kvarn::tune {

/// As of a manifest.
static constexpr int64_t kMostHint = int64_t(1) << 40;

std::string Bucket::describe() const {
  std::string text;
  auto add = [&](const char *name, int64_t value) {
    if (value > 0)
      text += (text.empty() ? "" : " ") + std::string(name) + " " +
              std::to_string(value);
  };
  add("batch", batch);
  add("context", context);
  add("query tokens", queryTokens > 1 ? queryTokens : 0);
  add("pairs", pairs);
  add("tokens", tokens);
  return text + ", " + std::to_string(kvHeads) + " KV heads";
}

bool BucketMember::isOf(std::string_view kernel) const {
  return kernel.find(' ') == std::string_view::npos &&
         (" " + std::string(kernels) + " ")
                 .find(" " + std::string(kernel) + " ") != std::string::npos;
}

bool isTunable(std::string_view kernel) {
  for (const BucketMember &member : kBucketMembers)
    if (member.isOf(kernel))
      return true;
  return false;
}

Hint hintFor(const Bucket &bucket) {
  Hint hint;
  hint.maxBatch = bucket.batch;
  hint.maxQueryTokens = bucket.queryTokens;
  hint.context = bucket.context;
  hint.kvHeads = bucket.kvHeads;
  return hint;
}

json toJson(const VariantKey &key) {
  return {{"kernel", key.kernel},         {"format", key.format},
          {"layout", key.layout},         {"head_dim", key.headDim},
          {"ratio", key.ratio},           {"dtype", key.dtype},
          {"query_rows", key.queryRows},  {"features", json(key.features)},
          {"options", json(key.options)}, {"target", key.target}};
}

json toJson(const Bucket &bucket) {
  json object = json::object();
  for (const BucketMember &member : kBucketMembers)
    if (int64_t value = bucket.*member.value)
      object[member.name] = value;
  return object;
}

json toJson(const DeviceName &device) {
  return {{"gpu", device.name},
          {"sm_count", device.processors},
          {"driver", device.driver}};
}

VariantKey keyFromJson(const json &object) {
  VariantKey key;
  object.at("kernel").get_to(key.kernel);
  object.at("format").get_to(key.format);
  object.at("layout").get_to(key.layout);
  object.at("head_dim").get_to(key.headDim);
  object.at("ratio").get_to(key.ratio);
  object.at("dtype").get_to(key.dtype);
  object.at("query_rows").get_to(key.queryRows);
  object.at("features").get_to(key.features);
  object.at("options").get_to(key.options);
  object.at("target").get_to(key.target);
  return key;
}

Bucket bucketFromJson(const json &object, const std::string &kernel) {
  if (!isTunable(kernel))
    throw InputError("kernel '" + kernel + "' is never tuned");
  Bucket bucket;
  for (const BucketMember &member : kBucketMembers) {
    if (!member.isOf(kernel))
      continue;
    auto value = object.at(member.name).get<int64_t>();
    if (value < 1)
      throw InputError(std::string(member.name) + ": " + std::to_string(value) +
                       ", expected 1 or more");
    bucket.*member.value = value;
  }
  return bucket;
}

DeviceName deviceFromJson(const json &object) {
  return {object.at("gpu").get<std::string>(),
          object.at("sm_count").get<int64_t>(),
          object.at("driver").get<std::string>()};
}

std::string describe(const VariantKey &key) {
  std::string text = key.kernel;
  for (const std::string &word : {key.format, key.layout, key.dtype})
    text += word.empty() ? "" : " " + word;
  if (key.headDim)
    text += " head_dim " + std::to_string(key.headDim);
  if (key.ratio)
    text += " ratio " + std::to_string(key.ratio);
  if (key.queryRows)
    text += " rows " + std::to_string(key.queryRows);
  std::string features;
  for (const std::string &feature : key.features)
    features += (features.empty() ? "" : ",") + feature;
  if (!features.empty())
    text += " (" + features + ")";
  return text;
}

json toJson(const Hint &hint) {
  json object = json::object();
  for (const HintMember &member : kHintMembers)
    if (std::optional<int64_t> value = hint.*member.value)
      object[member.name] = *value;
  return object;
}

Hint hintFromJson(const json &object) {
  Hint hint;
  for (auto &[name, value] : object.items()) {
    auto member =
        std::find_if(std::begin(kHintMembers), std::end(kHintMembers),
                     [&](const HintMember &each) { return each.name == name; });
    if (member == std::end(kHintMembers))
      throw InputError("unknown hint '" + name + "'");
    auto number = value.get<int64_t>();
    if (number < 1 || number > kMostHint)
      throw InputError(name + ": " + std::to_string(number) +
                       ", expected 1 to " + std::to_string(kMostHint));
    hint.*member->value = number;
  }
  return hint;
}

} // namespace kvarn::tune
