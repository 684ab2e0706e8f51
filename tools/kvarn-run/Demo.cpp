//===- Demo.cpp - demo: the way of tokens through a cache -----------------===//
//
// What a serving program does, with the golden tiles as its model: the page
// manager hands out blocks, append rotates the tokens into the pool, flush
// packs complete blocks, attend reads them.
//
//===----------------------------------------------------------------------===//

#include "tools/kvarn-run/Commands.h"
#include "tools/kvarn-run/Conformance/CaseFile.h"
#include "tools/kvarn-run/Text.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <memory>

namespace kvarn::run {

namespace {

struct DemoCommand {
  std::string cases, format;
  std::vector<std::string> libraries;
  int threads = 0;

  int run();
};

/// One request in a cache of its own, for one variant of attend.
class Demo {
public:
  Demo(const Library &library, const kvarn_variant_info &variant,
       const Case &store, const Case &decode, int threads);

  /// A row of the table.
  std::vector<std::string> run();

private:
  Kernel select(const char *kernel) const;
  HostTensor tokens(const HostTensor &tiles) const;
  void createPages();
  void append(const HostTensor &k, const HostTensor &v);
  void flush();
  HostTensor attend(const HostTensor &q, double &seconds);

  const Library &library;
  const kvarn_variant_info &variant;
  const Case &store, &decode;
  int threads;
  Format format;
  int64_t kvHeads, queryHeads, length;

