/*===- kvarn_pages.h - The page manager ------------------------------------===
 *
 * Part of kvarn.h, which includes it.
 *
 *===------------------------------------------------------------------------===*/

#ifndef KVARN_PAGES_H
#define KVARN_PAGES_H

#include "kvarn.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Host-side bookkeeping of a cache: which blocks and pool slots belong to which
 * request. It touches no tensor; one manager serves all layers, which share the
 * numbers of blocks and slots. Optional: a serving system with a scheduler of
 * its own only has to keep the same rules.
 *
 * A request is a row of the block table and has `length` tokens, of which the
 * first `committed` are final. The others are speculative. One step:
 *
 *   kvarn_pages_append          blocks, slots and slot_mapping of new tokens
 *   upload block_table, block_to_slot, seq_lens; run append and attend
 *   kvarn_pages_commit          the tokens that were accepted
 *   kvarn_pages_truncate        drops the others
 *   kvarn_pages_take_flushes    blocks that are complete and committed
 *   run flush with these pairs in every layer, on the same stream (or pack, for
 *     blocks whose tokens are all at hand in k and v)
 *   kvarn_pages_flushed         now block_to_slot says packed, slots are free
 *
 * Guarantees:
 *  - A block or slot has one owner. A slot is not given out again before
 *    kvarn_pages_flushed, a block not before its flush in flight is over.
 *  - A block is handed out for flushing only if all its tokens are committed.
 *    A request's first block is not, unless first_block_packed.
 *  - block_to_slot changes only in calls of this API, and a block that is being
 *    flushed stays readable in the pool until kvarn_pages_flushed.
 *  - A call that fails changes nothing.
 *  - The three arrays never move.
 *
 * Sharing (kvarn_pages_fork) is by whole blocks, complete and committed. They
 * are counted, never written while shared, and freed with their last user. An
 * unfinished block is never shared: there is nothing to copy on write, the new
 * request appends those tokens itself. */
typedef struct kvarn_pages kvarn_pages;

typedef struct kvarn_pages_options {
  size_t struct_size;
  const char *format;         /* required: "kvarn_k4v2_g128" */
  int64_t head_dim;           /* required */
  int64_t kv_heads;           /* required: of this device */
  int64_t layers;             /* 0 = 1; only for the sizes in bytes */
  int64_t record_stride;      /* bytes; 0 = compact */
  int64_t blocks;             /* required: extent 0 of pages */
  int64_t slots;              /* required: extent 0 of pool_k and pool_v */
  int64_t max_requests;       /* required: rows of block_table */
  int64_t max_blocks;         /* required: columns of block_table */
  int32_t first_block_packed; /* 1: first blocks are flushed like the others */
} kvarn_pages_options;

typedef struct kvarn_pages_sizes {
  size_t struct_size;
  int64_t block_tokens;   /* G */
  int64_t block_bytes;    /* records of one block: all heads and layers */
  int64_t slot_bytes;     /* K and V of one slot: all heads and layers */
  double bytes_per_token; /* packed: block_bytes / block_tokens */
  /* With `memory_bytes`, of which the pool takes slots * slot_bytes: */
  int64_t blocks_that_fit;
  int64_t tokens_that_fit;
} kvarn_pages_sizes;

/* Sizes in bytes, before anything is allocated. Uses format, head_dim,
 * kv_heads, layers, record_stride and slots; the other options may be 0.
 * `memory_bytes` is at least 0. */
KVARN_API kvarn_status kvarn_pages_measure(const kvarn_pages_options *options,
                                           int64_t memory_bytes,
                                           kvarn_pages_sizes *sizes);

KVARN_API kvarn_status kvarn_pages_create(const kvarn_pages_options *options,
                                          kvarn_pages **pages);
KVARN_API void kvarn_pages_destroy(kvarn_pages *pages);

/* A new, empty request; *request is its row of the block table.
 *   CAPACITY  all rows are in use */
KVARN_API kvarn_status kvarn_pages_begin(kvarn_pages *pages, int32_t *request);
/* A new request that shares the longest run of whole, committed blocks within
 * the first `tokens` tokens of `parent`. *shared (may be NULL) is its length:
 * a multiple of G, at most `tokens`, possibly 0.
 *   CAPACITY  all rows are in use */
