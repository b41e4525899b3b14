// matmul_backward: the gradients of y = x · Wᵀ with respect to its input and its weight.
//   dx = beta·dx + dy · W    dw += dyᵀ · x
// Shapes   dx, x (T, C) · dy (T, N) · W a weight (N, C), row-major · dw (N, C) f32
// Types    dx, dy, x f32|bf16, W f32|bf16|f8e4m3|int8|int4, sums f32
// Needs    scratch: ingrain_matmul_workspace_bytes with `backward` for fp8, int8 and int4 weights
// Mapping  dy bf16: cuBLASLt (fp8 weights: each call transposes them, matmul/quantized.h; int8 and int4 weights: each
//          call expands them, matmul/expanded.h); f32 and rows of odd sizes: matmul/matmul_plain.cu
// Bound    2·T·N·C flops each   Oracle native/ops/matmul_backward.cc   Test MatmulParityTest
#include "expanded.h"
#include "quantized.h"

extern "C" ingrain_status ingrain_matmul_backward(ingrain_context* ctx, void* dx, const void* dy,
                                                  const ingrain_weight* w, int32_t dtype, int32_t dx_dtype, int64_t T,
                                                  float beta) {
  if (ingrain_status status = check_product(ctx, w, dtype, dx_dtype)) return status;
  if (T == 0) return INGRAIN_OK;
  const Product p{.d = dx,
                  .d_dtype = dx_dtype,
                  .a = dy,
                  .a_dtype = dtype,
                  .a_transposed = false,
                  .lda = w->rows,
                  .b = w->data,
                  .b_dtype = w->dtype,
                  .b_transposed = false,
                  .ldb = w->columns,
                  .M = T,
                  .N = w->columns,
                  .K = w->rows,
                  .beta = beta,
                  .k_scales = w->scales};
  if (quantized_dtype(w->dtype)) return expanded::multiply(ctx, p, groups_of(w));
  return multiply(ctx, p);
}
INGRAIN_EXPORT_OP(matmul_backward)

extern "C" ingrain_status ingrain_matmul_weight_backward(ingrain_context* ctx, float* dw, const void* dy, const void* x,
                                                         int32_t dtype, int64_t T, int64_t N, int64_t C) {
  if (T == 0 || N == 0 || C == 0) return INGRAIN_OK;
  const Product p{.d = dw,
                  .d_dtype = INGRAIN_F32,
                  .a = dy,
                  .a_dtype = dtype,
                  .a_transposed = true,
                  .lda = N,
                  .b = x,
                  .b_dtype = dtype,
                  .b_transposed = false,
                  .ldb = C,
                  .M = N,
                  .N = C,
                  .K = T,
                  .beta = 1};
  return multiply(ctx, p);
}
INGRAIN_EXPORT_OP(matmul_weight_backward)
