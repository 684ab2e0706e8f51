//===- ManifestTest.cpp - Reading and writing of manifests ----------------===//

#include "format/Manifest.h"
#include "format/Hash.h"

#include <fstream>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <random>

using namespace kvarn;
using nlohmann::json;

static Variant exampleVariant(const std::string &id) {
  Variant v;
  v.id = id;
  v.key = {
      "attend",          "kvarn_k4v2_g128",       "mma16816", 128, 4, "f16", 16,
      {"causal", "lse"}, {{"split", "balanced"}}, "x86_64"};
  v.schedule = "#kvarn.schedule<warps = 4>\n";
  v.scheduleFrom = "sm_90a";
  v.binary = {"attend.so", BinaryKind::SharedObject, sha256Hex("binary"), 6};
  v.requirements = {"x86_64", "x86-64-v3", {"fma"}, ""};
  using Kind = Parameter::Kind;
  v.parameters = {{"q", Kind::Tensor, DType::F16, {-1, -1, 128}, false, 16},
                  {"scale", Kind::Scalar, DType::F32, {}, false, 0},
                  {"window", Kind::Scalar, DType::I32, {}, false, 0},
                  {"out", Kind::Tensor, DType::F16, {-1, -1, 128}, true, 0}};
  v.buffers = {{"partial", DType::F32, {Rule::dim("q", 0), 128}}};
  v.launches = {{"attend_0",
                 {Rule::ceildiv(Rule::dim("q", 0), 16), Rule(1), Rule(2)},
                 1,
                 4096,
                 1,
                 {"q", "scale", "window", "partial", "out"}}};
  v.hint.context = 4096;
  v.hint.kvHeads = 8;
  return v;
}

static Manifest example() {
  Manifest manifest;
  manifest.compiler = "kvarn 0.1.0";
  manifest.variants = {exampleVariant("a"), exampleVariant("b")};
  return manifest;
}

/// The example with a change in its JSON, and a checksum that fits.
template <typename Edit> static std::string edited(Edit edit) {
  json root = json::parse(writeManifest(example()));
  root.erase("checksum");
  edit(root);
  root["checksum"] = sha256Hex(root.dump());
  return root.dump();
}

template <typename Edit> static std::string errorOf(Edit edit) {
  std::string error;
  EXPECT_FALSE(readManifest(edited(edit), error));
  return error;
}

/// The error after `edit` on the second variant.
template <typename Edit> static std::string variantError(Edit edit) {
  return errorOf([&](json &root) { edit(root["variants"][1]); });
}

TEST(Manifest, RoundTrips) {
  std::string error, text = writeManifest(example());
  std::optional<Manifest> read = readManifest(text, error);
  ASSERT_TRUE(read) << error;
  EXPECT_EQ(*read, example());
  EXPECT_EQ(writeManifest(*read), text);
  EXPECT_EQ(describeManifestError(example()), "");
}

TEST(Manifest, EveryTruncationIsAnError) {
  std::string text = writeManifest(example());
  for (size_t size = 0; size + 2 < text.size(); ++size) {
    std::string error;
    ASSERT_FALSE(readManifest(text.substr(0, size), error)) << size;
    ASSERT_EQ(error, "manifest.json: not valid JSON; the file is damaged or "
                     "truncated");
  }
}

TEST(Manifest, AnEditBreaksTheChecksum) {
  std::string text = writeManifest(example()), error;
  text.replace(text.find("4096"), 4, "4097");
  EXPECT_FALSE(readManifest(text, error));
  EXPECT_EQ(error, "manifest.json: checksum: does not match the contents: the "
                   "file is damaged or was edited");
}

// White space is not part of the contents.
TEST(Manifest, ReformattingKeepsTheChecksum) {
  std::string error;
  std::string text = json::parse(writeManifest(example())).dump(7);
  EXPECT_TRUE(readManifest(text, error)) << error;
}

