//===- KernelsTest.cpp - The typed calls ----------------------------------===//
//
// The kernels of the fixture only keep their arguments; what is tested is which
// arguments they get, and which tensors are refused.
//
//===----------------------------------------------------------------------===//

#include "format/Format.h"
#include "test/unit/runtime/Fixture.h"

#include <cmath>
#include <cstddef>
#include <cstring>
#include <dlfcn.h>
#include <map>

using namespace kvarn;
using namespace kvarn::test;

namespace {
constexpr int64_t kHeads = 2, kRatio = 3, kTokens = 5, kBatch = 2, kBlocks = 4,
                  kSlots = 3, kColumns = 6, kGroup = 128, kDim = 64;
const Format kFormat{4, 2, kGroup, kDim, Layout::Reference};
const int64_t kRecord = kFormat.recordBytes();

/// Memory that no kernel of this test touches.
alignas(64) char memory[64];

/// The tensors of a cache and of one step, by name; a test changes one.
struct Step {
  std::map<std::string, Tensor> tensors;

  Step() {
    add("q", F16, {kTokens, kHeads * kRatio, kDim});
    add("out", F16, {kTokens, kHeads * kRatio, kDim});
    add("lse", F32, {kTokens, kHeads * kRatio});
    add("sinks", F32, {kHeads * kRatio});
    add("query_start", I32, {kBatch + 1});
    add("pages", I8, {kBlocks, kHeads, kRecord});
    add("pool_k", F16, {kSlots, kGroup, kHeads, kDim});
    add("pool_v", F16, {kSlots, kGroup, kHeads, kDim});
    add("block_table", I32, {kBatch, kColumns});
    add("block_to_slot", I32, {kBlocks});
    add("seq_lens", I32, {kBatch});
    add("k", F16, {kTokens, kHeads, kDim});
    add("v", F16, {kTokens, kHeads, kDim});
    add("slot_mapping", I64, {kTokens});
    add("pairs", I32, {7, 2});
    add("count", I32, {1});
    add("new_k", F16, {kTokens, kHeads, kDim});
    add("new_v", F16, {kTokens, kHeads, kDim});
    add("k_out", F16, {kBatch, 300, kHeads, kDim});
    add("v_out", F16, {kBatch, 300, kHeads, kDim});
  }

  void add(const std::string &name, kvarn_dtype dtype,
           std::vector<int64_t> shape, std::vector<int64_t> strides = {}) {
    tensors.erase(name);
    tensors.emplace(name, Tensor(memory, dtype, shape, strides));
  }

  const kvarn_tensor *operator[](const char *name) const {
    return tensors.at(name).get();
  }
};

class Kernels : public testing::Test {
protected:
  Kernels()
      : folder({variant("attend", "record_54", attendParameters(false)),
                featureVariant(), newVariant(),
                variant("append", "record_38", appendParameters()),
                variant("flush", "record_33", flushParameters()),
                variant("pack", "record_29", packParameters()),
                variant("unflush", "record_33", unflushParameters()),
                variant("materialize", "record_54", materializeParameters()),
                variant("relayout", "record_22", relayoutParameters())}),
        library(folder.open()) {}

  static std::vector<Parameter> cacheParameters() {
    return {tensor("pages", DType::I8, {-1, -1, kRecord}),
            tensor("pool_k", DType::F16, {-1, kGroup, -1, kDim}),
            tensor("pool_v", DType::F16, {-1, kGroup, -1, kDim})};
  }
  static std::vector<Parameter> tableParameters() {
    return {tensor("block_table", DType::I32, {-1, -1}),
            tensor("block_to_slot", DType::I32, {-1}),
            tensor("seq_lens", DType::I32, {-1})};
  }
  static void add(std::vector<Parameter> &to, std::vector<Parameter> more) {
    to.insert(to.end(), more.begin(), more.end());
  }

