// kv_cache: stores a step's keys and values in the paged cache; copies blocks.    Kwon et al. 2023, arXiv:2309.06180
//   cache[table[s][p / block_size]][p % block_size] = k, v of the row of sequence s at position p
// Shapes   qkv (T, (H + 2K)·E) · block: common/kv_cache.h   Types  qkv f32|bf16, cache f32|bf16 (rounded on write)
// Needs    E % 2 == 0, E <= 256, block_size % 16 == 0, scratch 0       Mapping  rows over threads
// Bound    memory: 4·T·K·E elements   Oracle libtorch attention   Test KvCacheParityTest
#include "kv_cache.h"

#include <cstring>

namespace ingrain::INGRAIN_ISA {
namespace {

template <class C, class X>
void write_head(C* tile, const X* k, const X* v, int64_t lane, int64_t E) {
  for (int64_t e = 0; e < E; ++e) tile[e * lanes + lane] = from_float<C>(to_float(k[e]));
  C* row = tile + E * lanes + lane * padded(E);
  int64_t e = 0;
  for (; e + lanes <= E; e += lanes) store(row + e, load(v + e));
  if (e < E) store(row + e, load_some(v + e, E - e));  // zeros the padding
}

}  // namespace
}  // namespace ingrain::INGRAIN_ISA

INGRAIN_OP(kv_cache_write,
           (ingrain_context * ctx, void* cache, const void* qkv, const ingrain_batch* batch, int32_t dtype,
            int32_t cache_dtype, int64_t H, int64_t K, int64_t E),
           (ctx, cache, qkv, batch, dtype, cache_dtype, H, K, E)) {
  if (const ingrain_status bad = check_cache(ctx, "kv_cache_write", batch, H, K, E)) return bad;
  const CacheShape shape{K, E, batch->block_size};
  return with_dtype(ctx, dtype, [&]<class X>() {
    return with_dtype(ctx, cache_dtype, [&]<class C>() {
      parallel_for(ctx, batch->tokens, 1 + 8192 / (K * E), [&](int64_t begin, int64_t end) {
        int64_t s = 0;
        for (int64_t t = begin; t < end; ++t) {
          while (batch->sequence_offsets[s + 1] <= t) ++s;
          const int64_t position = batch->positions[t], slot = position % shape.block_size;
          const int64_t block = batch->block_tables[s * batch->max_blocks + position / shape.block_size];
          const X* k = static_cast<const X*>(qkv) + (t * (H + 2 * K) + H) * E;
          for (int64_t h = 0; h < K; ++h)
            write_head(static_cast<C*>(cache) + shape.tile(block, h, slot / lanes), k + h * E, k + (K + h) * E,
                       slot % lanes, E);
        }
      });
      return INGRAIN_OK;
    });
  });
}

INGRAIN_OP(kv_cache_copy,
           (ingrain_context * ctx, void* cache, const int32_t* pairs, int64_t n, int64_t block_bytes,
            int64_t layer_bytes, int64_t L),
           (ctx, cache, pairs, n, block_bytes, layer_bytes, L)) {
  parallel_for(ctx, n * L, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      char* layer = static_cast<char*>(cache) + i / n * layer_bytes;
      memcpy(layer + pairs[i % n * 2 + 1] * block_bytes, layer + pairs[i % n * 2] * block_bytes,
             static_cast<size_t>(block_bytes));
    }
  });
  return INGRAIN_OK;
}

#ifdef INGRAIN_ISA_avx2
extern "C" INGRAIN_API int64_t ingrain_kv_cache_block_bytes(int32_t cache_dtype, int64_t block_size, int64_t K,
                                                            int64_t E) {
  const int64_t element = cache_dtype == INGRAIN_F8E4M3 ? 1 : cache_dtype == INGRAIN_BF16 ? 2 : 4;
  return ingrain::avx2::CacheShape{K, E, block_size}.block_elements() * element;
}
#endif
