#pragma GCC diagnostic ignored "-Wunused-parameter"
#include "ingrain.h"
extern "C" ingrain_status ingrain_rms_norm_forward(ingrain_context* ctx, void* y, float* rstd, const void* x, const void* w,
                                                    int32_t dtype, int64_t T, int64_t D, float eps) { return INGRAIN_UNSUPPORTED; }
INGRAIN_EXPORT_OP(rms_norm_forward)
extern "C" ingrain_status ingrain_add_rms_norm_forward(ingrain_context* ctx, void* y, void* h, float* rstd, const void* x,
                                                        const void* residual, const void* w, int32_t dtype, int64_t T, int64_t D, float eps) { return INGRAIN_UNSUPPORTED; }
INGRAIN_EXPORT_OP(add_rms_norm_forward)
extern "C" ingrain_status ingrain_rms_norm_backward(ingrain_context* ctx, void* dx, float* dw, const void* dy, const void* dresidual,
                                                     const void* x, const void* w, const float* rstd, int32_t dtype, int64_t T, int64_t D) { return INGRAIN_UNSUPPORTED; }
INGRAIN_EXPORT_OP(rms_norm_backward)