  static std::vector<Parameter> attendParameters(bool features) {
    std::vector<Parameter> all = {tensor("q", DType::F16, {-1, -1, kDim}),
                                  tensor("query_start", DType::I32, {-1})};
    add(all, cacheParameters());
    add(all, tableParameters());
    add(all, {scalar("scale", DType::F32)});
    if (features)
      add(all, {scalar("window", DType::I32), scalar("softcap", DType::F32),
                tensor("sinks", DType::F32, {-1})});
    add(all, {tensor("out", DType::F16, {-1, -1, kDim}, true)});
    if (features)
      add(all, {tensor("lse", DType::F32, {-1, -1}, true)});
    return all;
  }
  static std::vector<Parameter> appendParameters() {
    return {tensor("k", DType::F16, {-1, -1, kDim}),
            tensor("v", DType::F16, {-1, -1, kDim}),
            tensor("slot_mapping", DType::I64, {-1}),
            tensor("pool_k", DType::F16, {-1, kGroup, -1, kDim}, true),
            tensor("pool_v", DType::F16, {-1, kGroup, -1, kDim}, true),
            tensor("block_to_slot", DType::I32, {-1})};
  }
  static std::vector<Parameter> flushParameters() {
    std::vector<Parameter> all = {tensor("pairs", DType::I32, {-1, 2}),
                                  tensor("count", DType::I32, {1})};
    add(all, cacheParameters());
    return all;
  }
  static std::vector<Parameter> packParameters() {
    return {tensor("k", DType::F16, {-1, -1, kDim}),
            tensor("v", DType::F16, {-1, -1, kDim}),
            tensor("pairs", DType::I32, {-1, 2}),
            tensor("count", DType::I32, {1}),
            tensor("pages", DType::I8, {-1, -1, kRecord}, true)};
  }
  static std::vector<Parameter> unflushParameters() {
    return {tensor("pairs", DType::I32, {-1, 2}),
            tensor("count", DType::I32, {1}),
            tensor("pages", DType::I8, {-1, -1, kRecord}),
            tensor("pool_k", DType::F16, {-1, kGroup, -1, kDim}, true),
            tensor("pool_v", DType::F16, {-1, kGroup, -1, kDim}, true)};
  }
  static std::vector<Parameter> materializeParameters() {
    std::vector<Parameter> all = cacheParameters();
    add(all, tableParameters());
    add(all, {tensor("k_out", DType::F16, {-1, -1, -1, kDim}, true),
              tensor("v_out", DType::F16, {-1, -1, -1, kDim}, true)});
    return all;
  }

  static std::vector<Parameter> relayoutParameters() {
    return {tensor("pairs", DType::I32, {-1, 2}),
            tensor("count", DType::I32, {1}),
            tensor("source_pages", DType::I8, {-1, -1, kRecord}),
            tensor("pages", DType::I8, {-1, -1, kRecord}, true)};
  }

  static Variant variant(const std::string &kernel, const std::string &entry,
                         std::vector<Parameter> parameters) {
    Variant variant = makeVariant(kernel + ".1", kernel, parameters, entry);
    variant.key.format = kFormat.name();
    variant.key.layout = "reference";
    variant.key.headDim = kDim;
    variant.key.ratio = kernel == "attend" ? kRatio : 0;
    return variant;
  }
  static Variant featureVariant() {
    Variant result = variant("attend", "record_64", attendParameters(true));
    result.id = "attend.2";
    result.key.features = {"lse", "sinks", "softcap", "window"};
    return result;
  }

  static Variant newVariant() {
    std::vector<Parameter> all = attendParameters(false);
    add(all, {tensor("new_k", DType::F16, {-1, -1, kDim}),
              tensor("new_v", DType::F16, {-1, -1, kDim})});
    Variant result = variant("attend", "record_68", all);
    result.id = "attend.3";
    result.key.features = {"new"};
    return result;
  }

  kvarn_attend_args attendArgs(const Step &step) const {
    auto args = make<kvarn_attend_args>();
    args.q = step["q"];
    args.query_start = step["query_start"];
    args.pages = step["pages"];
    args.pool_k = step["pool_k"];
    args.pool_v = step["pool_v"];
    args.block_table = step["block_table"];
    args.block_to_slot = step["block_to_slot"];
    args.seq_lens = step["seq_lens"];
    args.out = step["out"];
    return args;
  }
  /// The error of attend with one tensor changed.
  std::string attendError(const char *name, kvarn_dtype dtype,
                          std::vector<int64_t> shape,
                          std::vector<int64_t> strides = {}) {
    Step step;
    step.add(name, dtype, shape, strides);
    kvarn_attend_args args = attendArgs(step);
    return errorOf(KVARN_STATUS_INVALID_ARGUMENT,
                   [&] { library.select("attend.1").attend(args); });
  }

  /// The words that the last kernel got.
  const int64_t *recorded() {
    void *handle =
        dlopen(folder.path("kernels.so").c_str(), RTLD_NOW | RTLD_NOLOAD);
    EXPECT_NE(handle, nullptr);
    const void *words = dlsym(handle, "recorded");
    dlclose(handle);
    return static_cast<const int64_t *>(words);
  }
  static float asFloat(int64_t word) {
    float value;
    std::memcpy(&value, &word, sizeof(value));
    return value;
  }

