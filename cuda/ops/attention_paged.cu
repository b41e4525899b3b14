#pragma GCC diagnostic ignored "-Wunused-parameter"
#include "ingrain.h"
extern "C" ingrain_status ingrain_attention_paged_forward(ingrain_context* ctx, void* y, const void* qkv, const void* cache,
                                                           const ingrain_batch* batch, int32_t dtype, int32_t cache_dtype, int64_t H,
                                                           int64_t K, int64_t E, float scale) { return INGRAIN_UNSUPPORTED; }
INGRAIN_EXPORT_OP(attention_paged_forward)
