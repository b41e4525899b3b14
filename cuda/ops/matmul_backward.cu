#pragma GCC diagnostic ignored "-Wunused-parameter"
#include "ingrain.h"
extern "C" ingrain_status ingrain_matmul_backward(ingrain_context* ctx, void* dx, const void* dy, const ingrain_weight* w, int32_t dtype,
                                                   int32_t dx_dtype, int64_t T, float beta) { return INGRAIN_UNSUPPORTED; }
INGRAIN_EXPORT_OP(matmul_backward)
extern "C" ingrain_status ingrain_matmul_weight_backward(ingrain_context* ctx, float* dw, const void* dy, const void* x, int32_t dtype,
                                                          int64_t T, int64_t N, int64_t C) { return INGRAIN_UNSUPPORTED; }
INGRAIN_EXPORT_OP(matmul_weight_backward)
