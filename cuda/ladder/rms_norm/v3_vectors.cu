// rms_norm, rung 3: each access has 16 bytes, the row stays in registers until it is scaled, and shuffles add up the
// threads' sums. So there is one barrier per row and x is read once. One optimisation of the built-in op is missing:
// this kernel loads w from L2 again for each row, while the built-in op keeps w in registers.
#include "dtype.h"
#include "reduce.h"

namespace {

constexpr int kept = 2;  // vectors of the row that a thread keeps in registers
constexpr int max_threads = 512;

template <class E, int N>
__global__ void __launch_bounds__(max_threads)
    forward(E* y, float* rstd, const E* x, const E* w, int64_t D, float eps) {
  __shared__ float scratch[32];
  const int64_t row = blockIdx.x * D, first = static_cast<int64_t>(threadIdx.x) * N,
                step = static_cast<int64_t>(blockDim.x) * N;
  Vec<E, N> v[kept];
  float squares = 0;
#pragma unroll
  for (int k = 0; k < kept; ++k)
    if (first + k * step < D) v[k] = load<N>(x + row + first + k * step);
#pragma unroll
  for (int k = 0; k < kept; ++k)
    if (first + k * step < D)
#pragma unroll
      for (int j = 0; j < N; ++j) squares += to_float(v[k].v[j]) * to_float(v[k].v[j]);
  for (int64_t d = first + kept * step; d < D; d += step) {
    const Vec<E, N> more = load<N>(x + row + d);
#pragma unroll
    for (int j = 0; j < N; ++j) squares += to_float(more.v[j]) * to_float(more.v[j]);
  }
  const float r = rsqrtf(block_reduce<Sum>(squares, scratch) / static_cast<float>(D) + eps);
  if (rstd && threadIdx.x == 0) rstd[blockIdx.x] = r;
  const auto write = [&](int64_t d, Vec<E, N> out) {
    const Vec<E, N> weight = load<N>(w + d);
#pragma unroll
    for (int j = 0; j < N; ++j) out.v[j] = from_float<E>(to_float(out.v[j]) * r * to_float(weight.v[j]));
    store(y + row + d, out);
  };
#pragma unroll
  for (int k = 0; k < kept; ++k)
    if (first + k * step < D) write(first + k * step, v[k]);
  for (int64_t d = first + kept * step; d < D; d += step) write(d, load<N>(x + row + d));
}

unsigned threads_for(int64_t vectors) {
  const int64_t wanted = (vectors + kept * 32 - 1) / (kept * 32) * 32;
  return static_cast<unsigned>(wanted < max_threads ? wanted : max_threads);
}

}  // namespace

extern "C" INGRAIN_API ingrain_status ingrain_rms_norm_forward(ingrain_context* ctx, void* y, float* rstd,
                                                               const void* x, const void* w, int32_t dtype, int64_t T,
                                                               int64_t D, float eps) {
  return with_dtype(ctx, dtype, [&]<class E>() {
    return with_width<E>(
        D,
        [&]<int N>() {
          return launch(forward<E, N>, static_cast<unsigned>(T), threads_for((D + N - 1) / N), 0, ctx,
                        static_cast<E*>(y), rstd, static_cast<const E*>(x), static_cast<const E*>(w), D, eps);
        },
        y, x, w);
  });
}
INGRAIN_EXPORT_OP(rms_norm_forward)
