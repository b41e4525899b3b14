// gather_rows: gathers rows, for example the positions whose logits are needed.
//   y[m] = x[rows[m]]    dx = 0, then dx[rows[m]] += dy[m], m ascending
// Shapes   y, dy (M, D) · x, dx (T, D) · rows (M)                  Types  f32|bf16; a sum is rounded at every addition
// Needs    0 <= rows < T (unchecked: rows are in device memory), scratch 0
// Mapping  one block per span of a row of y (forward) or of dx (backward: the block finds its row's entries in `rows`)
// Bound    memory: 2·M·D elements forward, (M + T)·D backward
// Oracle   native/ops/gather_rows.cc
// Test     GatherRowsParityTest
#include "dtype.h"
#include "matches.h"

namespace {

constexpr int threads = match_threads;

template <class E, int N> __global__ void forward(E* y, const E* x, const int32_t* rows, int64_t D) {
  const int64_t m = blockIdx.x, d = (static_cast<int64_t>(blockIdx.y) * threads + threadIdx.x) * N;
  if (d < D) store(y + m * D + d, load<N>(x + rows[m] * D + d));
}

template <class E, int N> __global__ void backward(E* dx, const E* dy, const int32_t* rows, int64_t M, int64_t D) {
  __shared__ unsigned masks[match_words];
  const int64_t t = blockIdx.x, d = (static_cast<int64_t>(blockIdx.y) * threads + threadIdx.x) * N;
  const bool mine = d < D;
  Vec<E, N> sum;
#pragma unroll
  for (int j = 0; j < N; ++j) sum.v[j] = from_float<E>(0);
  each_match(rows, 0, M, static_cast<int32_t>(t), masks, [&](int64_t m) {
    if (!mine) return;
    const Vec<E, N> grad = load<N>(dy + m * D + d);
#pragma unroll
    for (int j = 0; j < N; ++j) sum.v[j] = from_float<E>(to_float(sum.v[j]) + to_float(grad.v[j]));
  });
  if (mine) store(dx + t * D + d, sum);
}

}  // namespace

extern "C" ingrain_status ingrain_gather_rows_forward(ingrain_context* ctx, void* y, const void* x, const int32_t* rows,
                                                      int32_t dtype, int64_t M, int64_t D) {
  return with_dtype(ctx, dtype, [&]<class E>() {
    return with_width<E>(
        D,
        [&]<int N>() {
          return launch(forward<E, N>, dim3(static_cast<unsigned>(M), blocks_for(D, threads * N)), threads, 0, ctx,
                        static_cast<E*>(y), static_cast<const E*>(x), rows, D);
        },
        y, x);
  });
}
INGRAIN_EXPORT_OP(gather_rows_forward)

extern "C" ingrain_status ingrain_gather_rows_backward(ingrain_context* ctx, void* dx, const void* dy,
                                                       const int32_t* rows, int32_t dtype, int64_t M, int64_t T,
                                                       int64_t D) {
  return with_dtype(ctx, dtype, [&]<class E>() {
    return with_width<E>(
        D,
        [&]<int N>() {
          return launch(backward<E, N>, dim3(static_cast<unsigned>(T), blocks_for(D, threads * N)), threads, 0, ctx,
                        static_cast<E*>(dx), static_cast<const E*>(dy), rows, M, D);
        },
        dx, dy);
  });
}
INGRAIN_EXPORT_OP(gather_rows_backward)
