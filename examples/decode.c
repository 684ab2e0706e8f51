/* One request against a KVarN cache, from its prompt to one decoded token:
 * append K and V to the pool, flush complete blocks into 4- and 2-bit pages,
 * attend over both. Compares with exact attention.
 *
 *   kvarn-compile --format=kvarn_k4v2_g128 --head-dim=128 --query-heads=8 \
 *     --kv-heads=2 --dtype=f16 --target=x86_64 -o example.kvlib
 *   decode example.kvlib
 */
#include <kvarn/kvarn.h>

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { D = 128, G = 128, HK = 2, RATIO = 4, HQ = HK * RATIO };
enum { TOKENS = 700, BLOCKS = 8, SLOTS = 8 };

static void check(kvarn_status status) {
  if (status == KVARN_STATUS_OK)
    return;
  fprintf(stderr, "error: %s\n", kvarn_last_error());
  exit(1);
}

static kvarn_tensor tensor(void *data, uint8_t code, uint8_t bits, int ndim,
                           const int64_t *shape) {
  kvarn_tensor t = {0};
  t.data = data;
  t.device.type = KVARN_DEVICE_CPU;
  t.ndim = ndim;
  t.dtype.code = code;
  t.dtype.bits = bits;
  t.dtype.lanes = 1;
  t.shape = shape;
  return t;
}

static void *zeros(size_t bytes) {
  /* Kernels may ask for more than malloc's alignment. */
  void *data = aligned_alloc(64, (bytes + 63) / 64 * 64);
  if (!data)
    exit(1);
  for (size_t i = 0; i < bytes; ++i)
    ((char *)data)[i] = 0;
  return data;
}

/* Sums of uniform numbers: near enough to normal. */
static float random_normal(void) {
  static uint64_t state = 1;
  float sum = 0;
  for (int i = 0; i < 12; ++i) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    sum += (float)(state >> 40) / 16777216.0f;
  }
  return sum - 6;
}

static kvarn_kernel *kernel_of(kvarn_library *library, const char *name,
                               const char *features) {
  kvarn_request request = {0};
  kvarn_kernel *kernel = NULL;
  request.struct_size = sizeof request;
  request.kernel = name;
  request.format = "kvarn_k4v2_g128";
  request.head_dim = D;
  request.dtype = "f16";
  request.features = features;
  check(kvarn_select(library, &request, &kernel));
  return kernel;
}