  TempLibrary folder;
  Library library;
};
} // namespace

TEST_F(Kernels, AttendPassesItsArguments) {
  Step step;
  Kernel kernel = library.select("attend.1");
  kernel.attend(attendArgs(step));
  const int64_t *words = recorded(), base = reinterpret_cast<int64_t>(memory);
  // q, query_start, pages
  std::vector<int64_t> expected = {base,
                                   kTokens,
                                   kHeads * kRatio,
                                   kDim,
                                   kHeads * kRatio * kDim,
                                   kDim,
                                   1,
                                   base,
                                   kBatch + 1,
                                   1,
                                   base,
                                   kBlocks,
                                   kHeads,
                                   kRecord,
                                   kHeads * kRecord,
                                   kRecord,
                                   1};
  EXPECT_EQ(std::vector<int64_t>(words, words + expected.size()), expected);
  EXPECT_EQ(asFloat(words[46]), 0.125f); // 1 / sqrt(64)
  EXPECT_EQ(words[47], base);            // out
  EXPECT_EQ(words[53], 1);
}

TEST_F(Kernels, AttendPassesFeatures) {
  Step step;
  Kernel kernel = library.select("attend.2");
  kvarn_attend_args args = attendArgs(step);
  args.scale = 0.5f;
  args.window = 100;
  args.softcap = 30;
  args.sinks = step["sinks"];
  args.lse = step["lse"];
  kernel.attend(args);
  const int64_t *words = recorded();
  EXPECT_EQ(asFloat(words[46]), 0.5f);
  EXPECT_EQ(words[47], 100);
  EXPECT_EQ(asFloat(words[48]), 30.0f);
  EXPECT_EQ(words[50], kHeads * kRatio);
  EXPECT_EQ(words[60], kTokens);

  auto error = [&](const kvarn_attend_args &changed) {
    return errorOf(KVARN_STATUS_INVALID_ARGUMENT,
                   [&] { kernel.attend(changed); });
  };
  kvarn_attend_args changed = args;
  changed.window = 0;
  EXPECT_EQ(error(changed), "window: expected more than 0");
  changed = args;
  changed.softcap = NAN;
  EXPECT_EQ(error(changed), "softcap: expected more than 0");
  changed = args;
  changed.lse = nullptr;
  EXPECT_EQ(error(changed), "lse: the tensor is NULL");
  changed = args;
  changed.sinks = step["count"];
  EXPECT_EQ(error(changed), "sinks: extent 0 (Hq) is 1, expected 6 as in q");
}

TEST_F(Kernels, AttendPassesNewTokens) {
  Step step;
  Kernel kernel = library.select("attend.3");
  kvarn_attend_args args = attendArgs(step);
  args.new_k = step["new_k"];
  args.new_v = step["new_v"];
  kernel.attend(args);
  EXPECT_EQ(recorded()[55], kTokens);
  EXPECT_EQ(recorded()[56], kHeads);
  EXPECT_EQ(recorded()[62], kTokens);

  auto error = [&](const kvarn_attend_args &changed) {
    return errorOf(KVARN_STATUS_INVALID_ARGUMENT,
                   [&] { kernel.attend(changed); });
  };
  kvarn_attend_args changed = args;
  changed.new_v = nullptr;
  EXPECT_EQ(error(changed), "new_v: the tensor is NULL");
  changed = args;
  changed.new_k = step["q"];
  EXPECT_EQ(error(changed),
            "new_k: extent 1 (Hk) is 6, expected 2 as in pages");
  // A caller that knows nothing of them.
  changed = args;
  changed.struct_size = offsetof(kvarn_attend_args, new_k);
  EXPECT_EQ(error(changed), "new_k: the tensor is NULL");
  changed.new_k = changed.new_v = step["count"]; // behind its end
  EXPECT_EQ(error(changed), "new_k: the tensor is NULL");
}

