#pragma GCC diagnostic ignored "-Wunused-parameter"
#include "ingrain.h"
extern "C" ingrain_status ingrain_kv_cache_write(ingrain_context* ctx, void* cache, const void* qkv, const ingrain_batch* batch,
                                                  int32_t dtype, int32_t cache_dtype, int64_t H, int64_t K, int64_t E) { return INGRAIN_UNSUPPORTED; }
INGRAIN_EXPORT_OP(kv_cache_write)
extern "C" ingrain_status ingrain_kv_cache_copy(ingrain_context* ctx, void* cache, const int32_t* pairs, int64_t n, int64_t block_bytes,
                                                 int64_t layer_bytes, int64_t L) { return INGRAIN_UNSUPPORTED; }
INGRAIN_EXPORT_OP(kv_cache_copy)
extern "C" int64_t ingrain_kv_cache_block_bytes(int32_t cache_dtype, int64_t block_size, int64_t K, int64_t E) { return 0; }
