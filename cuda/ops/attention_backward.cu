#pragma GCC diagnostic ignored "-Wunused-parameter"
#include "ingrain.h"
extern "C" ingrain_status ingrain_attention_backward(ingrain_context* ctx, void* dqkv, float* delta, const void* dy, const void* qkv,
                                                      const void* y, const float* lse, const int32_t* offsets, int32_t dtype, int64_t S,
                                                      int64_t H, int64_t K, int64_t E, float scale) { return INGRAIN_UNSUPPORTED; }
INGRAIN_EXPORT_OP(attention_backward)