  struct Destroy {
    void operator()(kvarn_pages *pages) const { kvarn_pages_destroy(pages); }
  };
  std::unique_ptr<kvarn_pages, Destroy> manager;
  int32_t request = 0;
  HostTensor pages, poolK, poolV;
};

} // namespace

Demo::Demo(const Library &library, const kvarn_variant_info &variant,
           const Case &store, const Case &decode, int threads)
    : library(library), variant(variant), store(store), decode(decode),
      threads(threads), format(*formatOf(variant)), kvHeads(decode.kvHeads),
      queryHeads(decode.kvHeads * variant.ratio),
      length(store["k"].extent(0) * format.group) {
  createPages();
}

/// A kernel that works with the same cache.
Kernel Demo::select(const char *kernel) const {
  Request request;
  request.kernel = kernel;
  request.format = variant.format;
  request.layout = variant.layout;
  request.headDim = variant.head_dim;
  if (request.kernel != "flush")
    request.dtype = variant.dtype;
  if (request.kernel == "attend") {
    request.ratio = variant.ratio;
    request.features = variant.features;
  }
  return library.select(request);
}

void Demo::createPages() {
  int64_t blocks = length / format.group;
  kvarn_pages_options options = {};
  options.struct_size = sizeof options;
  options.format = variant.format;
  options.head_dim = format.headDim;
  options.kv_heads = kvHeads;
  options.blocks = options.slots = options.max_blocks = blocks;
  options.max_requests = 1;
  // The point is to show packed blocks.
  options.first_block_packed = 1;
  kvarn_pages *created = nullptr;
  check(kvarn_pages_create(&options, &created));
  manager.reset(created);
  check(kvarn_pages_begin(created, &request));
  pages = HostTensor(DType::U8, {blocks, kvHeads, format.recordBytes()});
  poolK =
      HostTensor(DType::F16, {blocks, format.group, kvHeads, format.headDim});
  poolV = poolK.clone();
}

/// The tiles as the tokens of all heads, [T, Hk, D]: each head has the same
/// tiles, starting with another one.
HostTensor Demo::tokens(const HostTensor &tiles) const {
  int64_t count = tiles.extent(0), group = format.group, dim = format.headDim;
  HostTensor result(tiles.dtype(), {length, kvHeads, dim});
  for (int64_t t = 0; t < length; ++t)
    for (int64_t head = 0; head < kvHeads; ++head) {
      int64_t tile = (t / group + head) % count;
      std::copy_n(
          tiles.as<uint16_t>().begin() + (tile * group + t % group) * dim, dim,
          result.as<uint16_t>().begin() + (t * kvHeads + head) * dim);
    }
  return result;
}

void Demo::append(const HostTensor &k, const HostTensor &v) {
  HostTensor mapping(DType::I64, {length});
  check(kvarn_pages_append(manager.get(), request, length,
                           mapping.as<int64_t>().data()));
  kvarn_pages_tables tables = {};
  tables.struct_size = sizeof tables;
  check(kvarn_pages_get_tables(manager.get(), &tables));
  auto blocks = static_cast<size_t>(pages.extent(0));
  HostTensor slots =
      intTensor({pages.extent(0)}, {tables.block_to_slot, blocks});
  kvarn_append_args args = {};
  args.struct_size = sizeof args;
  args.k = k.descriptor();
  args.v = v.descriptor();
  args.slot_mapping = mapping.descriptor();
  args.pool_k = poolK.descriptor();
  args.pool_v = poolV.descriptor();
  args.block_to_slot = slots.descriptor();
  kvarn_launch_options options = launchOptions(threads);
  check(kvarn_append(select("append").get(), &args, &options));
  check(kvarn_pages_commit(manager.get(), request, length));
}

void Demo::flush() {
  HostTensor pairs(DType::I32, {pages.extent(0), 2}), count(DType::I32, {1});
  size_t taken = 0;
  check(kvarn_pages_take_flushes(manager.get(), pairs.as<int32_t>().data(),
                                 static_cast<size_t>(pages.extent(0)), &taken));
  count.as<int32_t>()[0] = static_cast<int32_t>(taken);
  kvarn_flush_args args = {};
  args.struct_size = sizeof args;
  args.pairs = pairs.descriptor();
  args.count = count.descriptor();
  args.pages = pages.descriptor();
  args.pool_k = poolK.descriptor();
  args.pool_v = poolV.descriptor();
  kvarn_launch_options options = launchOptions(threads);
  check(kvarn_flush(select("flush").get(), &args, &options));
  check(kvarn_pages_flushed(manager.get()));
}

/// The median of a few runs is the time.
HostTensor Demo::attend(const HostTensor &q, double &seconds) {
  kvarn_pages_tables tables = {};
  tables.struct_size = sizeof tables;
  check(kvarn_pages_get_tables(manager.get(), &tables));
  auto blocks = static_cast<size_t>(pages.extent(0));
  const std::vector<int32_t> bounds = {0, 1};
  HostTensor table =
      intTensor({1, pages.extent(0)}, {tables.block_table, blocks});
  HostTensor slots =
      intTensor({pages.extent(0)}, {tables.block_to_slot, blocks});
  HostTensor lengths = intTensor({1}, {tables.seq_lens, 1});
  HostTensor start = intTensor({2}, bounds);
  HostTensor out(q.dtype(), q.shape());
  Kernel kernel = select("attend");
  kvarn_attend_args args = {};
  args.struct_size = sizeof args;
  args.q = q.descriptor();
  args.query_start = start.descriptor();
  args.pages = pages.descriptor();
  args.pool_k = poolK.descriptor();
  args.pool_v = poolV.descriptor();
  args.block_table = table.descriptor();
  args.block_to_slot = slots.descriptor();
  args.seq_lens = lengths.descriptor();
  args.out = out.descriptor();
  kvarn_launch_options options = launchOptions(threads);
  std::vector<double> times;
  for (int i = 0; i < 21; ++i) {
    auto begin = std::chrono::steady_clock::now();
    check(kvarn_attend(kernel.get(), &args, &options));
    times.push_back(
        std::chrono::duration<double>(std::chrono::steady_clock::now() - begin)
            .count());
  }
  std::sort(times.begin(), times.end());
  seconds = times[times.size() / 2];
  return out;
}

/// Attention in double over the tokens as they came, neither rotated nor
/// quantized. One query token, which sees all of them.
static std::vector<double> exactAttention(const std::vector<double> &q,
                                          const std::vector<double> &k,
                                          const std::vector<double> &v,
                                          int64_t queryHeads, int64_t kvHeads,
                                          int64_t dim) {
  int64_t length = static_cast<int64_t>(k.size()) / (kvHeads * dim);
  std::vector<double> out(q.size());
  for (int64_t head = 0; head < queryHeads; ++head) {
    int64_t kvHead = head / (queryHeads / kvHeads);
    std::vector<double> scores;
    for (int64_t t = 0; t < length; ++t) {
      double score = 0;
      for (int64_t d = 0; d < dim; ++d)
        score += q[head * dim + d] * k[(t * kvHeads + kvHead) * dim + d];
      scores.push_back(score / std::sqrt(static_cast<double>(dim)));
    }
    double highest = *std::max_element(scores.begin(), scores.end()), sum = 0;
    for (double &score : scores)
      sum += score = std::exp(score - highest);
    for (int64_t t = 0; t < length; ++t)
      for (int64_t d = 0; d < dim; ++d)
        out[head * dim + d] +=
            scores[t] / sum * v[(t * kvHeads + kvHead) * dim + d];
  }
  return out;
}

static double relativeError(const std::vector<double> &got,
                            const std::vector<double> &want) {
  double error = 0, norm = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    error += (got[i] - want[i]) * (got[i] - want[i]);
    norm += want[i] * want[i];
  }
  return std::sqrt(error / norm);
}