TEST(Manifest, Versions) {
  EXPECT_EQ(errorOf([](json &root) { root["schema"] = 2; }),
            "manifest.json: schema: found 2, expected 1");
  EXPECT_EQ(errorOf([](json &root) { root["abi"] = 0; }),
            "manifest.json: abi: found 0, expected 1");
  // Another version may have other members: the version is the message.
  EXPECT_EQ(errorOf([](json &root) {
              root = {{"schema", 9}, {"kernels", json::array()}};
            }),
            "manifest.json: schema: found 9, expected 1");
}

TEST(Manifest, TopLevel) {
  EXPECT_EQ(errorOf([](json &root) { root["extra"] = 1; }),
            "manifest.json: unknown member 'extra'");
  EXPECT_EQ(errorOf([](json &root) { root.erase("compiler"); }),
            "manifest.json: no member 'compiler'");
  EXPECT_EQ(errorOf([](json &root) { root["variants"] = 3; }),
            "manifest.json: variants: expected a list");
  std::string error;
  EXPECT_FALSE(readManifest("[]", error));
  EXPECT_EQ(error, "manifest.json: expected an object");
  EXPECT_FALSE(readManifest("{}", error));
  EXPECT_EQ(error, "manifest.json: no member 'schema'");
  EXPECT_FALSE(readManifest(R"({"schema":1,"abi":1,"checksum":"12"})", error));
  EXPECT_EQ(error,
            "manifest.json: checksum: expected a string of 64 hex digits");
}

TEST(Manifest, Binary) {
  EXPECT_EQ(variantError([](json &v) { v["binary"]["sha256"] = "00"; }),
            "manifest.json: variants[1].binary.sha256: expected a string of 64 "
            "hex digits");
  for (const char *file :
       {"", ".", "..", "../x.so", "/lib/x.so", "a\\b", "manifest.json"})
    EXPECT_EQ(variantError([&](json &v) { v["binary"]["file"] = file; }),
              "manifest.json: variants[1].binary.file: expected the plain name "
              "of a file beside the manifest");
  EXPECT_EQ(variantError([](json &v) {
              v["binary"]["file"] = std::string("a\0.so", 5);
            }),
            "manifest.json: variants[1].binary.file: expected no control "
            "characters");
  EXPECT_EQ(variantError([](json &v) { v["binary"]["bytes"] = -1; }),
            "manifest.json: variants[1].binary.bytes: expected an integer from "
            "0 to 1099511627776");
  EXPECT_EQ(variantError([](json &v) { v["binary"]["kind"] = "exe"; }),
            "manifest.json: variants[1].binary.kind: expected one of "
            "\"shared-object\", \"object\", \"ptx\", \"cubin\"");
  EXPECT_EQ(variantError([](json &v) { v["binary"]["bytes"] = 7; }),
            "manifest.json: variants[1]: binary 'attend.so' is described "
            "differently before");
  EXPECT_EQ(variantError([](json &v) { v["requires"]["arch"] = "nvptx"; }),
            "manifest.json: variants[1]: a binary of kind shared-object cannot "
            "run on nvptx");
}

TEST(Manifest, Key) {
  EXPECT_EQ(variantError([](json &v) { v["id"] = "a"; }),
            "manifest.json: variants[1]: duplicate id 'a'");
  EXPECT_EQ(
      variantError([](json &v) { v["key"]["features"] = {"lse", "causal"}; }),
      "manifest.json: variants[1].key.features: expected a sorted list "
      "without duplicates");
  EXPECT_EQ(variantError([](json &v) { v["key"]["head_dim"] = 96; }),
            "manifest.json: variants[1].key.head_dim: head_dim is 96, expected "
            "one of 64, 128, 256");
  EXPECT_EQ(variantError([](json &v) { v["key"]["layout"] = "mma"; }),
            "manifest.json: variants[1].key.layout: expected \"reference\" or "
            "\"mma16816\"");
  EXPECT_EQ(variantError([](json &v) { v["key"]["options"]["a"] = 1; }),
            "manifest.json: variants[1].key.options.a: expected a string");
  EXPECT_EQ(variantError([](json &v) { v["key"]["kernel"] = ""; }),
            "manifest.json: variants[1].key.kernel: expected a name without "
            "',', '=' and spaces");
}

