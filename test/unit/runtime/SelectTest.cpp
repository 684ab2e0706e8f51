//===- SelectTest.cpp - Choosing a variant --------------------------------===//

#include "test/unit/runtime/Fixture.h"

using namespace kvarn;
using namespace kvarn::test;

static Variant attend(const std::string &id, const std::string &cpu = "") {
  Variant variant = makeVariant(id, "attend", {}, "visit");
  variant.key.format = "kvarn_k4v2_g128";
  variant.key.layout = "mma16816";
  variant.key.headDim = 128;
  variant.key.ratio = 4;
  variant.key.dtype = "f16";
  variant.key.features = {"causal"};
  variant.key.options = {{"split", "balanced"}};
  variant.requirements.cpu = cpu;
  return variant;
}

static Request request() {
  return Request("attend")
      .format("kvarn_k4v2_g128")
      .layout("mma16816")
      .headDim(128)
      .ratio(4)
      .dtype("f16")
      .features("causal")
      .options("split=balanced");
}

static std::string chosen(const Library &library, const Request &request) {
  return library.select(request).variant().id;
}

TEST(Select, EveryMemberMustMatch) {
  TempLibrary folder({attend("a")});
  Library library = folder.open();
  EXPECT_EQ(chosen(library, request()), "a");
  // Nothing but kernel and features has to be stated.
  EXPECT_EQ(chosen(library, Request("attend").features(" causal ")), "a");
  std::string notFound = folder.path() +
                         ": none of the 1 variants matches the request for "
                         "kernel 'attend'; kvarn_library_explain says why";
  auto reason = [&](const Request &wanted) {
    EXPECT_EQ(errorOf(KVARN_STATUS_NOT_FOUND, [&] { library.select(wanted); }),
              notFound);
    return library.explain(wanted);
  };
  std::string start = "nothing chosen: " + notFound + "\n  a: ";
  EXPECT_EQ(reason(request().format("kvarn_k4v4_g128")),
            start + "format is 'kvarn_k4v2_g128', requested "
                    "'kvarn_k4v4_g128'\n");
  EXPECT_EQ(reason(request().layout("reference")),
            start + "layout is 'mma16816', requested 'reference'\n");
  EXPECT_EQ(reason(request().dtype("bf16")),
            start + "dtype is 'f16', requested 'bf16'\n");
  EXPECT_EQ(reason(request().target("sm_90a")), start + "target is '" +
                                                    attend("a").key.target +
                                                    "', requested 'sm_90a'\n");
  EXPECT_EQ(reason(request().headDim(64)),
            start + "head_dim is 128, requested 64\n");
  EXPECT_EQ(reason(request().ratio(5)), start + "ratio is 4, requested 5\n");
  EXPECT_EQ(reason(request().queryRows(16)),
            start + "query_rows is 0, requested 16\n");
  EXPECT_EQ(reason(request().features("lse,causal")),
            start + "features is 'causal', requested 'lse,causal'\n");
  EXPECT_EQ(reason(request().features("")),
            start + "features is 'causal', requested ''\n");
  EXPECT_EQ(reason(request().options("split=fixed")),
            start + "option split is 'balanced', requested 'fixed'\n");
  EXPECT_EQ(reason(request().options("range=mse")),
            start + "has no option 'range'\n");
}

TEST(Select, ATargetIsAFamilyOrAMemberOfIt) {
  std::string arch = attend("a").key.target;
  TempLibrary folder({attend("any"), attend("v2", "x86-64-v2")});
  Library library = folder.open();
  EXPECT_NE(
      library.explain(request().target("x86-64-v2"))
          .find("  any: target is '" + arch + "', requested 'x86-64-v2'\n"),
      std::string::npos);
  EXPECT_NE(library.explain(request().target("x86-64-v3"))
                .find("  v2: target is '" + arch +
                      "' (x86-64-v2), requested 'x86-64-v3'\n"),
            std::string::npos);
  if (arch == "x86_64")
    EXPECT_EQ(chosen(library, request().target("x86-64-v2")), "v2");
}

TEST(Select, MalformedRequests) {
  TempLibrary folder({attend("a")});
  Library library = folder.open();
  auto error = [&](const Request &wanted) {
    return errorOf(KVARN_STATUS_INVALID_ARGUMENT,
                   [&] { library.select(wanted); });
  };
  EXPECT_EQ(error(Request("")), "request.kernel is not set");
  EXPECT_EQ(error(request().features("causal,,lse")),
            "request.features: expected different names separated by commas, "
            "got 'causal,,lse'");
  EXPECT_EQ(error(request().features("lse,lse")),
            "request.features: expected different names separated by commas, "
            "got 'lse,lse'");
  EXPECT_EQ(error(request().options("split")),
            "request.options: expected different NAME=VALUE separated by "
            "commas, got 'split'");
  kvarn_kernel *kernel = nullptr;
  EXPECT_KVARN_ERROR(kvarn_select(library.get(), nullptr, &kernel),
                     KVARN_STATUS_INVALID_ARGUMENT, "request is NULL");
  EXPECT_KVARN_ERROR(kvarn_select(nullptr, nullptr, &kernel),
                     KVARN_STATUS_INVALID_ARGUMENT, "library is NULL");
}

