// norm_matmul: RMSNorm, and the product that reads its result: qkv, or gate, up and the gated activation.
//   x = rms_norm_forward(h)    y = matmul_forward(x) or matmul_silu_mul_forward(x)
// Shapes   h (T, C) · norm (C) · W a weight (N, C) · x (T, C) scratch · y (T, N), or (T, N / 2) if gated
// Types    h, x, y f32|bf16, W f32|bf16|int8|int4
// Needs    as rms_norm, matmul and matmul_silu_mul   Mapping  runs two ops, one after the other
// Bound    few rows: memory, the bytes of W; many: 2·T·N·C flops
// Oracle   native/ops/rms_norm.cc, native/ops/matmul.cc, native/ops/matmul_silu_mul.cc
// Test     NormMatmulParityTest
#include "op.h"

namespace ingrain::INGRAIN_ISA {
ingrain_status rms_norm_forward(ingrain_context* ctx, void* y, float* rstd, const void* x, const void* w,
                                int32_t dtype, int64_t T, int64_t D, float eps);
ingrain_status matmul_forward(ingrain_context* ctx, void* y, const void* x, const ingrain_weight* w, int32_t dtype,
                              int32_t y_dtype, int64_t T, float beta);
ingrain_status matmul_silu_mul_forward(ingrain_context* ctx, void* y, void* gate_up, const void* x,
                                       const ingrain_weight* w, int32_t dtype, int64_t T);
}  // namespace ingrain::INGRAIN_ISA

INGRAIN_OP(norm_matmul_forward,
           (ingrain_context * ctx, void* y, void* x, const void* h, const void* norm, const ingrain_weight* w,
            int32_t dtype, int64_t T, float eps),
           (ctx, y, x, h, norm, w, dtype, T, eps)) {
  if (const ingrain_status bad = rms_norm_forward(ctx, x, nullptr, h, norm, dtype, T, w->columns, eps)) return bad;
  return matmul_forward(ctx, y, x, w, dtype, dtype, T, 0.0f);
}

INGRAIN_OP(norm_matmul_silu_mul_forward,
           (ingrain_context * ctx, void* y, void* gate_up, void* x, const void* h, const void* norm,
            const ingrain_weight* w, int32_t dtype, int64_t T, float eps),
           (ctx, y, gate_up, x, h, norm, w, dtype, T, eps)) {
  if (const ingrain_status bad = rms_norm_forward(ctx, x, nullptr, h, norm, dtype, T, w->columns, eps)) return bad;
  return matmul_silu_mul_forward(ctx, y, gate_up, x, w, dtype, T);
}
