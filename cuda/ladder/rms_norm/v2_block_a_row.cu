// rms_norm, rung 2: a block computes one row. Adjacent threads process adjacent elements, and a tree reduction in
// shared memory adds up the sums of the threads. Loads are coalesced and there are enough threads. Three costs remain:
// a load has only 2 bytes, a row needs nine barriers, and x is read twice.
#include "dtype.h"

namespace {

constexpr int threads = 256;

template <class E> __global__ void forward(E* y, float* rstd, const E* x, const E* w, int64_t D, float eps) {
  __shared__ float sums[threads];
  const int64_t row = blockIdx.x * D;
  float squares = 0;
  for (int64_t d = threadIdx.x; d < D; d += threads) squares += to_float(x[row + d]) * to_float(x[row + d]);
  sums[threadIdx.x] = squares;
  __syncthreads();
  for (unsigned half = threads / 2; half > 0; half /= 2) {
    if (threadIdx.x < half) sums[threadIdx.x] += sums[threadIdx.x + half];
    __syncthreads();
  }
  const float r = 1 / sqrtf(sums[0] / static_cast<float>(D) + eps);
  if (rstd && threadIdx.x == 0) rstd[blockIdx.x] = r;
  for (int64_t d = threadIdx.x; d < D; d += threads)
    y[row + d] = from_float<E>(to_float(x[row + d]) * r * to_float(w[d]));
}

}  // namespace

extern "C" INGRAIN_API ingrain_status ingrain_rms_norm_forward(ingrain_context* ctx, void* y, float* rstd,
                                                               const void* x, const void* w, int32_t dtype, int64_t T,
                                                               int64_t D, float eps) {
  return with_dtype(ctx, dtype, [&]<class E>() {
    return launch(forward<E>, static_cast<unsigned>(T), threads, 0, ctx, static_cast<E*>(y), rstd,
                  static_cast<const E*>(x), static_cast<const E*>(w), D, eps);
  });
}
INGRAIN_EXPORT_OP(rms_norm_forward)
