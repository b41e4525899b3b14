// matmul_silu_mul: gate, up and the gated activation of the SwiGLU feed-forward.        Shazeer 2020, arXiv:2002.05202
//   gate_up = x · Wᵀ    y = silu(gate)·up
// Shapes   x (T, C) · W a weight (2F, C): gate, then up · gate_up (T, 2F) scratch · y (T, F)
// Types    x, gate_up, y f32|bf16, W f32|bf16|int8|int4
// Needs    as matmul and silu_mul   Mapping  runs both ops, one after the other; gate_up stays in the CPU's cache
// Bound    few rows: memory, the bytes of W; many: 4·T·F·C flops
// Oracle   libtorch linear, silu
// Test     MatmulSiluMulParityTest
#include "op.h"

namespace ingrain::INGRAIN_ISA {
ingrain_status matmul_forward(ingrain_context* ctx, void* y, const void* x, const ingrain_weight* w, int32_t dtype,
                              int32_t y_dtype, int64_t T, float beta);
ingrain_status silu_mul_forward(ingrain_context* ctx, void* y, const void* gate_up, int32_t dtype, int64_t T,
                                int64_t F);
}  // namespace ingrain::INGRAIN_ISA

INGRAIN_OP(matmul_silu_mul_forward,
           (ingrain_context * ctx, void* y, void* gate_up, const void* x, const ingrain_weight* w, int32_t dtype,
            int64_t T),
           (ctx, y, gate_up, x, w, dtype, T)) {
  if (w->rows % 2 != 0)
    return ctx->fail(INGRAIN_INVALID_ARGUMENT,
                     "matmul_silu_mul: a weight of %ld rows: expected an even number, half for gate and half for up",
                     static_cast<long>(w->rows));
  if (const ingrain_status status = matmul_forward(ctx, gate_up, x, w, dtype, dtype, T, 0.0f)) return status;
  return silu_mul_forward(ctx, y, gate_up, dtype, T, w->rows / 2);
}