TEST(Manifest, Parameters) {
  EXPECT_EQ(variantError([](json &v) { v["parameters"][0]["dtype"] = "f8"; }),
            "manifest.json: variants[1].parameters[0].dtype: expected one of "
            "f16, bf16, f32, i8, i32, i64");
  EXPECT_EQ(variantError([](json &v) { v["parameters"][0]["shape"][1] = -2; }),
            "manifest.json: variants[1].parameters[0].shape[1]: expected an "
            "integer from -1 to 281474976710656");
  EXPECT_EQ(variantError([](json &v) {
              v["parameters"][0]["shape"] = std::vector<int>(9, -1);
            }),
            "manifest.json: variants[1].parameters[0].shape: expected at most "
            "8 items");
  EXPECT_EQ(variantError([](json &v) { v["parameters"][0]["alignment"] = 3; }),
            "manifest.json: variants[1].parameters[0].alignment: expected a "
            "power of two");
  EXPECT_EQ(variantError([](json &v) { v["parameters"][1]["dtype"] = "f16"; }),
            "manifest.json: variants[1].parameters[1]: a scalar is f32, i32 or "
            "i64");
  EXPECT_EQ(variantError([](json &v) { v["parameters"][1]["name"] = "q"; }),
            "manifest.json: variants[1].parameters[1]: duplicate name 'q'");
  EXPECT_EQ(variantError([](json &v) { v["buffers"][0]["name"] = "q"; }),
            "manifest.json: variants[1].buffers[0]: duplicate name 'q'");
}

TEST(Manifest, Launches) {
  EXPECT_EQ(variantError(
                [](json &v) { v["launches"][0]["arguments"][2] = "nobody"; }),
            "manifest.json: variants[1].launches[0].arguments[2]: unknown "
            "parameter or buffer 'nobody'");
  auto grid = [](json rule) {
    return variantError([&](json &v) { v["launches"][0]["grid"][2] = rule; });
  };
  std::string at = "manifest.json: variants[1].launches[0].grid[2]";
  EXPECT_EQ(grid({{"dim", {"k", 0}}}), at + ": unknown parameter 'k'");
  EXPECT_EQ(grid({{"dim", {"q", 3}}}),
            at + ": parameter 'q' has no dimension 3");
  EXPECT_EQ(grid({{"dim", {"scale", 0}}}),
            at + ": parameter 'scale' has no dimension 0");
  EXPECT_EQ(grid({{"param", "scale"}}), at + ": parameter 'scale' is no "
                                             "integer");
  EXPECT_EQ(grid({{"device", "cores"}}),
            at + ": unknown device fact 'cores', expected sm_count");
  EXPECT_EQ(grid({{"add", {1, {{"dim", {"q", -1}}}}}}),
            at + ".add[1].dim: expected a dimension of at least 0");
  EXPECT_EQ(variantError([](json &v) { v["launches"][0]["grid"] = {1, 2}; }),
            "manifest.json: variants[1].launches[0].grid: expected three "
            "rules");
  EXPECT_EQ(variantError([](json &v) { v["launches"][0]["block"] = 0; }),
            "manifest.json: variants[1].launches[0].block: expected an integer "
            "from 1 to 1024");
  EXPECT_EQ(variantError([](json &v) { v["launches"][0]["early"] = 1; }),
            "manifest.json: variants[1].launches[0].early: expected true or "
            "false");
}

TEST(Manifest, EarlyLaunches) {
  auto onChip = [](json &v, const char *chip) {
    v["requires"] = {{"arch", "nvptx"},
                     {"cpu", ""},
                     {"cpu_features", json::array()},
                     {"chip", chip}};
    v["binary"]["kind"] = "ptx";
    v["binary"]["file"] = "attend.ptx";
    v["launches"][0]["early"] = true;
  };
  std::string error;
  auto read = readManifest(
      edited([&](json &root) { onChip(root["variants"][1], "sm_90"); }), error);
  ASSERT_TRUE(read) << error;
  EXPECT_FALSE(read->variants[0].launches[0].early);
  EXPECT_TRUE(read->variants[1].launches[0].early);
  EXPECT_EQ(readManifest(writeManifest(*read), error), read);
  std::string at = "manifest.json: variants[1].launches[0].early: expected "
                   "false for '";
  for (const char *chip : {"sm_89", "sm_", "sm_x", "gfx942"})
    EXPECT_EQ(variantError([&](json &v) { onChip(v, chip); }),
              at + chip + "': kernels wait by themselves from sm_90 on");
  EXPECT_EQ(variantError([](json &v) { v["launches"][0]["early"] = true; }),
            at + "': kernels wait by themselves from sm_90 on");
}