TEST_F(Kernels, FeaturesThatTheKernelLacks) {
  Step step;
  Kernel kernel = library.select("attend.1");
  auto error = [&](auto change) {
    kvarn_attend_args args = attendArgs(step);
    change(args);
    return errorOf(KVARN_STATUS_INVALID_ARGUMENT, [&] { kernel.attend(args); });
  };
  EXPECT_EQ(error([](auto &args) { args.window = 5; }),
            "window: given, but the kernel lacks the feature 'window'");
  EXPECT_EQ(error([](auto &args) { args.softcap = 5; }),
            "softcap: given, but the kernel lacks the feature 'softcap'");
  EXPECT_EQ(error([&](auto &args) { args.sinks = step["sinks"]; }),
            "sinks: given, but the kernel lacks the feature 'sinks'");
  EXPECT_EQ(error([&](auto &args) { args.lse = step["lse"]; }),
            "lse: given, but the kernel lacks the feature 'lse'");
  EXPECT_EQ(error([&](auto &args) { args.new_k = step["new_k"]; }),
            "new_k: given, but the kernel lacks the feature 'new'");
  EXPECT_EQ(error([](auto &args) { args.q = nullptr; }),
            "q: the tensor is NULL");
  kvarn_tensor shapeless = {};
  EXPECT_EQ(error([&](auto &args) { args.q = &shapeless; }),
            "q: shape is NULL");
  EXPECT_EQ(error([](auto &args) { args.struct_size = 0; }),
            "args.struct_size is not set");
}

TEST_F(Kernels, AttendComparesShapes) {
  EXPECT_EQ(attendError("q", F16, {kTokens, kHeads * kRatio}),
            "q: expected rank 3 (T Hq D), got 2");
  EXPECT_EQ(attendError("q", F16, {kTokens, 6, 128}),
            "q: extent 2 (D) is 128, expected 64 as in the kernel");
  EXPECT_EQ(attendError("q", F16, {kTokens, 8, kDim}),
            "q: 8 heads, expected ratio 3 times the 2 KV heads of pages");
  EXPECT_EQ(attendError("out", F16, {4, 6, kDim}),
            "out: extent 0 (T) is 4, expected 5 as in q");
  EXPECT_EQ(attendError("pool_v", F16, {kSlots, kGroup, 1, kDim}),
            "pool_v: extent 2 (Hk) is 1, expected 2 as in pages");
  EXPECT_EQ(attendError("pool_k", F16, {kSlots, 64, kHeads, kDim}),
            "pool_k: extent 1 (G) is 64, expected 128 as in the kernel");
  EXPECT_EQ(attendError("pool_v", F16, {kSlots + 1, kGroup, kHeads, kDim}),
            "pool_v: extent 0 (slots) is 4, expected 3 as in pool_k");
  EXPECT_EQ(attendError("query_start", I32, {0}),
            "query_start: extent 0 (B+1) is 0, expected at least 1");
  EXPECT_EQ(attendError("block_table", I32, {3, kColumns}),
            "block_table: extent 0 (B) is 3, expected 2 as in query_start");
  EXPECT_EQ(attendError("seq_lens", I32, {3}),
            "seq_lens: extent 0 (B) is 3, expected 2 as in query_start");
  EXPECT_EQ(attendError("block_to_slot", I32, {9}),
            "block_to_slot: extent 0 (blocks) is 9, expected 4 as in pages");
  EXPECT_EQ(attendError("seq_lens", I64, {2}),
            "seq_lens: expected dtype i32, got i64");
}

TEST_F(Kernels, RecordsMayBeAnyDistanceApart) {
  constexpr kvarn_dtype u8 = {KVARN_CODE_UINT, 8, 1};
  // Padded records, and heads outermost.
  EXPECT_EQ(attendError("pages", u8, {kBlocks, kHeads, 32768}), "no error");
  EXPECT_EQ(recorded()[13], kRecord);
  EXPECT_EQ(recorded()[15], 32768);
  EXPECT_EQ(attendError("pages", I8, {kBlocks, kHeads, kRecord},
                        {kRecord, kRecord * kBlocks, 1}),
            "no error");
  EXPECT_EQ(recorded()[14], kRecord);
  EXPECT_EQ(attendError("pages", I8, {kBlocks, kHeads, 100}),
            "pages: extent 2 is 100, but a record has 7296 bytes");
  EXPECT_EQ(attendError("pages", I8, {kBlocks, kHeads, kRecord},
                        {kRecord * 2, 100, 1}),
            "pages: stride 1 is 100, but a record has 7296 bytes");
}

