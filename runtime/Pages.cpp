//===- Pages.cpp - The C API of the page manager --------------------------===//

#include "runtime/PageManager.h"
#include "runtime/Status.h"

#include <memory>

using namespace kvarn;
using namespace kvarn::runtime;

struct kvarn_pages {
  PageManager manager;
};

static kvarn_status isNull(const char *what) {
  return fail(KVARN_STATUS_INVALID_ARGUMENT, std::string(what) + " is NULL");
}

/// That `value` is from `low` to `high`.
static kvarn_status checkRange(const char *name, int64_t value, int64_t low,
                               int64_t high) {
  if (value >= low && value <= high)
    return KVARN_STATUS_OK;
  return fail(KVARN_STATUS_INVALID_ARGUMENT,
              std::string("options.") + name + " is " + std::to_string(value) +
                  ", expected " + std::to_string(low) + " to " +
                  std::to_string(high));
}

//===----------------------------------------------------------------------===//
// Options and sizes
//===----------------------------------------------------------------------===//

static kvarn_status parseFormat(const kvarn_pages_options &options,
                                Format &format) {
  std::optional<Format> parsed =
      parseFormatName(options.format ? options.format : "");
  if (!parsed)
    return fail(KVARN_STATUS_INVALID_ARGUMENT,
                "options.format is '" +
                    std::string(options.format ? options.format : "") +
                    "', expected one of " + knownFormatNames());
  parsed->headDim = options.head_dim;
  if (std::string error = describeFormatError(*parsed); !error.empty())
    return fail(KVARN_STATUS_INVALID_ARGUMENT, "options." + error);
  format = *parsed;
  return KVARN_STATUS_OK;
}

kvarn_status runtime::measurePages(const kvarn_pages_options &options,
                                   int64_t memoryBytes,
                                   kvarn_pages_sizes &sizes) {
  Format format;
  KVARN_TRY(parseFormat(options, format));
  // Bounds that keep every product below within 64 bits.
  KVARN_TRY(checkRange("kv_heads", options.kv_heads, 1, 1 << 16));
  KVARN_TRY(checkRange("layers", options.layers, 0, 1 << 16));
  KVARN_TRY(checkRange("slots", options.slots, 0, INT32_MAX));
  int64_t record =
      options.record_stride ? options.record_stride : format.recordBytes();
  KVARN_TRY(checkRange("record_stride", record, format.recordBytes(), 1 << 24));
  int64_t tiles = options.kv_heads * std::max<int64_t>(options.layers, 1);
  sizes = {};
  sizes.block_tokens = format.group;
  bool fits =
      !__builtin_mul_overflow(tiles, record, &sizes.block_bytes) &&
      !__builtin_mul_overflow(tiles, 2 * 2 * format.group * format.headDim,
                              &sizes.slot_bytes);
  int64_t poolBytes = 0;
  if (!fits ||
      __builtin_mul_overflow(options.slots, sizes.slot_bytes, &poolBytes))
    return fail(KVARN_STATUS_INVALID_ARGUMENT,
                "the cache is larger than the address space");
  sizes.bytes_per_token = static_cast<double>(sizes.block_bytes) /
                          static_cast<double>(format.group);
  sizes.blocks_that_fit = std::min<int64_t>(
      std::max<int64_t>(memoryBytes - poolBytes, 0) / sizes.block_bytes,
      INT32_MAX);
  sizes.tokens_that_fit = sizes.blocks_that_fit * format.group;
  return KVARN_STATUS_OK;
}

static kvarn_status createPages(const kvarn_pages_options &options,
                                kvarn_pages **pages) {
  kvarn_pages_sizes sizes;
  KVARN_TRY(measurePages(options, 0, sizes));
  // Lengths are int32.
  int64_t maxColumns = INT32_MAX / sizes.block_tokens;
  KVARN_TRY(checkRange("blocks", options.blocks, 1, INT32_MAX));
  KVARN_TRY(checkRange("slots", options.slots, 1, INT32_MAX));
  KVARN_TRY(checkRange("max_requests", options.max_requests, 1, 1 << 20));
  KVARN_TRY(checkRange("max_blocks", options.max_blocks, 1, maxColumns));
  KVARN_TRY(checkRange("first_block_packed", options.first_block_packed, 0, 1));
  *pages = new kvarn_pages{PageManager(
      {sizes.block_tokens, options.blocks, options.slots, options.max_requests,
       options.max_blocks, options.first_block_packed != 0})};
  return KVARN_STATUS_OK;
}

kvarn_status kvarn_pages_measure(const kvarn_pages_options *options,
                                 int64_t memory_bytes,
                                 kvarn_pages_sizes *sizes) {
  return guarded([&] {
    if (memory_bytes < 0)
      return fail(KVARN_STATUS_INVALID_ARGUMENT,
                  "memory_bytes is " + std::to_string(memory_bytes) +
                      ", expected at least 0");
    kvarn_pages_options copy;
    KVARN_TRY(copyIn(options, copy, "options"));
    kvarn_pages_sizes result;
    KVARN_TRY(measurePages(copy, memory_bytes, result));
    return copyOut(result, sizes, "sizes");
  });
}