KVARN_API kvarn_status kvarn_pages_fork(kvarn_pages *pages, int32_t parent,
                                        int64_t tokens, int32_t *request,
                                        int64_t *shared);
/* Ends a request and drops its blocks. */
KVARN_API kvarn_status kvarn_pages_end(kvarn_pages *pages, int32_t request);

/* Adds `tokens` speculative tokens. slot_mapping[tokens] (may be NULL) receives
 * block * G + offset of each.
 *   CAPACITY  not enough free blocks, slots or columns; take and finish
 *             flushes, or end a request, and try again */
KVARN_API kvarn_status kvarn_pages_append(kvarn_pages *pages, int32_t request,
                                          int64_t tokens,
                                          int64_t *slot_mapping);
/* Makes the first `tokens` speculative tokens final. */
KVARN_API kvarn_status kvarn_pages_commit(kvarn_pages *pages, int32_t request,
                                          int64_t tokens);

typedef struct kvarn_pages_truncation {
  size_t struct_size;
  int64_t length; /* what is left */
  /* If not -1: before the next launch, run kvarn_unflush with this pair in
   * every layer. block_to_slot already says so. */
  int32_t unflush_block;
  int32_t unflush_slot;
} kvarn_pages_truncation;

/* Keeps the first `length` tokens. Dropping speculative tokens (length >=
 * committed) never needs an un-flush. Below `committed`, the cut may fall into
 * a packed block, which then must return to the pool; its values are those of
 * the record from then on. If it falls into a shared block, the whole block is
 * dropped: truncation.length says what is left, and the caller appends the
 * rest again. `truncation` may be NULL only if length >= committed.
 *   CAPACITY  no free slot for the un-flush */
KVARN_API kvarn_status kvarn_pages_truncate(kvarn_pages *pages, int32_t request,
                                            int64_t length,
                                            kvarn_pages_truncation *truncation);

/* Hands out up to `capacity` pairs (block, slot) to flush, oldest first; *count
 * is their number. Call again for more. pairs[2 * capacity]. */
KVARN_API kvarn_status kvarn_pages_take_flushes(kvarn_pages *pages,
                                                int32_t *pairs, size_t capacity,
                                                size_t *count);
/* All flushes handed out so far are done, or queued on the stream that every
 * later launch uses. */
KVARN_API kvarn_status kvarn_pages_flushed(kvarn_pages *pages);

/* The arrays the kernels want, in host memory; they never move. Columns of
 * block_table behind the end of a request are 0. */
typedef struct kvarn_pages_tables {
  size_t struct_size;
  const int32_t *block_table;   /* [max_requests, max_blocks] */
  const int32_t *seq_lens;      /* [max_requests]: all tokens; 0 = free row */
  const int32_t *block_to_slot; /* [blocks] */
} kvarn_pages_tables;
KVARN_API kvarn_status kvarn_pages_get_tables(const kvarn_pages *pages,
                                              kvarn_pages_tables *tables);
/* Copies the rows of a batch, in its order: block_table[count][max_blocks] and
 * seq_lens[count] (each may be NULL). */
KVARN_API kvarn_status kvarn_pages_gather(const kvarn_pages *pages,
                                          const int32_t *requests, size_t count,
                                          int32_t *block_table,
                                          int32_t *seq_lens);

typedef struct kvarn_pages_request_info {
  size_t struct_size;
  int64_t length;
  int64_t committed;
  int64_t blocks;
  int64_t room; /* tokens that can be appended now */
} kvarn_pages_request_info;
KVARN_API kvarn_status kvarn_pages_request(const kvarn_pages *pages,
                                           int32_t request,
                                           kvarn_pages_request_info *info);

typedef struct kvarn_pages_usage {
  size_t struct_size;
  int64_t free_blocks;
  int64_t free_slots;
  int64_t free_requests;
  int64_t pending_flushes;   /* waiting for kvarn_pages_take_flushes */
  int64_t flushes_in_flight; /* waiting for kvarn_pages_flushed */
  int64_t room; /* tokens a new request could append now, without a flush */
} kvarn_pages_usage;
KVARN_API kvarn_status kvarn_pages_get_usage(const kvarn_pages *pages,
                                             kvarn_pages_usage *usage);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* KVARN_PAGES_H */
