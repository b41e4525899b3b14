#pragma GCC diagnostic ignored "-Wunused-parameter"
#include "ingrain.h"
extern "C" ingrain_status ingrain_gather_rows_forward(ingrain_context* ctx, void* y, const void* x, const int32_t* rows, int32_t dtype,
                                                       int64_t M, int64_t D) { return INGRAIN_UNSUPPORTED; }
INGRAIN_EXPORT_OP(gather_rows_forward)
extern "C" ingrain_status ingrain_gather_rows_backward(ingrain_context* ctx, void* dx, const void* dy, const int32_t* rows, int32_t dtype,
                                                        int64_t M, int64_t T, int64_t D) { return INGRAIN_UNSUPPORTED; }
INGRAIN_EXPORT_OP(gather_rows_backward)
