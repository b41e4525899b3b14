// matmul_silu_mul: gate, up and the gated activation of the SwiGLU feed-forward.        Shazeer 2020, arXiv:2002.05202
//   gate_up = x · Wᵀ    y = silu(gate)·up
// Shapes   x (T, C) · W a weight (2F, C): gate, then up · gate_up (T, 2F) scratch · y (T, F)
// Types    x, y f32|bf16, W f32|bf16|f8e4m3|int8|int4
// Needs    as matmul
// Mapping  matmul/few_rows.h and matmul/mid_rows.h, for the products that matmul computes with them. A block then
//          computes the same features of gate and of up and keeps both in f32. Else matmul, then silu_mul
// Bound    few rows: memory, the bytes of W; many: 4·T·F·C flops
// Oracle   native/ops/matmul_silu_mul.cc
// Test     MatmulSiluMulParityTest
#include "blas_lt.h"
#include "few_rows.h"
#include "mid_rows.h"

extern "C" ingrain_status ingrain_matmul_silu_mul_forward(ingrain_context* ctx, void* y, void* gate_up, const void* x,
                                                          const ingrain_weight* w, int32_t dtype, int64_t T) {
  if (w->rows % 2 != 0)
    return refuse(ctx, INGRAIN_INVALID_ARGUMENT,
                  "matmul_silu_mul: a weight of %ld rows: expected an even number, half for gate and half for up",
                  static_cast<long>(w->rows));
  if (ingrain_status status = check_product(ctx, w, dtype, dtype)) return status;
  if (T == 0 || w->rows == 0) return INGRAIN_OK;
  if (!ingrain::deterministic(ctx) && few_rows::fits(w, x, dtype, T))
    return few_rows::run<true>(ctx, y, x, w, dtype, T, 0, false);
  if (!ingrain::deterministic(ctx) && mid_rows::fits(ctx, w, x, dtype, T, false))
    return mid_rows::run<true>(ctx, y, x, w, dtype, T, 0, false);
  if (ingrain_status status = ingrain_matmul_forward(ctx, gate_up, x, w, dtype, dtype, T, 0)) return status;
  return ingrain_silu_mul_forward(ctx, y, gate_up, dtype, T, w->rows / 2);
}
INGRAIN_EXPORT_OP(matmul_silu_mul_forward)