int main(int argc, char **argv) {
  if (argc != 2) {
    printf("usage: decode LIBRARY.kvlib (KVarN runtime %s)\n", kvarn_version());
    return 0;
  }
  kvarn_library *library = NULL;
  check(kvarn_library_open(argv[1], &library));

  /* The page manager says how large a block is, and who owns which. */
  kvarn_pages_options options = {0};
  options.struct_size = sizeof options;
  options.format = "kvarn_k4v2_g128";
  options.head_dim = D;
  options.kv_heads = HK;
  options.blocks = BLOCKS;
  options.slots = SLOTS;
  options.max_requests = 1;
  options.max_blocks = BLOCKS;
  kvarn_pages_sizes sizes = {0};
  sizes.struct_size = sizeof sizes;
  check(kvarn_pages_measure(&options, 0, &sizes));
  kvarn_pages *pages = NULL;
  check(kvarn_pages_create(&options, &pages));

  /* The cache. */
  int64_t record = sizes.block_bytes / HK;
  int64_t pages_shape[] = {BLOCKS, HK, record},
          pool_shape[] = {SLOTS, G, HK, D};
  int8_t *page_data = zeros(BLOCKS * HK * record);
  _Float16 *pool_data[2];
  for (int i = 0; i < 2; ++i)
    pool_data[i] = zeros(sizeof(_Float16) * SLOTS * G * HK * D);
  kvarn_tensor page_tensor =
      tensor(page_data, KVARN_CODE_INT, 8, 3, pages_shape);
  kvarn_tensor pool_k =
      tensor(pool_data[0], KVARN_CODE_FLOAT, 16, 4, pool_shape);
  kvarn_tensor pool_v =
      tensor(pool_data[1], KVARN_CODE_FLOAT, 16, 4, pool_shape);

  /* The tables stay where they are; they change with every call below. */
  kvarn_pages_tables tables = {0};
  tables.struct_size = sizeof tables;
  check(kvarn_pages_get_tables(pages, &tables));
  int64_t table_shape[] = {1, BLOCKS}, blocks_shape[] = {BLOCKS};
  int64_t one_shape[] = {1}, two_shape[] = {2};
  kvarn_tensor block_table =
      tensor((void *)tables.block_table, KVARN_CODE_INT, 32, 2, table_shape);
  kvarn_tensor block_to_slot =
      tensor((void *)tables.block_to_slot, KVARN_CODE_INT, 32, 1, blocks_shape);
  kvarn_tensor seq_lens =
      tensor((void *)tables.seq_lens, KVARN_CODE_INT, 32, 1, one_shape);

  /* K and V of the prompt and of the token to decode. */
  static _Float16 k[TOKENS * HK * D], v[TOKENS * HK * D], q[HQ * D],
      out[HQ * D];
  for (int i = 0; i < TOKENS * HK * D; ++i) {
    k[i] = (_Float16)random_normal();
    v[i] = (_Float16)random_normal();
  }
  for (int i = 0; i < HQ * D; ++i)
    q[i] = (_Float16)random_normal();

  /* Append: rotated fp16 into the pool. */
  int32_t request = -1;
  static int64_t slot_mapping[TOKENS];
  check(kvarn_pages_begin(pages, &request));
  check(kvarn_pages_append(pages, request, TOKENS, slot_mapping));
  int64_t kv_shape[] = {TOKENS, HK, D}, tokens_shape[] = {TOKENS};
  kvarn_tensor k_tensor = tensor(k, KVARN_CODE_FLOAT, 16, 3, kv_shape);
  kvarn_tensor v_tensor = tensor(v, KVARN_CODE_FLOAT, 16, 3, kv_shape);
  kvarn_tensor mapping =
      tensor(slot_mapping, KVARN_CODE_INT, 64, 1, tokens_shape);
  kvarn_append_args append = {0};
  append.struct_size = sizeof append;
  append.k = &k_tensor;
  append.v = &v_tensor;
  append.slot_mapping = &mapping;
  append.pool_k = &pool_k;
  append.pool_v = &pool_v;
  append.block_to_slot = &block_to_slot;
  check(kvarn_append(kernel_of(library, "append", NULL), &append, NULL));

  /* Flush: complete blocks become records, all but the first. */
  check(kvarn_pages_commit(pages, request, TOKENS));
  int32_t pairs[2 * BLOCKS] = {0};
  size_t taken = 0;
  check(kvarn_pages_take_flushes(pages, pairs, BLOCKS, &taken));
  int32_t count = (int32_t)taken;
  int64_t pairs_shape[] = {BLOCKS, 2};
  kvarn_tensor pairs_tensor = tensor(pairs, KVARN_CODE_INT, 32, 2, pairs_shape);
  kvarn_tensor count_tensor = tensor(&count, KVARN_CODE_INT, 32, 1, one_shape);
  kvarn_flush_args flush = {0};
  flush.struct_size = sizeof flush;
  flush.pairs = &pairs_tensor;
  flush.count = &count_tensor;
  flush.pages = &page_tensor;
  flush.pool_k = &pool_k;
  flush.pool_v = &pool_v;
  check(kvarn_flush(kernel_of(library, "flush", NULL), &flush, NULL));
  check(kvarn_pages_flushed(pages));

  /* Attend: the last token looks at all of them. */
  int32_t query_start[] = {0, 1};
  int64_t q_shape[] = {1, HQ, D};
  kvarn_tensor q_tensor = tensor(q, KVARN_CODE_FLOAT, 16, 3, q_shape);
  kvarn_tensor out_tensor = tensor(out, KVARN_CODE_FLOAT, 16, 3, q_shape);
  kvarn_tensor start = tensor(query_start, KVARN_CODE_INT, 32, 1, two_shape);
  kvarn_attend_args attend = {0};
  attend.struct_size = sizeof attend;
  attend.q = &q_tensor;
  attend.query_start = &start;
  attend.pages = &page_tensor;
  attend.pool_k = &pool_k;
  attend.pool_v = &pool_v;
  attend.block_table = &block_table;
  attend.block_to_slot = &block_to_slot;
  attend.seq_lens = &seq_lens;
  attend.out = &out_tensor;
  check(kvarn_attend(kernel_of(library, "attend", "causal"), &attend, NULL));

  /* The same from the K and V that were never quantized. */
  double error = 0, norm = 0;
  for (int h = 0; h < HQ; ++h) {
    double weights[TOKENS], total = 0, exact[D] = {0};
    for (int t = 0; t < TOKENS; ++t) {
      double score = 0;
      for (int d = 0; d < D; ++d)
        score += (double)q[h * D + d] * (double)k[(t * HK + h / RATIO) * D + d];
      total += weights[t] = exp(score / sqrt(D));
    }
    for (int t = 0; t < TOKENS; ++t)
      for (int d = 0; d < D; ++d)
        exact[d] +=
            weights[t] / total * (double)v[(t * HK + h / RATIO) * D + d];
    for (int d = 0; d < D; ++d) {
      double difference = (double)out[h * D + d] - exact[d];
      error += difference * difference;
      norm += exact[d] * exact[d];
    }
  }
  printf("%d tokens, %d blocks packed, %.0f bytes per token and head, relative "
         "error %.3f\n",
         TOKENS, count, sizes.bytes_per_token / HK, sqrt(error / norm));

  kvarn_pages_destroy(pages);
  kvarn_library_close(library);
  /* 2-bit values of pure noise: a large error, but a bounded one. */
  return sqrt(error / norm) < 0.6 ? 0 : 1;
}
