// gather_rows: gathers rows, for example the positions whose logits are needed.
//   y[m] = x[rows[m]]    dx = 0, then dx[rows[m]] += dy[m], m ascending
// Shapes   y, dy (M, D) · x, dx (T, D) · rows (M)                  Types  f32|bf16; a sum is rounded at every addition
// Needs    0 <= rows < T (unchecked: rows are in device memory), scratch 0
// Mapping  forward: rows over threads; backward: spans of D over threads, since a row may occur twice
// Bound    memory: 2·M·D elements forward, (2·M + T)·D backward
// Oracle   libtorch index_select
// Test     GatherRowsParityTest
#include "simd.h"

#include <cstring>

INGRAIN_OP(gather_rows_forward,
           (ingrain_context * ctx, void* y, const void* x, const int32_t* rows, int32_t dtype, int64_t M, int64_t D),
           (ctx, y, x, rows, dtype, M, D)) {
  return with_dtype(ctx, dtype, [&]<class E>() {
    parallel_for(ctx, M, 1 + 16384 / (D + 1), [&](int64_t begin, int64_t end) {
      for (int64_t m = begin; m < end; ++m)
        memcpy(static_cast<E*>(y) + m * D, static_cast<const E*>(x) + rows[m] * D, static_cast<size_t>(D) * sizeof(E));
    });
    return INGRAIN_OK;
  });
}

INGRAIN_OP(gather_rows_backward,
           (ingrain_context * ctx, void* dx, const void* dy, const int32_t* rows, int32_t dtype, int64_t M, int64_t T,
            int64_t D),
           (ctx, dx, dy, rows, dtype, M, T, D)) {
  return with_dtype(ctx, dtype, [&]<class E>() {
    parallel_for(ctx, D, 64 + 16384 / (T + 1), [&](int64_t begin, int64_t end) {
      for (int64_t t = 0; t < T; ++t)
        memset(static_cast<E*>(dx) + t * D + begin, 0, static_cast<size_t>(end - begin) * sizeof(E));
      for (int64_t m = 0; m < M; ++m) {
        E* row = static_cast<E*>(dx) + rows[m] * D;
        const E* d = static_cast<const E*>(dy) + m * D;
        int64_t i = begin;
        for (; i + lanes <= end; i += lanes) store(row + i, load(row + i) + load(d + i));
        for (; i < end; ++i) row[i] = from_float<E>(to_float(row[i]) + to_float(d[i]));
      }
    });
    return INGRAIN_OK;
  });
}
