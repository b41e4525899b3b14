// matmul: every linear layer of the model.
//   y = beta·y + x · Wᵀ    partials[k] = x[:, chunk k] · W[:, chunk k]ᵀ
// Shapes   x (T, C) · W a weight (N, C), row-major · y (T, N) · partials (C / chunk, T, N) f32
// Types    x, y f32|bf16, W f32|bf16|f8e4m3|int8|int4, sums f32
// Needs    C % chunk == 0; scratch: ingrain_matmul_workspace_bytes for fp8, int8 and int4 weights
// Mapping  x bf16: up to 16 rows with bf16 and fp8 weights matmul/few_rows.h; 17 to 64 rows with fp8 weights, and up to
//          64 rows with int8 and int4 weights, matmul/mid_rows.h (neither if deterministic); else cuBLASLt (fp8
//          weights: matmul/quantized.h; int8 and int4 weights, and fp8 weights before sm_89: matmul/expanded.h).
//          Products that none of them supports (f32, odd row sizes): matmul/matmul_plain.cu
// Bound    few rows: memory, the bytes of W; many: 2·T·N·C flops   Oracle native/ops/matmul.cc   Test MatmulParityTest
#include "blas_lt.h"
#include "expanded.h"
#include "few_rows.h"
#include "mid_rows.h"
#include "quantized.h"

namespace {

ingrain_status forward(ingrain_context* ctx, void* y, const void* x, const ingrain_weight* w, int32_t dtype,
                       int32_t y_dtype, int64_t T, float beta, bool partial) {
  if (ingrain_status status = check_product(ctx, w, dtype, y_dtype)) return status;
  if (T == 0 || w->rows == 0) return INGRAIN_OK;
  if (!ingrain::deterministic(ctx) && few_rows::fits(w, x, dtype, T))
    return few_rows::run<false>(ctx, y, x, w, y_dtype, T, beta, partial);
  if (!ingrain::deterministic(ctx) && mid_rows::fits(ctx, w, x, dtype, T, partial))
    return mid_rows::run<false>(ctx, y, x, w, y_dtype, T, beta, partial);
  const Product p{.d = y,
                  .d_dtype = y_dtype,
                  .a = x,
                  .a_dtype = dtype,
                  .a_transposed = false,
                  .lda = w->columns,
                  .b = w->data,
                  .b_dtype = w->dtype,
                  .b_transposed = true,
                  .ldb = w->columns,
                  .M = T,
                  .N = w->rows,
                  .K = w->columns,
                  .beta = beta,
                  .chunk = w->chunk,
                  .partial = partial && w->chunk > 0,
                  .b_scales = w->scales,
                  .fast_accumulate = true};
  if (quantized_dtype(w->dtype)) return expanded::multiply(ctx, p, groups_of(w));
  return multiply(ctx, p);
}

}  // namespace

extern "C" ingrain_status ingrain_matmul_forward(ingrain_context* ctx, void* y, const void* x, const ingrain_weight* w,
                                                 int32_t dtype, int32_t y_dtype, int64_t T, float beta) {
  return forward(ctx, y, x, w, dtype, y_dtype, T, beta, false);
}
INGRAIN_EXPORT_OP(matmul_forward)

extern "C" ingrain_status ingrain_matmul_partial_forward(ingrain_context* ctx, float* partials, const void* x,
                                                         const ingrain_weight* w, int32_t dtype, int64_t T) {
  return forward(ctx, partials, x, w, dtype, INGRAIN_F32, T, 0, true);
}
INGRAIN_EXPORT_OP(matmul_partial_forward)

extern "C" int64_t ingrain_matmul_workspace_bytes(int32_t weight_dtype, int64_t rows, int64_t columns, int64_t T,
                                                  int32_t backward) {
  if (quantized_dtype(weight_dtype)) return expanded::scratch_bytes(rows, columns);
  if (weight_dtype != INGRAIN_F8E4M3) return quantized::library_bytes;
  const int64_t slab = expanded::scratch_bytes(rows, columns, expanded::most_fp8_bytes);
  const int64_t forward = max(slab, quantized::scratch_bytes(T, rows, columns, false));
  return backward ? max(forward, quantized::scratch_bytes(T, columns, rows, true)) : forward;
}
