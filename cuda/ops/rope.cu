#pragma GCC diagnostic ignored "-Wunused-parameter"
#include "ingrain.h"
extern "C" ingrain_status ingrain_rope_forward(ingrain_context* ctx, void* qkv, const float* table, const int32_t* positions, int32_t dtype,
                                                int64_t T, int64_t H, int64_t K, int64_t E) { return INGRAIN_UNSUPPORTED; }
INGRAIN_EXPORT_OP(rope_forward)
extern "C" ingrain_status ingrain_rope_backward(ingrain_context* ctx, void* dqkv, const float* table, const int32_t* positions, int32_t dtype,
                                                 int64_t T, int64_t H, int64_t K, int64_t E) { return INGRAIN_UNSUPPORTED; }
INGRAIN_EXPORT_OP(rope_backward)
