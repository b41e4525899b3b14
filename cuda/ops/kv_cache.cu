// kv_cache: stores a step's keys and values in the paged cache; copies blocks.    Kwon et al. 2023, arXiv:2309.06180
//   cache[table[s][p / block_size]][p % block_size] = k, v of the row of sequence s at position p
// Shapes   qkv (T, (H + 2K)·E) · block: common/kv_cache.h
// Types    qkv f32|bf16, cache f32|bf16|fp8 (scale 1; saturates at ±448)
// Needs    E % 2 == 0, E <= 256, block_size % 16 == 0, scratch 0
// Mapping  one thread per 16 bytes of qkv; copies: one thread per 16 bytes
// Bound    memory: 4·T·K·E elements; copies 2·n·L blocks       Oracle native/ops/kv_cache.cc  Test KvCacheParityTest
#include "kv_cache.h"

namespace {

constexpr int threads = 128;

// After the query heads, a row contains K key heads and then K value heads. `head` counts from the first key head, so
// the value of key head h is head h + K.
template <class C, class X, int N>
__global__ void write(char* cache, const X* qkv, ingrain_batch batch, CacheShape shape, int H, int E) {
  const int K = static_cast<int>(shape.K), per_row = 2 * K * (E / N);
  const int64_t index = static_cast<int64_t>(blockIdx.x) * threads + threadIdx.x, t = index / per_row;
  if (t >= batch.tokens) return;
  const int within = static_cast<int>(index % per_row), head = within / (E / N), e = within % (E / N) * N;
  const Vec<X, N> x = load<N>(qkv + (t * (H + 2 * K) + H + head) * E + e);
  store(cache_row<C>(cache, batch, shape, t, head) + e, converted<C>(x));
}

// A thread block copies a part of one cache block to another cache block of the same layer.
__global__ void copy_blocks(char* cache, const int32_t* pairs, int64_t block_bytes, int64_t layer_bytes) {
  const int64_t at = (static_cast<int64_t>(blockIdx.y) * threads + threadIdx.x) * 16;
  if (at >= block_bytes) return;
  char* layer = cache + blockIdx.z * layer_bytes + at;
  const int32_t* pair = pairs + 2 * static_cast<int64_t>(blockIdx.x);
  store(layer + pair[1] * block_bytes, load<16>(layer + pair[0] * block_bytes));
}

}  // namespace

extern "C" ingrain_status ingrain_kv_cache_write(ingrain_context* ctx, void* cache, const void* qkv,
                                                 const ingrain_batch* batch, int32_t dtype, int32_t cache_dtype,
                                                 int64_t H, int64_t K, int64_t E) {
  if (const ingrain_status bad = check_cache(ctx, "kv_cache_write", batch, H, K, E)) return bad;
  return with_dtype(ctx, dtype, [&]<class X>() {
    return with_cache_dtype(ctx, cache_dtype, [&]<class C>() {
      return with_width<X>(
          E,
          [&]<int N>() {
            return launch(write<C, X, N>, blocks_for(batch->tokens * 2 * K * (E / N), threads), threads, 0, ctx,
                          static_cast<char*>(cache), static_cast<const X*>(qkv), *batch,
                          cache_shape(cache_dtype, batch->block_size, K, E), H, E);
          },
          qkv);
    });
  });
}
INGRAIN_EXPORT_OP(kv_cache_write)

extern "C" ingrain_status ingrain_kv_cache_copy(ingrain_context* ctx, void* cache, const int32_t* pairs, int64_t n,
                                                int64_t block_bytes, int64_t layer_bytes, int64_t L) {
  const dim3 grid(static_cast<unsigned>(n), blocks_for(block_bytes, 16 * threads), static_cast<unsigned>(L));
  return launch(copy_blocks, grid, threads, 0, ctx, static_cast<char*>(cache), pairs, block_bytes, layer_bytes);
}
INGRAIN_EXPORT_OP(kv_cache_copy)

extern "C" int64_t ingrain_kv_cache_block_bytes(int32_t cache_dtype, int64_t block_size, int64_t K, int64_t E) {
  return cache_shape(cache_dtype, block_size, K, E).block_bytes();
}