TEST(Select, WhatChangesResultsIsNotChosenSilently) {
  Variant fixed = attend("b");
  fixed.key.options["split"] = "fixed";
  Variant plain = attend("c");
  plain.key.format = "kvarn_k4v4_g128";
  TempLibrary folder({attend("a"), fixed, plain});
  Library library = folder.open();
  auto error = [&](const Request &wanted) {
    return errorOf(KVARN_STATUS_INVALID_ARGUMENT,
                   [&] { library.select(wanted); });
  };
  EXPECT_EQ(error(request().options("")),
            "the request is ambiguous: a and b differ in option split "
            "('balanced' and 'fixed')");
  EXPECT_EQ(error(request().format("")),
            "the request is ambiguous: a and c differ in format "
            "('kvarn_k4v2_g128' and 'kvarn_k4v4_g128')");
  EXPECT_EQ(chosen(library, request().options("split=fixed")), "b");
}

TEST(Select, HintsDecideBetweenEquals) {
  Variant small = attend("small"), large = attend("large"),
          late = attend("late");
  small.key.queryRows = 8;
  large.key.queryRows = late.key.queryRows = 64;
  small.hint.context = large.hint.context = 1024;
  late.hint.context = 65536;
  TempLibrary folder({small, large, late});
  Library library = folder.open();
  // Without hints, the order in the manifest.
  EXPECT_EQ(chosen(library, request()), "small");
  EXPECT_EQ(chosen(library, request().maxQueryTokens(1)), "small");
  EXPECT_EQ(chosen(library, request().maxQueryTokens(2)), "small");
  EXPECT_EQ(chosen(library, request().maxQueryTokens(3)), "large");
  EXPECT_EQ(chosen(library, request().maxQueryTokens(3).context(30000)),
            "late");
  EXPECT_EQ(chosen(library, request().maxQueryTokens(INT64_MAX)), "large");
  EXPECT_EQ(chosen(library, request().queryRows(64)), "large");
  EXPECT_EQ(library.explain(request().maxQueryTokens(16)),
            "chosen: large\n"
            "  small: matches, but its query_rows fit less well than large\n"
            "  large: chosen\n"
            "  late: matches, but stands behind large in the manifest\n");
}

/// 4 requests of 16 KV heads are the work of 8 of 8; without KV heads on both
/// sides requests are compared.
TEST(Select, KvHeadsAreWork) {
  Variant small = attend("small"), large = attend("large"), any = attend("any");
  small.hint.maxBatch = 8;
  small.hint.kvHeads = 8;
  large.hint.maxBatch = 8;
  large.hint.kvHeads = 64;
  TempLibrary folder({small, large});
  Library library = folder.open();
  EXPECT_EQ(chosen(library, request().maxBatch(4).kvHeads(16)), "small");
  EXPECT_EQ(chosen(library, request().maxBatch(32).kvHeads(16)), "large");
  EXPECT_EQ(chosen(library, request().maxBatch(100)), "small");
  EXPECT_EQ(chosen(library, request().kvHeads(64)), "small");
  any.hint.maxBatch = 32;
  TempLibrary mixed({small, any});
  Library other = mixed.open();
  EXPECT_EQ(chosen(other, request().maxBatch(32).kvHeads(8)), "any");
  EXPECT_EQ(chosen(other, request().maxBatch(9).kvHeads(8)), "small");
}

