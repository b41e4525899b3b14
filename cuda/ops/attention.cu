#pragma GCC diagnostic ignored "-Wunused-parameter"
#include "ingrain.h"
extern "C" ingrain_status ingrain_attention_forward(ingrain_context* ctx, void* y, float* lse, const void* qkv, const int32_t* offsets,
                                                     int32_t dtype, int64_t S, int64_t H, int64_t K, int64_t E, float scale) { return INGRAIN_UNSUPPORTED; }
INGRAIN_EXPORT_OP(attention_forward)
