// silu_mul: the gated activation of the SwiGLU feed-forward.                      Shazeer 2020, arXiv:2002.05202
//   y = g·σ(g)·u    dg = dy·u·σ(g)·(1 + g·(1 − σ(g)))    du = dy·g·σ(g)
// Shapes   gate_up (T, 2F): gate, then up · y (T, F), row-major      Types  f32|bf16, arithmetic f32
// Needs    nothing, scratch 0                                        Mapping  rows over threads, 16 lanes
// Bound    memory: 3·T·F elements forward, 5·T·F backward            Oracle libtorch silu  Test SiluMulParityTest
#include "strips.h"

namespace ingrain::INGRAIN_ISA {
namespace {
inline vec sigmoid(vec x) { return splat(1.0f) / (splat(1.0f) + exp(splat(0.0f) - x)); }
}  // namespace
}  // namespace ingrain::INGRAIN_ISA

INGRAIN_OP(silu_mul_forward, (ingrain_context* ctx, void* y, const void* gate_up, int32_t dtype, int64_t T, int64_t F),
           (ctx, y, gate_up, dtype, T, F)) {
  return with_dtype(ctx, dtype, [&]<class E>() {
    parallel_for(ctx, T, row_grain(F), [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; ++t) {
        const E* g = static_cast<const E*>(gate_up) + t * 2 * F;
        E* out = static_cast<E*>(y) + t * F;
        strips(F, [&](int64_t f, auto n) {
          const vec a = load(g + f, n);
          store(out + f, a * sigmoid(a) * load(g + F + f, n), n);
        });
      }
    });
    return INGRAIN_OK;
  });
}

INGRAIN_OP(silu_mul_backward,
           (ingrain_context * ctx, void* dgate_up, const void* dy, const void* gate_up, int32_t dtype, int64_t T,
            int64_t F),
           (ctx, dgate_up, dy, gate_up, dtype, T, F)) {
  return with_dtype(ctx, dtype, [&]<class E>() {
    parallel_for(ctx, T, row_grain(F), [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; ++t) {
        const E* g = static_cast<const E*>(gate_up) + t * 2 * F;
        const E* d = static_cast<const E*>(dy) + t * F;
        E* dg = static_cast<E*>(dgate_up) + t * 2 * F;
        strips(F, [&](int64_t f, auto n) {
          const vec a = load(g + f, n), u = load(g + F + f, n), dv = load(d + f, n), s = sigmoid(a);
          store(dg + f, dv * u * s * (splat(1.0f) + a * (splat(1.0f) - s)), n);
          store(dg + F + f, dv * a * s, n);
        });
      }
    });
    return INGRAIN_OK;
  });
}
