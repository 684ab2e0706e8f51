/*===- kvarn_cache.h - Calls for the kernels of a KVarN cache --------------===
 *
 * Part of kvarn.h, which includes it.
 *
 *===------------------------------------------------------------------------===*/

#ifndef KVARN_CACHE_H
#define KVARN_CACHE_H

#include "kvarn.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Typed forms of kvarn_launch for the kernels of a cache. Besides the checks of
 * kvarn_launch they compare the tensors with each other.
 *
 *   T   tokens of the launch, all requests     B   requests
 *   Hk  KV heads                               Hq  query heads = ratio * Hk
 *   D   head_dim                               G   tokens of a block
 *
 * pages [blocks, Hk, record] i8: the packed cache. record is at least the size
 *   of a record of the format; any strides of at least that are fine.
 * pool_k, pool_v [slots, G, Hk, D] f16: blocks that are not packed, rotated.
 * block_table [B, max_blocks] i32, block_to_slot [blocks] i32 (< 0: packed),
 * seq_lens [B] i32.
 * "dtype" is that of the kernel's key. */

/* Attention of ragged queries over the cache. Request b has the query tokens
 * [query_start[b], query_start[b+1]); seq_lens counts them too.
 *
 * Their keys and values are in the cache, or with the feature "new" (a prompt,
 * or the next part of one) in new_k and new_v, as they left the model: neither
 * rotated nor appended yet. The cache then holds what comes before them, any
 * number of tokens, and block_table needs entries for those alone. */
typedef struct kvarn_attend_args {
  size_t struct_size;
  const kvarn_tensor *q;           /* [T, Hq, D] dtype */
  const kvarn_tensor *query_start; /* [B + 1] i32, first 0, last T */
  const kvarn_tensor *pages;
  const kvarn_tensor *pool_k;
  const kvarn_tensor *pool_v;
  const kvarn_tensor *block_table;
  const kvarn_tensor *block_to_slot;
  const kvarn_tensor *seq_lens;
  float scale;               /* of the scores; 0 = 1 / sqrt(D) */
  int32_t window;            /* feature window: > 0 tokens; else 0 */
  float softcap;             /* feature softcap: > 0; else 0 */
  const kvarn_tensor *sinks; /* feature sinks: [Hq] f32; else NULL */
  const kvarn_tensor *out;   /* [T, Hq, D] dtype, written */
  const kvarn_tensor *lse;   /* feature lse: [T, Hq] f32, written; else NULL */
  const kvarn_tensor *new_k; /* feature new: [T, Hk, D] dtype; else NULL */
  const kvarn_tensor *new_v; /* feature new: [T, Hk, D] dtype; else NULL */
} kvarn_attend_args;

/* Rotates new keys and values and stores them in the pool. */
typedef struct kvarn_append_args {
  size_t struct_size;
  const kvarn_tensor *k;            /* [T, Hk, D] dtype */
  const kvarn_tensor *v;            /* [T, Hk, D] dtype */
  const kvarn_tensor *slot_mapping; /* [T] i64: block * G + offset; < 0: skip */
  const kvarn_tensor *pool_k;       /* written */
  const kvarn_tensor *pool_v;       /* written */
  const kvarn_tensor *block_to_slot;
} kvarn_append_args;

/* Packs blocks of the pool into pages. */
typedef struct kvarn_flush_args {
  size_t struct_size;
  const kvarn_tensor *pairs; /* [capacity, 2] i32: block, slot */
  const kvarn_tensor *count; /* [1] i32: the pairs in use */
  const kvarn_tensor *pages; /* written */
  const kvarn_tensor *pool_k;
  const kvarn_tensor *pool_v;
} kvarn_flush_args;

/* Packs blocks of new tokens straight into pages, as append and flush would
 * with the pool between them: to the same bytes. For long prompts, of whose
 * blocks only the first and the last need a slot. All G tokens of each block
 * are in k and v. */
typedef struct kvarn_pack_args {
  size_t struct_size;
  const kvarn_tensor *k;     /* [T, Hk, D] dtype, not rotated */
  const kvarn_tensor *v;     /* [T, Hk, D] dtype, not rotated */
  const kvarn_tensor *pairs; /* [capacity, 2] i32: block, first of its tokens */
  const kvarn_tensor *count; /* [1] i32: the pairs in use */
  const kvarn_tensor *pages; /* written */
} kvarn_pack_args;