TEST_F(Kernels, Append) {
  Step step;
  auto args = make<kvarn_append_args>();
  args.k = step["k"];
  args.v = step["v"];
  args.slot_mapping = step["slot_mapping"];
  args.pool_k = step["pool_k"];
  args.pool_v = step["pool_v"];
  args.block_to_slot = step["block_to_slot"];
  Kernel kernel = library.select("append.1");
  kernel.append(args);
  EXPECT_EQ(recorded()[1], kTokens);
  EXPECT_EQ(recorded()[36], kBlocks);
  args.slot_mapping = step["seq_lens"];
  auto append = [&] { kernel.append(args); };
  EXPECT_EQ(errorOf(KVARN_STATUS_INVALID_ARGUMENT, append),
            "slot_mapping: extent 0 (T) is 2, expected 5 as in k");
}

TEST_F(Kernels, Flush) {
  Step step;
  auto args = make<kvarn_flush_args>();
  args.pairs = step["pairs"];
  args.count = step["count"];
  args.pages = step["pages"];
  args.pool_k = step["pool_k"];
  args.pool_v = step["pool_v"];
  Kernel kernel = library.select("flush.1");
  kernel.flush(args);
  EXPECT_EQ(recorded()[1], 7);
  EXPECT_EQ(recorded()[9], kBlocks);
  args.pairs = step["block_table"];
  EXPECT_EQ(errorOf(KVARN_STATUS_INVALID_ARGUMENT, [&] { kernel.flush(args); }),
            "pairs: extent 1 is 6, expected 2");
  EXPECT_KVARN_ERROR(kvarn_attend(kernel.get(), nullptr, nullptr),
                     KVARN_STATUS_INVALID_ARGUMENT,
                     "flush.1 is kernel 'flush', expected 'attend'");
}

TEST_F(Kernels, Pack) {
  Step step;
  auto args = make<kvarn_pack_args>();
  args.k = step["k"];
  args.v = step["v"];
  args.pairs = step["pairs"];
  args.count = step["count"];
  args.pages = step["pages"];
  Kernel kernel = library.select("pack.1");
  kernel.pack(args);
  EXPECT_EQ(recorded()[1], kTokens);
  EXPECT_EQ(recorded()[15], 7);
  EXPECT_EQ(recorded()[23], kBlocks);
  EXPECT_EQ(kernel.workspaceBytes(args), 0u);
  step.add("v", F16, {kTokens, kHeads + 1, kDim});
  args.v = step["v"];
  EXPECT_EQ(errorOf(KVARN_STATUS_INVALID_ARGUMENT, [&] { kernel.pack(args); }),
            "v: extent 1 (Hk) is 3, expected 2 as in k");
  args.v = step["k"];
  step.add("pages", I8, {kBlocks, kHeads, kRecord - 1});
  args.pages = step["pages"];
  EXPECT_EQ(errorOf(KVARN_STATUS_INVALID_ARGUMENT, [&] { kernel.pack(args); }),
            "pages: extent 2 is 7295, but a record has 7296 bytes");
}

TEST_F(Kernels, Unflush) {
  Step step;
  auto args = make<kvarn_unflush_args>();
  args.pairs = step["pairs"];
  args.count = step["count"];
  args.pages = step["pages"];
  args.pool_k = step["pool_k"];
  args.pool_v = step["pool_v"];
  Kernel kernel = library.select("unflush.1");
  kernel.unflush(args);
  EXPECT_EQ(recorded()[1], 7);
  EXPECT_EQ(recorded()[9], kBlocks);
  EXPECT_EQ(recorded()[16], kSlots);
  EXPECT_EQ(kernel.workspaceBytes(args), 0u);
  args.pool_v = nullptr;
  EXPECT_EQ(
      errorOf(KVARN_STATUS_INVALID_ARGUMENT, [&] { kernel.unflush(args); }),
      "pool_v: the tensor is NULL");
}

TEST_F(Kernels, Materialize) {
  Step step;
  auto args = make<kvarn_materialize_args>();
  args.pages = step["pages"];
  args.pool_k = step["pool_k"];
  args.pool_v = step["pool_v"];
  args.block_table = step["block_table"];
  args.block_to_slot = step["block_to_slot"];
  args.seq_lens = step["seq_lens"];
  args.k_out = step["k_out"];
  args.v_out = step["v_out"];
  Kernel kernel = library.select("materialize.1");
  kernel.materialize(args);
  EXPECT_EQ(recorded()[38], 300);
  step.add("v_out", F16, {kBatch, 301, kHeads, kDim});
  args.v_out = step["v_out"];
  EXPECT_EQ(
      errorOf(KVARN_STATUS_INVALID_ARGUMENT, [&] { kernel.materialize(args); }),
      "v_out: extent 1 (L) is 301, expected 300 as in k_out");
}

