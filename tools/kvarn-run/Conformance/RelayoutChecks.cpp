//===- RelayoutChecks.cpp - Records in both orders of codes ---------------===//

#include "tools/kvarn-run/Conformance/Checks.h"
#include "tools/kvarn-run/Conformance/Relayout.h"

#include <algorithm>

namespace kvarn::run {

namespace {

// Behind records and in blocks that nobody names.
constexpr uint8_t kSourceByte = 0x3c, kTargetByte = 0xa5;

/// Records in pages. Block 0 is not copied, and blocks are written in the
/// opposite order to that in which they are read.
class Copies {
public:
  explicit Copies(const HostTensor &records, const Format &format)
      : records(records), count(records.extent(0)),
        kvHeads(count % 2 == 0 ? 2 : 1), blocks(count / kvHeads),
        stride(records.extent(1)), bytes(format.recordBytes()) {}

  /// Pages with `stride + extra` bytes per record and nothing in them.
  HostTensor emptyPages(uint8_t byte, int64_t extra) const {
    HostTensor pages(DType::U8, {blocks + 1, kvHeads, stride + extra});
    pages.fill(byte);
    return pages;
  }
  /// Record i at the i-th place from the front or from the end.
  void put(HostTensor &pages, bool reversed) const {
    int64_t width = pages.extent(2);
    for (int64_t i = 0; i < count; ++i) {
      int64_t block = i / kvHeads;
      block = reversed ? blocks - block : block + 1;
      std::copy_n(records.bytes().begin() + i * stride, bytes,
                  pages.bytes().begin() +
                      (block * kvHeads + i % kvHeads) * width);
    }
  }
  /// (block read, block written); one more than the count of `size`.
  HostTensor pairs(bool reversed) const {
    HostTensor result(DType::I32, {blocks + 1, 2});
    auto at = result.as<int32_t>();
    for (int64_t i = 0; i <= blocks; ++i) {
      at[2 * i] = static_cast<int32_t>((i + 1) % (blocks + 1));
      at[2 * i + 1] = reversed ? static_cast<int32_t>(blocks - i) : at[2 * i];
    }
    return result;
  }
  HostTensor size() const {
    HostTensor result(DType::I32, {1});
    result.as<int32_t>()[0] = static_cast<int32_t>(blocks);
    return result;
  }

private:
  const HostTensor &records;
  int64_t count, kvHeads, blocks, stride, bytes;
};

} // namespace

void checkRelayout(const Context &context, const std::string &name,
                   const Kernel &kernel, const HostTensor &records,
                   const Format &format, Layout from, Layout to) {
  Copies copies(records, format);
  HostTensor converted = records.clone();
  relayout(converted.bytes(), records.extent(1), format, from, to);
  constexpr int64_t kExtra = 64; // bytes between records
  HostTensor source = copies.emptyPages(kSourceByte, 0);
  copies.put(source, false);
  HostTensor want = copies.emptyPages(kTargetByte, kExtra);
  Copies(converted, format).put(want, true);
  auto run = [&](const Running &running, HostTensor *read, HostTensor &written,
                 bool reversed) {
    HostTensor pairs = copies.pairs(reversed), count = copies.size();
    Launch launch(running, kernel);
    kvarn_relayout_args args = {};
    args.struct_size = sizeof args;
    args.pairs = launch.read(pairs);
    args.count = launch.read(count);
    args.pages = launch.write(written);
    args.source_pages = read ? launch.read(read) : args.pages;
    launch.run(args);
  };
  std::vector<HostTensor> got =
      runRepeatedly(context, name, kernel, [&](const Running &running) {
        std::vector<HostTensor> pages;
        pages.push_back(copies.emptyPages(kTargetByte, kExtra));
        run(running, &source, pages[0], true);
        return pages;
      });
  context.add(name, sameBytes(got[0], want), kernel);
  // Over what was read.
  HostTensor wantInPlace = copies.emptyPages(kSourceByte, 0);
  Copies(converted, format).put(wantInPlace, false);
  run(context.running, nullptr, source, false);
  context.add(name + " in place", sameBytes(source, wantInPlace), kernel);
}

void checkRelayouts(const Context &context, const RelayoutKernels &kernels,
                    const HostTensor &records, const Format &format) {
  checkRelayout(context, "relayout", kernels.there, records, format,
                Layout::Reference, Layout::Mma16816);
  HostTensor converted = records.clone();
  relayout(converted.bytes(), records.extent(1), format, Layout::Reference,
           Layout::Mma16816);
  checkRelayout(context, "return", kernels.back, converted, format,
                Layout::Mma16816, Layout::Reference);
}

} // namespace kvarn::run