/* Copies packed blocks back to the pool, for kvarn_pages_truncate(): the values
 * that the records stand for, rounded to f16. */
typedef struct kvarn_unflush_args {
  size_t struct_size;
  const kvarn_tensor *pairs; /* [capacity, 2] i32: block, slot */
  const kvarn_tensor *count; /* [1] i32: the pairs in use */
  const kvarn_tensor *pages;
  const kvarn_tensor *pool_k; /* written */
  const kvarn_tensor *pool_v; /* written */
} kvarn_unflush_args;

/* Keys and values of whole requests, rotated back. L is at least the longest of
 * seq_lens. */
typedef struct kvarn_materialize_args {
  size_t struct_size;
  const kvarn_tensor *pages;
  const kvarn_tensor *pool_k;
  const kvarn_tensor *pool_v;
  const kvarn_tensor *block_table;
  const kvarn_tensor *block_to_slot;
  const kvarn_tensor *seq_lens;
  const kvarn_tensor *k_out; /* [B, L, Hk, D] dtype, written */
  const kvarn_tensor *v_out; /* [B, L, Hk, D] dtype, written */
} kvarn_materialize_args;

/* Copies records into pages with the other order of codes: the kernel's layout;
 * its option "source" is the layout that is read. Nothing but records is
 * written. `source_pages` may be `pages` if each pair names one block twice. */
typedef struct kvarn_relayout_args {
  size_t struct_size;
  const kvarn_tensor *pairs; /* [capacity, 2] i32: block read, block written */
  const kvarn_tensor *count; /* [1] i32: the pairs in use */
  const kvarn_tensor *source_pages;
  const kvarn_tensor *pages; /* written */
} kvarn_relayout_args;

KVARN_API kvarn_status kvarn_attend(const kvarn_kernel *kernel,
                                    const kvarn_attend_args *args,
                                    const kvarn_launch_options *options);
KVARN_API kvarn_status kvarn_append(const kvarn_kernel *kernel,
                                    const kvarn_append_args *args,
                                    const kvarn_launch_options *options);
KVARN_API kvarn_status kvarn_flush(const kvarn_kernel *kernel,
                                   const kvarn_flush_args *args,
                                   const kvarn_launch_options *options);
KVARN_API kvarn_status kvarn_pack(const kvarn_kernel *kernel,
                                  const kvarn_pack_args *args,
                                  const kvarn_launch_options *options);
KVARN_API kvarn_status kvarn_unflush(const kvarn_kernel *kernel,
                                     const kvarn_unflush_args *args,
                                     const kvarn_launch_options *options);
KVARN_API kvarn_status kvarn_materialize(const kvarn_kernel *kernel,
                                         const kvarn_materialize_args *args,
                                         const kvarn_launch_options *options);
KVARN_API kvarn_status kvarn_relayout(const kvarn_kernel *kernel,
                                      const kvarn_relayout_args *args,
                                      const kvarn_launch_options *options);

/* The workspace that such a launch needs, see kvarn_workspace_bytes(). */
KVARN_API kvarn_status kvarn_attend_workspace_bytes(
    const kvarn_kernel *kernel, const kvarn_attend_args *args, size_t *bytes);
KVARN_API kvarn_status kvarn_append_workspace_bytes(
    const kvarn_kernel *kernel, const kvarn_append_args *args, size_t *bytes);
KVARN_API kvarn_status kvarn_flush_workspace_bytes(const kvarn_kernel *kernel,
                                                   const kvarn_flush_args *args,
                                                   size_t *bytes);
KVARN_API kvarn_status kvarn_pack_workspace_bytes(const kvarn_kernel *kernel,
                                                  const kvarn_pack_args *args,
                                                  size_t *bytes);
KVARN_API kvarn_status kvarn_unflush_workspace_bytes(
    const kvarn_kernel *kernel, const kvarn_unflush_args *args, size_t *bytes);
KVARN_API kvarn_status kvarn_materialize_workspace_bytes(
    const kvarn_kernel *kernel, const kvarn_materialize_args *args,
    size_t *bytes);
KVARN_API kvarn_status kvarn_relayout_workspace_bytes(
    const kvarn_kernel *kernel, const kvarn_relayout_args *args, size_t *bytes);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* KVARN_CACHE_H */
