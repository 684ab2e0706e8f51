/* Kernels in the calling convention of runtime/Backend.h, for tests. */
#include <stdint.h>
#include <string.h>

static float f32(int64_t word) {
  float value;
  memcpy(&value, &word, sizeof(value));
  return value;
}

/* x [n, m] f32, factor f32, y [n, m] f32; one cell per row. Goes through
 * scratch, of at least m floats. */
void scale_row(const int64_t *p, void *scratch, int64_t x, int64_t y,
               int64_t z) {
  const float *in = (const float *)p[0] + x * p[3];
  float factor = f32(p[5]), *row = scratch;
  float *out = (float *)p[6] + x * p[9];
  int64_t i, m = p[2];
  (void)y;
  (void)z;
  for (i = 0; i < m; ++i)
    row[i] = in[i] * factor;
  memcpy(out, row, (size_t)m * sizeof(float));
}

/* x [n, m] f32, buffer [n, m] f32. */
void square_row(const int64_t *p, void *scratch, int64_t x, int64_t y,
                int64_t z) {
  const float *in = (const float *)p[0] + x * p[3];
  float *out = (float *)p[5] + x * p[8];
  int64_t i;
  (void)scratch;
  (void)y;
  (void)z;
  for (i = 0; i < p[2]; ++i)
    out[i] = in[i] * in[i];
}

/* buffer [n, m] f32, sums [n] f32. */
void sum_row(const int64_t *p, void *scratch, int64_t x, int64_t y, int64_t z) {
  const float *in = (const float *)p[0] + x * p[3];
  float sum = 0;
  int64_t i;
  (void)scratch;
  (void)y;
  (void)z;
  for (i = 0; i < p[2]; ++i)
    sum += in[i];
  ((float *)p[5])[x] = sum;
}

/* visits [nx * ny * nz] i64, nx i32, ny i32, nz i64. Adds 1 for each visit,
 * 1000 if the scratch is not aligned. */
void visit(const int64_t *p, void *scratch, int64_t x, int64_t y, int64_t z) {
  int64_t *visits = (int64_t *)p[0];
  visits[x + p[3] * (y + p[4] * z)] += (uintptr_t)scratch % 64 ? 1000 : 1;
}

/* Keeps the first N words of its arguments where a test finds them. */
int64_t recorded[128];
#define RECORD(N)                                                              \
  void record_##N(const int64_t *p, void *scratch, int64_t x, int64_t y,       \
                  int64_t z) {                                                 \
    (void)scratch;                                                             \
    (void)x;                                                                   \
    (void)y;                                                                   \
    (void)z;                                                                   \
    memcpy(recorded, p, N * sizeof(int64_t));                                  \
  }
RECORD(22) /* relayout */
RECORD(29) /* pack */
RECORD(33) /* flush, unflush */
RECORD(38) /* append */
RECORD(54) /* attend */
RECORD(64) /* attend with all features but new */
RECORD(68) /* attend with new tokens */
