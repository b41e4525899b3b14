// rope_cache: rotary position embedding of the query and key heads; stores the keys and values in the paged cache.
//   rope_forward, then kv_cache_write
// Shapes   qkv (T, (H + 2K)·E) · table (positions, E) · block: common/kv_cache.h
// Types    qkv f32|bf16, cache f32|bf16
// Needs    as rope and kv_cache_write
// Mapping  runs both ops, one after the other
// Bound    memory: 2·T·(H + K)·E + 4·T·K·E elements
// Oracle   native/ops/rope.cc, native/ops/kv_cache.cc
// Test     RopeCacheParityTest
#include "kv_cache.h"
#include "op.h"

namespace ingrain::INGRAIN_ISA {
ingrain_status rope_forward(ingrain_context* ctx, void* qkv, const float* table, const int32_t* positions,
                            int32_t dtype, int64_t T, int64_t H, int64_t K, int64_t E);
ingrain_status kv_cache_write(ingrain_context* ctx, void* cache, const void* qkv, const ingrain_batch* batch,
                              int32_t dtype, int32_t cache_dtype, int64_t H, int64_t K, int64_t E);
}  // namespace ingrain::INGRAIN_ISA

INGRAIN_OP(rope_cache_forward,
           (ingrain_context * ctx, void* qkv, void* cache, const float* table, const ingrain_batch* batch,
            int32_t dtype, int32_t cache_dtype, int64_t H, int64_t K, int64_t E),
           (ctx, qkv, cache, table, batch, dtype, cache_dtype, H, K, E)) {
  if (const ingrain_status bad = check_cache(ctx, "rope_cache", batch, H, K, E)) return bad;
  if (const ingrain_status bad = rope_forward(ctx, qkv, table, batch->positions, dtype, batch->tokens, H, K, E))
    return bad;
  return kv_cache_write(ctx, cache, qkv, batch, dtype, cache_dtype, H, K, E);
}
