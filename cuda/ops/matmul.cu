#pragma GCC diagnostic ignored "-Wunused-parameter"
#include "ingrain.h"
extern "C" ingrain_status ingrain_matmul_forward(ingrain_context* ctx, void* y, const void* x, const ingrain_weight* w, int32_t dtype,
                                                  int32_t y_dtype, int64_t T, float beta) { return INGRAIN_UNSUPPORTED; }
INGRAIN_EXPORT_OP(matmul_forward)
extern "C" ingrain_status ingrain_matmul_partial_forward(ingrain_context* ctx, float* partials, const void* x, const ingrain_weight* w,
                                                          int32_t dtype, int64_t T) { return INGRAIN_UNSUPPORTED; }
INGRAIN_EXPORT_OP(matmul_partial_forward)
extern "C" int64_t ingrain_matmul_workspace_bytes(int32_t weight_dtype, int64_t rows, int64_t columns, int64_t T, int32_t backward) { return 0; }
