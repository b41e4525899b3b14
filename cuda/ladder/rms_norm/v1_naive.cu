// rms_norm, rung 1: a thread computes one row, one element at a time. The kernel follows the definition and ignores the
// hardware: adjacent threads read elements of different rows, so a warp's load touches 32 cache lines, and there are
// only as many threads as rows.
#include "dtype.h"

namespace {

constexpr int threads = 128;

template <class E> __global__ void forward(E* y, float* rstd, const E* x, const E* w, int64_t T, int64_t D, float eps) {
  const int64_t t = static_cast<int64_t>(blockIdx.x) * threads + threadIdx.x;
  if (t >= T) return;
  float squares = 0;
  for (int64_t d = 0; d < D; ++d) squares += to_float(x[t * D + d]) * to_float(x[t * D + d]);
  const float r = 1 / sqrtf(squares / static_cast<float>(D) + eps);
  if (rstd) rstd[t] = r;
  for (int64_t d = 0; d < D; ++d) y[t * D + d] = from_float<E>(to_float(x[t * D + d]) * r * to_float(w[d]));
}

}  // namespace

extern "C" INGRAIN_API ingrain_status ingrain_rms_norm_forward(ingrain_context* ctx, void* y, float* rstd,
                                                               const void* x, const void* w, int32_t dtype, int64_t T,
                                                               int64_t D, float eps) {
  return with_dtype(ctx, dtype, [&]<class E>() {
    return launch(forward<E>, blocks_for(T, threads), threads, 0, ctx, static_cast<E*>(y), rstd,
                  static_cast<const E*>(x), static_cast<const E*>(w), T, D, eps);
  });
}
INGRAIN_EXPORT_OP(rms_norm_forward)
