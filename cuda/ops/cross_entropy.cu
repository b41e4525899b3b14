#pragma GCC diagnostic ignored "-Wunused-parameter"
#include "ingrain.h"
extern "C" ingrain_status ingrain_cross_entropy_forward(ingrain_context* ctx, float* loss, float* lse, const float* logits,
                                                         const int32_t* targets, int64_t M, int64_t V) { return INGRAIN_UNSUPPORTED; }
INGRAIN_EXPORT_OP(cross_entropy_forward)
extern "C" ingrain_status ingrain_cross_entropy_backward(ingrain_context* ctx, void* dlogits, const float* logits, const float* lse,
                                                          const int32_t* targets, int32_t dtype, int64_t M, int64_t V, float scale) { return INGRAIN_UNSUPPORTED; }
INGRAIN_EXPORT_OP(cross_entropy_backward)