/// What has no hint is for all work that no hint is near to, and for who does
/// not say how much there is.
TEST(Select, WithoutHintsIsForTheRest) {
  Variant general = attend("general"), special = attend("special");
  special.hint.maxBatch = 1;
  special.hint.kvHeads = 8;
  special.hint.context = 4096;
  for (auto order : {std::vector{general, special}, {special, general}}) {
    TempLibrary folder(order);
    Library library = folder.open();
    auto one = [] { return request().maxBatch(1).kvHeads(8); };
    EXPECT_EQ(chosen(library, one().context(4096)), "special");
    EXPECT_EQ(chosen(library, one().context(6800)), "special");
    EXPECT_EQ(chosen(library, one().context(7000)), "general");
    EXPECT_EQ(chosen(library, one().context(2400)), "general");
    EXPECT_EQ(chosen(library, one()), "general");
    EXPECT_EQ(chosen(library, request().context(4096)), "general");
    EXPECT_EQ(chosen(library, request()), "general");
    EXPECT_EQ(chosen(library, request().maxBatch(2).kvHeads(4).context(4096)),
              "special");
    EXPECT_EQ(chosen(library, request().maxBatch(2).kvHeads(8).context(4096)),
              "general");
  }
  // A hint that says less is near to who says less.
  special.hint = {};
  special.hint.context = 8192;
  TempLibrary folder({general, special});
  Library library = folder.open();
  EXPECT_EQ(chosen(library, request().context(8192)), "special");
  EXPECT_EQ(chosen(library, request().context(20000)), "general");
  EXPECT_EQ(chosen(library, request().maxBatch(8)), "general");
  special.hint.maxQueryTokens = 1;
  TempLibrary decode({general, special});
  Library other = decode.open();
  EXPECT_EQ(chosen(other, request().context(8192)), "special");
  EXPECT_EQ(chosen(other, request().context(8192).maxQueryTokens(512)),
            "general");
}

TEST(Select, OtherDevices) {
  Variant gpu = attend("gpu");
  gpu.key.target = "gfx942";
  gpu.requirements = {"amdgcn", "", {}, "gfx942"};
  gpu.binary.kind = BinaryKind::Object;
  TempLibrary folder({gpu});
  Library library = folder.open();
  EXPECT_EQ(errorOf(KVARN_STATUS_UNSUPPORTED,
                    [&] { library.select(request().target("gfx942")); }),
            "gpu: is for amdgcn, which this runtime does not support");
  EXPECT_EQ(
      errorOf(KVARN_STATUS_UNSUPPORTED, [&] { library.select(request()); }),
      "gpu: is for amdgcn, but this CPU is " + attend("a").requirements.arch);
  EXPECT_EQ(errorOf(KVARN_STATUS_UNSUPPORTED, [&] { library.select("gpu"); }),
            "gpu: is for amdgcn, which this runtime does not support");
}

#if defined(__x86_64__)

TEST(Select, TheBestCpuLevelIsChosen) {
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma"))
    GTEST_SKIP() << "needs x86-64-v3";
  TempLibrary folder({attend("v2", "x86-64-v2"), attend("v3", "x86-64-v3"),
                      attend("v9", "x86-64-v9")});
  Library library = folder.open();
  EXPECT_EQ(chosen(library, request()), "v3");
  EXPECT_EQ(library.explain(request()),
            "chosen: v3\n"
            "  v2: matches, but uses less of the device than v3\n"
            "  v3: chosen\n"
            "  v9: needs the CPU 'x86-64-v9', which this runtime does not "
            "know\n");
  ScopedEnvironment forced("KVARN_CPU", "x86-64-v2");
  EXPECT_EQ(chosen(library, request()), "v2");
}

TEST(Select, MissingCpuFeaturesAreNamed) {
  Variant vnni = attend("vnni");
  vnni.requirements.cpuFeatures = {"avx512vnni"};
  Variant odd = attend("odd");
  odd.requirements.cpuFeatures = {"mmx9"};
  TempLibrary folder({attend("v3", "x86-64-v3"), vnni, odd});
  Library library = folder.open();
  ScopedEnvironment forced("KVARN_CPU", "x86-64-v2");
  EXPECT_EQ(
      errorOf(KVARN_STATUS_UNSUPPORTED, [&] { library.select(request()); }),
      "v3: needs x86-64-v3, but this CPU lacks avx, avx2, bmi, bmi2, f16c, "
      "fma, lzcnt, movbe (KVARN_CPU is x86-64-v2); vnni: needs avx512vnni, "
      "which this CPU lacks (KVARN_CPU is x86-64-v2); odd: needs the CPU "
      "feature 'mmx9', which this runtime cannot check");
}

TEST(Select, ForcedCpuMustExist) {
  TempLibrary folder({attend("a")});
  Library library = folder.open();
  {
    ScopedEnvironment forced("KVARN_CPU", "avx2");
    EXPECT_EQ(errorOf(KVARN_STATUS_INVALID_ARGUMENT,
                      [&] { library.select(request()); }),
              "KVARN_CPU is 'avx2', expected x86-64, x86-64-v2, x86-64-v3 or "
              "x86-64-v4");
  }
  if (!__builtin_cpu_supports("avx512f")) {
    ScopedEnvironment forced("KVARN_CPU", "x86-64-v4");
    EXPECT_TRUE(
        errorOf(KVARN_STATUS_UNSUPPORTED, [&] { library.select(request()); })
            .starts_with("KVARN_CPU is 'x86-64-v4', but this CPU "
                         "lacks "));
  }
  ScopedEnvironment empty("KVARN_CPU", "");
  EXPECT_EQ(chosen(library, request()), "a");
}

#endif // __x86_64__