TEST(Manifest, NestingIsBounded) {
  std::string error;
  for (std::string open : {"[", "{\"a\":"}) {
    std::string text;
    for (int i = 0; i < 100000; ++i)
      text += open;
    EXPECT_FALSE(readManifest(text, error));
    EXPECT_EQ(error, "manifest.json: nested deeper than 80 levels");
  }
  // Brackets in strings are no nesting.
  Manifest manifest = example();
  manifest.variants[0].schedule = std::string(200, '[') + "\"\\";
  EXPECT_EQ(describeManifestError(manifest), "");
}

TEST(Manifest, WhatIsNotUtf8IsReplaced) {
  Manifest manifest = example();
  manifest.compiler = "\xff";
  EXPECT_EQ(describeManifestError(manifest), "");
}

// Every value of the manifest replaced by values of every type: an error or a
// manifest, and nothing else; a manifest round-trips.
TEST(Manifest, AnyReplacedValueIsHandled) {
  json root = json::parse(writeManifest(example())).flatten();
  std::vector<json> values = {nullptr, true,          -1,          0,
                              1e300,   UINT64_MAX,    INT64_MIN,   "",
                              "q",     json::array(), {1, 2, 3, 4}};
  for (auto &[pointer, unused] : root.items())
    for (const json &value : values) {
      std::string error, text = edited([&](json &copy) {
                           json::json_pointer where(pointer);
                           if (copy.contains(where))
                             copy[where] = value;
                         });
      std::optional<Manifest> manifest = readManifest(text, error);
      ASSERT_EQ(manifest.has_value(), error.empty()) << text;
      if (manifest) {
        ASSERT_EQ(readManifest(writeManifest(*manifest), error), manifest);
      }
    }
}

// Random damage of the text, with a checksum that fits wherever possible.
TEST(Manifest, RandomDamage) {
  std::mt19937 random(1);
  std::string good = writeManifest(example());
  for (int i = 0; i < 3000; ++i) {
    std::string text = good, error;
    for (int edits = random() % 4 + 1; edits > 0; --edits) {
      size_t at = random() % text.size();
      if (random() % 2)
        text[at] = "0123456789[]{}\",:-e\xff"[random() % 20];
      else
        text.erase(at, random() % 40);
    }
    json root = json::parse(text, nullptr, false);
    if (root.is_object()) {
      root.erase("checksum");
      root["checksum"] =
          sha256Hex(root.dump(-1, ' ', false, json::error_handler_t::replace));
      text = root.dump(-1, ' ', false, json::error_handler_t::replace);
    }
    std::optional<Manifest> manifest = readManifest(text, error);
    ASSERT_EQ(manifest.has_value(), error.empty());
  }
}

TEST(Hash, KnownValues) {
  const char *abc =
      "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
  EXPECT_EQ(sha256Hex("abc"), abc);
  std::string path = testing::TempDir() + "kvarn-hash-test", error;
  std::ofstream(path) << "abc";
  std::optional<FileHash> hash = hashFile(path, error);
  ASSERT_TRUE(hash) << error;
  EXPECT_EQ(hash->sha256, abc);
  EXPECT_EQ(hash->bytes, 3);
  EXPECT_FALSE(hashFile(path + ".none", error));
  EXPECT_EQ(error, "No such file or directory");
  EXPECT_FALSE(hashFile(testing::TempDir(), error));
  EXPECT_EQ(error, "not a regular file");
}
