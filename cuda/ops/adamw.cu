#pragma GCC diagnostic ignored "-Wunused-parameter"
#include "ingrain.h"
extern "C" ingrain_status ingrain_gradient_norm(ingrain_context* ctx, float* norm, const float* x, int64_t n) { return INGRAIN_UNSUPPORTED; }
INGRAIN_EXPORT_OP(gradient_norm)
extern "C" ingrain_status ingrain_gradient_clip(ingrain_context* ctx, float* x, const float* norm, int64_t n, float max_norm) { return INGRAIN_UNSUPPORTED; }
INGRAIN_EXPORT_OP(gradient_clip)
extern "C" ingrain_status ingrain_adamw(ingrain_context* ctx, float* p, float* m, float* v, const float* g, int64_t n, int64_t step, float lr,
                                         float beta1, float beta2, float eps, float weight_decay) { return INGRAIN_UNSUPPORTED; }
INGRAIN_EXPORT_OP(adamw)