kvarn_status kvarn_pages_create(const kvarn_pages_options *options,
                                kvarn_pages **pages) {
  return guarded([&] {
    if (!pages)
      return isNull("pages");
    kvarn_pages_options copy;
    KVARN_TRY(copyIn(options, copy, "options"));
    return createPages(copy, pages);
  });
}

void kvarn_pages_destroy(kvarn_pages *pages) { delete pages; }

//===----------------------------------------------------------------------===//
// Operations
//===----------------------------------------------------------------------===//

kvarn_status kvarn_pages_begin(kvarn_pages *pages, int32_t *request) {
  return guarded([&] {
    if (!pages || !request)
      return isNull(pages ? "request" : "pages");
    return pages->manager.begin(*request);
  });
}

kvarn_status kvarn_pages_fork(kvarn_pages *pages, int32_t parent,
                              int64_t tokens, int32_t *request,
                              int64_t *shared) {
  return guarded([&] {
    if (!pages || !request)
      return isNull(pages ? "request" : "pages");
    int64_t ignored;
    return pages->manager.fork(parent, tokens, *request,
                               shared ? *shared : ignored);
  });
}

kvarn_status kvarn_pages_end(kvarn_pages *pages, int32_t request) {
  return guarded(
      [&] { return pages ? pages->manager.end(request) : isNull("pages"); });
}

kvarn_status kvarn_pages_append(kvarn_pages *pages, int32_t request,
                                int64_t tokens, int64_t *slot_mapping) {
  return guarded([&] {
    return pages ? pages->manager.append(request, tokens, slot_mapping)
                 : isNull("pages");
  });
}

kvarn_status kvarn_pages_commit(kvarn_pages *pages, int32_t request,
                                int64_t tokens) {
  return guarded([&] {
    return pages ? pages->manager.commit(request, tokens) : isNull("pages");
  });
}

kvarn_status kvarn_pages_truncate(kvarn_pages *pages, int32_t request,
                                  int64_t length,
                                  kvarn_pages_truncation *truncation) {
  return guarded([&] {
    if (!pages)
      return isNull("pages");
    if (!truncation)
      return pages->manager.truncate(request, length, nullptr);
    if (truncation->struct_size < sizeof(kvarn_pages_truncation))
      return fail(KVARN_STATUS_INVALID_ARGUMENT,
                  "truncation.struct_size is too small");
    kvarn_pages_truncation result;
    KVARN_TRY(pages->manager.truncate(request, length, &result));
    return copyOut(result, truncation, "truncation");
  });
}

kvarn_status kvarn_pages_take_flushes(kvarn_pages *pages, int32_t *pairs,
                                      size_t capacity, size_t *count) {
  return guarded([&] {
    if (!pages || !count || (!pairs && capacity))
      return isNull(!pages ? "pages" : !count ? "count" : "pairs");
    *count = pages->manager.takeFlushes(pairs, capacity);
    return KVARN_STATUS_OK;
  });
}

kvarn_status kvarn_pages_flushed(kvarn_pages *pages) {
  return guarded([&] {
    if (!pages)
      return isNull("pages");
    pages->manager.flushed();
    return KVARN_STATUS_OK;
  });
}

//===----------------------------------------------------------------------===//
// Queries
//===----------------------------------------------------------------------===//

kvarn_status kvarn_pages_get_tables(const kvarn_pages *pages,
                                    kvarn_pages_tables *tables) {
  return guarded([&] {
    return pages ? copyOut(pages->manager.tables(), tables, "tables")
                 : isNull("pages");
  });
}

kvarn_status kvarn_pages_gather(const kvarn_pages *pages,
                                const int32_t *requests, size_t count,
                                int32_t *block_table, int32_t *seq_lens) {
  return guarded([&] {
    if (!pages || (!requests && count))
      return isNull(pages ? "requests" : "pages");
    return pages->manager.gather(requests, count, block_table, seq_lens);
  });
}

kvarn_status kvarn_pages_request(const kvarn_pages *pages, int32_t request,
                                 kvarn_pages_request_info *info) {
  return guarded([&] {
    if (!pages)
      return isNull("pages");
    kvarn_pages_request_info result;
    KVARN_TRY(pages->manager.describe(request, result));
    return copyOut(result, info, "info");
  });
}

kvarn_status kvarn_pages_get_usage(const kvarn_pages *pages,
                                   kvarn_pages_usage *usage) {
  return guarded([&] {
    return pages ? copyOut(pages->manager.usage(), usage, "usage")
                 : isNull("pages");
  });
}