TEST_F(Kernels, Relayout) {
  Step step;
  // Caches of their own size, with records at their own distance.
  step.add("source_pages", I8, {kBlocks + 1, kHeads, kRecord + 64});
  auto args = make<kvarn_relayout_args>();
  args.pairs = step["pairs"];
  args.count = step["count"];
  args.source_pages = step["source_pages"];
  args.pages = step["pages"];
  Kernel kernel = library.select("relayout.1");
  kernel.relayout(args);
  const int64_t *source = recorded() + 8, *pages = recorded() + 15;
  EXPECT_EQ(recorded()[1], 7);
  EXPECT_EQ(source[1], kBlocks + 1);
  EXPECT_EQ(source[3], kRecord);
  EXPECT_EQ(source[5], kRecord + 64);
  EXPECT_EQ(pages[1], kBlocks);
  EXPECT_EQ(pages[5], kRecord);
  EXPECT_EQ(kernel.workspaceBytes(args), 0u);
  step.add("source_pages", I8, {kBlocks, kHeads, 100});
  args.source_pages = step["source_pages"];
  EXPECT_EQ(
      errorOf(KVARN_STATUS_INVALID_ARGUMENT, [&] { kernel.relayout(args); }),
      "source_pages: extent 2 is 100, but a record has 7296 bytes");
}

TEST_F(Kernels, TheWorkspaceOfEach) {
  auto with = [](Variant variant, Rule rows) {
    variant.buffers = {{"partials", DType::F32, {rows, Rule(64)}}};
    return variant;
  };
  TempLibrary more(
      {with(variant("attend", "record_54", attendParameters(false)),
            Rule::dim("q", 0)),
       with(variant("append", "record_38", appendParameters()),
            Rule::dim("k", 0)),
       with(variant("flush", "record_33", flushParameters()),
            Rule::dim("pairs", 0)),
       with(variant("materialize", "record_54", materializeParameters()),
            Rule::dim("k_out", 1))});
  Library other = more.open();
  Step step;
  EXPECT_EQ(other.select("attend.1").workspaceBytes(attendArgs(step)),
            kTokens * 256u);
  EXPECT_EQ(library.select("attend.1").workspaceBytes(attendArgs(step)), 0u);
  auto append = make<kvarn_append_args>();
  append.k = step["k"];
  append.v = step["v"];
  append.slot_mapping = step["slot_mapping"];
  append.pool_k = step["pool_k"];
  append.pool_v = step["pool_v"];
  append.block_to_slot = step["block_to_slot"];
  EXPECT_EQ(other.select("append.1").workspaceBytes(append), kTokens * 256u);
  auto flush = make<kvarn_flush_args>();
  flush.pairs = step["pairs"];
  flush.count = step["count"];
  flush.pages = step["pages"];
  flush.pool_k = step["pool_k"];
  flush.pool_v = step["pool_v"];
  EXPECT_EQ(other.select("flush.1").workspaceBytes(flush), 7 * 256u);
  auto materialize = make<kvarn_materialize_args>();
  materialize.pages = step["pages"];
  materialize.pool_k = step["pool_k"];
  materialize.pool_v = step["pool_v"];
  materialize.block_table = step["block_table"];
  materialize.block_to_slot = step["block_to_slot"];
  materialize.seq_lens = step["seq_lens"];
  materialize.k_out = step["k_out"];
  materialize.v_out = step["v_out"];
  EXPECT_EQ(other.select("materialize.1").workspaceBytes(materialize),
            300 * 256u);

  // The same checks as a launch, but no data is needed.
  step.tensors.at("q") = Tensor(nullptr, F16, {kTokens, 6, kDim});
  EXPECT_EQ(other.select("attend.1").workspaceBytes(attendArgs(step)),
            kTokens * 256u);
  flush.count = step["pairs"];
  EXPECT_EQ(errorOf(KVARN_STATUS_INVALID_ARGUMENT,
                    [&] { other.select("flush.1").workspaceBytes(flush); }),
            "count: expected rank 1 (1), got 2");
  EXPECT_KVARN_ERROR(kvarn_flush_workspace_bytes(other.select("flush.1").get(),
                                                 &flush, nullptr),
                     KVARN_STATUS_INVALID_ARGUMENT,
                     "count: expected rank 1 (1), got 2");
  flush.count = step["count"];
  EXPECT_KVARN_ERROR(kvarn_flush_workspace_bytes(other.select("flush.1").get(),
                                                 &flush, nullptr),
                     KVARN_STATUS_INVALID_ARGUMENT, "bytes is NULL");
}
