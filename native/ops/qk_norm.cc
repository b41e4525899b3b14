// qk_norm: RMSNorm of each query and key head, before rope.                         Qwen3, arXiv:2505.09388, section 2
//   per head   y = x·rstd·w   rstd = (mean x² + eps)^-½   dx = rstd·(w·dy − x̂·mean(w·dy·x̂))   dw += Σ_t,h dy·x̂
//   x̂ = x·rstd; w is q_norm for query heads, k_norm for key heads; values are copied
// Shapes   x, y, dx (T, (H + 2K)·E) · q_norm, k_norm, dq_norm, dk_norm (E) · rstd (T, H + K), row-major
// Types    f32|bf16, sums, rstd and the weights' gradients f32
// Needs    nothing, scratch 0                  Mapping  rows over threads, 16 lanes; dw: columns over threads, t, then
//                                                       h ascending
// Bound    memory: 2·T·(H + 2K)·E elements forward, 3·T·(H + K)·E backward
// Oracle   libtorch rms_norm                   Test     QkNormParityTest
#include "norm.h"

#include <cstring>

namespace ingrain::INGRAIN_ISA {
namespace {

struct HeadShape { int64_t T, H, K, E; };

// Adds dy·x̂, summed over all rows and heads [first, first + count), to dw (E).
template <class X>
void weight_backward(ingrain_context* ctx, float* dw, const X* dy, const X* x, const float* rstd, HeadShape shape,
                     int64_t first, int64_t count) {
  const auto [T, H, K, E] = shape;
  parallel_for(ctx, (E + lanes - 1) / lanes, row_grain(T * count * lanes), [&, T = T, H = H, K = K, E = E](
                                                                               int64_t begin, int64_t end) {
    const int64_t from = begin * lanes, to = end * lanes < E ? end * lanes : E;
    strips(to - from, [&](int64_t i, auto n) {
      vec sum = load(dw + from + i, n);
      for (int64_t t = 0; t < T; ++t)
        for (int64_t h = first; h < first + count; ++h) {
          const int64_t at = (t * (H + 2 * K) + h) * E + from + i;
          sum = fma(load(dy + at, n), load(x + at, n) * splat(rstd[t * (H + K) + h]), sum);
        }
      store(dw + from + i, sum, n);
    });
  });
}

}  // namespace
}  // namespace ingrain::INGRAIN_ISA

INGRAIN_OP(qk_norm_forward,
           (ingrain_context * ctx, void* y, float* rstd, const void* x, const void* q_norm, const void* k_norm,
            int32_t dtype, int64_t T, int64_t H, int64_t K, int64_t E, float eps),
           (ctx, y, rstd, x, q_norm, k_norm, dtype, T, H, K, E, eps)) {
  return with_dtype(ctx, dtype, [&]<class X>() {
    parallel_for(ctx, T, row_grain((H + 2 * K) * E), [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; ++t) {
        const X* in = static_cast<const X*>(x) + t * (H + 2 * K) * E;
        X* out = static_cast<X*>(y) + t * (H + 2 * K) * E;
        for (int64_t h = 0; h < H + K; ++h)
          norm_row(out + h * E, rstd ? rstd + t * (H + K) + h : nullptr, in + h * E,
                   static_cast<const X*>(h < H ? q_norm : k_norm), E, eps);
        if (out != in) std::memcpy(out + (H + K) * E, in + (H + K) * E, static_cast<size_t>(K * E) * sizeof(X));
      }
    });
    return INGRAIN_OK;
  });
}

INGRAIN_OP(qk_norm_backward,
           (ingrain_context * ctx, void* dx, float* dq_norm, float* dk_norm, const void* x, const void* q_norm,
            const void* k_norm, const float* rstd, int32_t dtype, int64_t T, int64_t H, int64_t K, int64_t E),
           (ctx, dx, dq_norm, dk_norm, x, q_norm, k_norm, rstd, dtype, T, H, K, E)) {
  return with_dtype(ctx, dtype, [&]<class X>() {
    const X* in = static_cast<const X*>(x);
    X* grad = static_cast<X*>(dx);
    if (dq_norm) weight_backward<X>(ctx, dq_norm, grad, in, rstd, {T, H, K, E}, 0, H);
    if (dk_norm) weight_backward<X>(ctx, dk_norm, grad, in, rstd, {T, H, K, E}, H, K);
    parallel_for(ctx, T, row_grain((H + K) * E), [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; ++t)
        for (int64_t h = 0; h < H + K; ++h) {
          const int64_t at = (t * (H + 2 * K) + h) * E;
          norm_row_backward<X>(grad + at, grad + at, nullptr, in + at, static_cast<const X*>(h < H ? q_norm : k_norm),
                               rstd[t * (H + K) + h], E);
        }
    });
    return INGRAIN_OK;
  });
}
