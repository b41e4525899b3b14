// rope_cache: rotary position embedding of the query and key heads; stores the keys and values in the paged cache.
//   rope_forward, then kv_cache_write, with the same bits
// Shapes   qkv (T, (H + 2K)·E) · table (positions, E) · block: common/kv_cache.h
// Types    qkv f32|bf16, cache f32|bf16|fp8 (scale 1; saturates at ±448)
// Needs    as rope and kv_cache_write (16-byte accesses if E/2 and the pointers allow), scratch 0
// Mapping  one thread per 16 bytes of either half of a head; a block has threads of one row only
// Bound    memory: 2·T·(H + K)·E + 3·T·K·E elements                   Oracle native/ops/rope_cache.cc
// Test     RopeCacheParityTest
#include "kv_cache.h"
#include "rotation.h"

namespace {

constexpr int threads = 128;

template <class X> struct Rows {
  X* qkv;
  char* cache;
  const float* table;
  int H, E;
};

// A rotated key is rounded to X before it is stored in the cache, as if kv_cache_write had read it from qkv.
template <class C, class X, int N>
__global__ void rotate_and_write(Rows<X> rows, ingrain_batch batch, CacheShape shape) {
  const int half = rows.E / 2, pieces = half / N, H = rows.H, K = static_cast<int>(shape.K);
  const int index = static_cast<int>(blockIdx.y * threads + threadIdx.x), head = index / pieces;
  const int i = index % pieces * N;
  const int64_t t = blockIdx.x;
  if (head >= H + 2 * K) return;
  X* low = rows.qkv + (t * (H + 2 * K) + head) * rows.E + i;
  Vec<X, N> a = load<N>(low), b = load<N>(low + half);
  if (head < H + K) {
    rotate(a, b, rows.table + static_cast<int64_t>(batch.positions[t]) * rows.E + i, half, 1.0f);
    store(low, a);
    store(low + half, b);
  }
  if (head < H) return;
  C* cached = cache_row<C>(rows.cache, batch, shape, t, head - H) + i;
  store(cached, converted<C>(a));
  store(cached + half, converted<C>(b));
}

}  // namespace

extern "C" ingrain_status ingrain_rope_cache_forward(ingrain_context* ctx, void* qkv, void* cache, const float* table,
                                                     const ingrain_batch* batch, int32_t dtype, int32_t cache_dtype,
                                                     int64_t H, int64_t K, int64_t E) {
  if (const ingrain_status bad = check_cache(ctx, "rope_cache", batch, H, K, E)) return bad;
  return with_dtype(ctx, dtype, [&]<class X>() {
    return with_cache_dtype(ctx, cache_dtype, [&]<class C>() {
      return with_width<X>(
          E / 2,
          [&]<int N>() {
            const Rows<X> rows{static_cast<X*>(qkv), static_cast<char*>(cache), table, static_cast<int>(H),
                               static_cast<int>(E)};
            const dim3 grid(static_cast<unsigned>(batch->tokens), blocks_for((H + 2 * K) * (E / 2 / N), threads));
            return launch(rotate_and_write<C, X, N>, grid, threads, 0, ctx, rows, *batch,
                          cache_shape(cache_dtype, batch->block_size, K, E));
          },
          qkv);
    });
  });
}
INGRAIN_EXPORT_OP(rope_cache_forward)
