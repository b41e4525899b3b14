// add_bias: adds a bias, one element per column, to every row in place.
//   y_tn += b_n    db_n += Σ_t dy_tn
// Shapes   y, dy (T, N) · b, db (N), row-major      Types  f32|bf16, db f32, sums f32
// Needs    nothing (16-byte accesses if N and the pointers allow); scratch for db: see common/column_sums.h
// Mapping  one thread per 16 bytes; db: common/column_sums.h
// Bound    memory: 2·T·N elements forward, T·N backward
// Oracle   native/ops/add_bias.cc                    Test  AddBiasParityTest
#include "column_sums.h"
#include "dtype.h"

namespace {

constexpr int threads = 256;

template <class E, int N> __global__ void add(E* y, const E* b, int64_t vectors, int64_t columns) {
  const int64_t i = (static_cast<int64_t>(blockIdx.x) * threads + threadIdx.x) * N;
  if (i >= vectors * N) return;
  Vec<E, N> row = load<N>(y + i);
  const Vec<E, N> bias = load<N>(b + i % columns);
#pragma unroll
  for (int j = 0; j < N; ++j) row.v[j] = from_float<E>(to_float(row.v[j]) + to_float(bias.v[j]));
  store(y + i, row);
}

template <class E> struct BiasTerm {
  const E* dy;
  int64_t columns;
  template <int N> __device__ __forceinline__ void add(float (&sum)[N], int64_t t, int64_t n) const {
    const Vec<E, N> row = load<N>(dy + t * columns + n);
#pragma unroll
    for (int j = 0; j < N; ++j) sum[j] += to_float(row.v[j]);
  }
};

}  // namespace

extern "C" ingrain_status ingrain_add_bias_forward(ingrain_context* ctx, void* y, const void* b, int32_t dtype,
                                                   int64_t T, int64_t N) {
  return with_dtype(ctx, dtype, [&]<class E>() {
    return with_width<E>(
        N,
        [&]<int width>() {
          return launch(add<E, width>, blocks_for(T * N / width, threads), threads, 0, ctx, static_cast<E*>(y),
                        static_cast<const E*>(b), T * N / width, N);
        },
        y, b);
  });
}
INGRAIN_EXPORT_OP(add_bias_forward)

extern "C" ingrain_status ingrain_add_bias_backward(ingrain_context* ctx, float* db, const void* dy, int32_t dtype,
                                                    int64_t T, int64_t N) {
  return with_dtype(ctx, dtype, [&]<class E>() {
    return with_width<E>(
        N,
        [&]<int width>() {
          return column_sums::run<width>(ctx, "add_bias_backward", db, BiasTerm<E>{static_cast<const E*>(dy), N}, T, N);
        },
        dy);
  });
}
INGRAIN_EXPORT_OP(add_bias_backward)