std::vector<std::string> Demo::run() {
  HostTensor k = tokens(store["k"]), v = tokens(store["v"]);
  append(k, v);
  flush();
  // The first request's queries, repeated if there are too few heads.
  HostTensor q(k.dtype(), {1, queryHeads, format.headDim});
  auto from = decode["q"].as<uint16_t>();
  for (size_t i = 0; i < q.as<uint16_t>().size(); ++i)
    q.as<uint16_t>()[i] = from[i % from.size()];
  double seconds = 0;
  HostTensor out = attend(q, seconds);
  double error = relativeError(
      toDoubles(out), exactAttention(toDoubles(q), toDoubles(k), toDoubles(v),
                                     queryHeads, kvHeads, format.headDim));
  double half = 2.0 * 2.0 * static_cast<double>(format.headDim);
  return {format.name(),
          std::string(layoutName(format.layout)),
          formatText("%.1f", format.bytesPerToken()),
          formatText("%.2f", half / format.bytesPerToken()),
          formatText("%.4f", error),
          formatText("%.0f", seconds * 1e6)};
}

//===----------------------------------------------------------------------===//
// The command
//===----------------------------------------------------------------------===//

static const Case *findCase(const std::vector<Case> &cases, Case::Kind kind,
                            const Format &format, const std::string &dtype) {
  for (const Case &each : cases) {
    Format wanted = format;
    wanted.layout = each.format.layout;
    const char *tensor = kind == Case::Kind::Store ? "k" : "q";
    if (each.kind == kind && each.format == wanted &&
        npy::dtypeName(each[tensor].dtype()) == dtype)
      return &each;
  }
  return nullptr;
}

/// One row per format and layout: the first plain attend kernel of each.
static void runLibrary(const Library &library, const std::vector<Case> &cases,
                       const DemoCommand &command,
                       std::vector<std::vector<std::string>> &rows) {
  std::vector<std::string> done;
  for (const kvarn_variant_info &variant : library.variants()) {
    std::optional<Format> format = formatOf(variant);
    std::string name = std::string(variant.format) + variant.layout;
    if (!format || std::string(variant.kernel) != "attend" ||
        std::string(variant.features) != "causal" ||
        (!command.format.empty() && command.format != variant.format) ||
        std::find(done.begin(), done.end(), name) != done.end())
      continue;
    const Case *store =
        findCase(cases, Case::Kind::Store, *format, variant.dtype);
    const Case *decode =
        findCase(cases, Case::Kind::Decode, *format, variant.dtype);
    if (!store || !decode)
      continue;
    done.push_back(name);
    Demo demo(library, variant, *store, *decode, command.threads);
    rows.push_back(demo.run());
  }
}

int DemoCommand::run() {
  std::vector<Case> all = readCases(cases);
  std::vector<std::vector<std::string>> rows = {
      {"format", "layout", "bytes/token", "x fp16", "error", "time [us]"}};
  for (const std::string &path : libraries)
    runLibrary(Library(path), all, *this, rows);
  if (rows.size() == 1)
    throw Error(kInput, "no kernel 'attend' with the features 'causal' fits a "
                        "store and a decode case of " +
                            cases);
  std::printf("%s", formatTable(rows).c_str());
  std::printf("bytes/token: of one KV head; fp16 has 2 x 2 bytes x head_dim. "
              "error: relative L2 of\nattention over the packed blocks against "
              "float64 over the keys and values as they came.\n");
  return kDone;
}

void addDemoCommand(CLI::App &app, Action &action) {
  auto command = std::make_shared<DemoCommand>();
  CLI::App &sub = *app.add_subcommand(
      "demo", "Stores golden tiles in pages and attends over them");
  sub.add_option("--library", command->libraries,
                 "Folder of the kernel library; may be repeated")
      ->required()
      ->type_name("DIR")
      ->allow_extra_args(false);
  sub.add_option("--cases", command->cases, "The tiles: a file of golden cases")
      ->required()
      ->type_name("CASES.json");
  sub.add_option("--format", command->format, "Only this format")
      ->type_name("NAME");
  sub.add_option("--threads", command->threads, "Worker threads, 0 = all")
      ->check(CLI::Range(0, 4096))
      ->type_name("N");
  sub.callback([=, &action] { action = [=] { return command->run(); }; });
}

} // namespace kvarn::run
