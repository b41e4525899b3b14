// rms_norm: RMSNorm over the last dimension.                               Zhang & Sennrich 2019, arXiv:1910.07467
//   y = x·rstd·w   rstd = (mean x² + eps)^-½   dx = dresidual + rstd·(w·dy − x̂·mean(w·dy·x̂))   dw += Σ dy·x̂
//   x̂ = x·rstd
// Shapes   x, y, h, residual (T, D) · w (D) · rstd (T), row-major      Types  f32|bf16, sums and rstd f32
// Needs    nothing, scratch 0; h is rounded to its dtype before the norm, so that y is bitwise rms_norm_forward(h)
// Mapping  rows over threads, 16 lanes; dw: columns over threads, t ascending
// Bound    memory: (2·T·D + D) elements forward, 4·T·D backward        Oracle libtorch rms_norm  Test RmsNormParityTest
#include "norm.h"

namespace ingrain::INGRAIN_ISA {
namespace {

// Adds the sum over all rows, in ascending order, to one strip of dw.
template <class E, class N>
void weight_strip_backward(float* dw, const E* dy, const E* x, const float* rstd, int64_t T, int64_t D, int64_t d,
                           N n) {
  vec a = load(dw + d, n);
  for (int64_t t = 0; t < T; ++t) a = fma(load(dy + t * D + d, n), load(x + t * D + d, n) * splat(rstd[t]), a);
  store(dw + d, a, n);
}

}  // namespace
}  // namespace ingrain::INGRAIN_ISA

INGRAIN_OP(rms_norm_forward,
           (ingrain_context * ctx, void* y, float* rstd, const void* x, const void* w, int32_t dtype, int64_t T,
            int64_t D, float eps),
           (ctx, y, rstd, x, w, dtype, T, D, eps)) {
  return with_dtype(ctx, dtype, [&]<class E>() {
    parallel_for(ctx, T, row_grain(D), [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; ++t)
        norm_row(static_cast<E*>(y) + t * D, rstd ? rstd + t : nullptr, static_cast<const E*>(x) + t * D,
                 static_cast<const E*>(w), D, eps);
    });
    return INGRAIN_OK;
  });
}

INGRAIN_OP(add_rms_norm_forward,
           (ingrain_context * ctx, void* y, void* h, float* rstd, const void* x, const void* residual, const void* w,
            int32_t dtype, int64_t T, int64_t D, float eps),
           (ctx, y, h, rstd, x, residual, w, dtype, T, D, eps)) {
  return with_dtype(ctx, dtype, [&]<class E>() {
    parallel_for(ctx, T, row_grain(D), [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; ++t) {
        E* sum = static_cast<E*>(h) + t * D;
        const E* a = static_cast<const E*>(x) + t * D;
        const E* b = static_cast<const E*>(residual) + t * D;
        strips(D, [&](int64_t i, auto n) { store(sum + i, load(a + i, n) + load(b + i, n), n); });
        norm_row(static_cast<E*>(y) + t * D, rstd ? rstd + t : nullptr, sum, static_cast<const E*>(w), D, eps);
      }
    });
    return INGRAIN_OK;
  });
}

INGRAIN_OP(rms_norm_backward,
           (ingrain_context * ctx, void* dx, float* dw, const void* dy, const void* dresidual, const void* x,
            const void* w, const float* rstd, int32_t dtype, int64_t T, int64_t D),
           (ctx, dx, dw, dy, dresidual, x, w, rstd, dtype, T, D)) {
  return with_dtype(ctx, dtype, [&]<class E>() {
    const E* grad = static_cast<const E*>(dy);
    const E* in = static_cast<const E*>(x);
    const E* residual = static_cast<const E*>(dresidual);
    if (dw) {
      parallel_for(ctx, (D + lanes - 1) / lanes, row_grain(T * lanes), [&](int64_t begin, int64_t end) {
        const int64_t first = begin * lanes, last = end * lanes < D ? end * lanes : D;
        strips(last - first, [&](int64_t i, auto n) { weight_strip_backward(dw, grad, in, rstd, T, D, first + i, n); });
      });
    }
    parallel_for(ctx, T, row_grain(D), [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; ++t)
        norm_row_backward(static_cast<E*>(dx) + t * D, grad + t * D, residual ? residual + t * D : nullptr, in + t * D,
                          static_cast<const E*>(w), rstd[t], D);
    });
    return INGRAIN_OK;
  });
}
