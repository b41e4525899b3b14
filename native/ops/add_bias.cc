// add_bias: adds a bias, one element per column, to every row in place.
//   y_tn += b_n    db_n += Σ_t dy_tn
// Shapes   y, dy (T, N) · b, db (N), row-major      Types  f32|bf16, db f32, sums f32
// Needs    nothing, scratch 0                       Mapping  rows over threads, 16 lanes; db: columns over threads,
//                                                            t ascending
// Bound    memory: 2·T·N elements forward, T·N backward          Oracle libtorch  Test AddBiasParityTest
#include "strips.h"

INGRAIN_OP(add_bias_forward, (ingrain_context* ctx, void* y, const void* b, int32_t dtype, int64_t T, int64_t N),
           (ctx, y, b, dtype, T, N)) {
  return with_dtype(ctx, dtype, [&]<class E>() {
    const E* bias = static_cast<const E*>(b);
    parallel_for(ctx, T, row_grain(N), [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; ++t) {
        E* row = static_cast<E*>(y) + t * N;
        strips(N, [&](int64_t i, auto n) { store(row + i, load(row + i, n) + load(bias + i, n), n); });
      }
    });
    return INGRAIN_OK;
  });
}

INGRAIN_OP(add_bias_backward, (ingrain_context* ctx, float* db, const void* dy, int32_t dtype, int64_t T, int64_t N),
           (ctx, db, dy, dtype, T, N)) {
  return with_dtype(ctx, dtype, [&]<class E>() {
    const E* grad = static_cast<const E*>(dy);
    parallel_for(ctx, (N + lanes - 1) / lanes, row_grain(T * lanes), [&](int64_t begin, int64_t end) {
      const int64_t first = begin * lanes, last = end * lanes < N ? end * lanes : N;
      strips(last - first, [&](int64_t i, auto n) {
        vec sum = load(db + first + i, n);
        for (int64_t t = 0; t < T; ++t) sum = sum + load(grad + t * N + first + i, n);
        store(db + first + i, sum, n);
      });
    });
    return INGRAIN_OK;
  });
}
