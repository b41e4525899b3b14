// decode attention, rung 1: one block computes one query head of one token, in steps of 128 keys. A thread computes the
// whole dot product of one key, so adjacent threads read different rows and loads are not coalesced. The query heads
// that share a key-value head each read its cache separately. One block processes the whole cache of a sequence, so a
// step with few sequences leaves most of the GPU idle.
#include "kv_cache.h"
#include "reduce.h"

namespace {

constexpr int threads = 128;
constexpr int columns_each = max_head_dim / threads;

template <class X, class C>
__global__ void attend(X* y, const X* qkv, const char* cache, ingrain_batch batch, CacheShape shape, int H, int E,
                       float scale) {
  __shared__ float query[max_head_dim], weights[threads], scratch[2][32];
  const int K = static_cast<int>(shape.K), i = threadIdx.x;
  const int64_t t = blockIdx.x / H, h = blockIdx.x % H, head = h / (H / K), n = batch.positions[t] + 1;
  const int32_t* table =
      batch.block_tables + sequence_of(batch.sequence_offsets, batch.sequences, t) * batch.max_blocks;
  const auto key = [&](int64_t j) {
    return cache + shape.key(table[j / shape.block_size], head, j % shape.block_size);
  };
  for (int e = i; e < E; e += threads) query[e] = to_float(qkv[(t * (H + 2 * K) + h) * E + e]);
  __syncthreads();
  float top = -INFINITY, total = 0, sum[columns_each] = {};
  for (int64_t begin = 0; begin < n; begin += threads) {
    float score = -INFINITY;
    if (begin + i < n) {
      const C* row = reinterpret_cast<const C*>(key(begin + i));
      score = 0;
      for (int e = 0; e < E; ++e) score += query[e] * to_float(row[e]);
      score *= scale;
    }
    const float next = fmaxf(top, block_reduce<Max>(score, scratch[0])), shrink = expf(top - next),
                weight = expf(score - next);
    weights[i] = weight;
    total = total * shrink + block_reduce<Sum>(weight, scratch[1]);
    top = next;
    const int keys = static_cast<int>(min(n - begin, int64_t{threads}));
    for (int c = 0; c < columns_each; ++c) {
      const int e = i + c * threads;
      if (e >= E) break;
      sum[c] *= shrink;
      for (int j = 0; j < keys; ++j)
        sum[c] += weights[j] * to_float(reinterpret_cast<const C*>(key(begin + j) + shape.value_distance())[e]);
    }
    __syncthreads();
  }
  for (int c = 0; c < columns_each; ++c)
    if (i + c * threads < E) y[(t * H + h) * E + i + c * threads] = from_float<X>(sum[c] / total);
}

}  // namespace

extern "C" INGRAIN_API ingrain_status ingrain_attention_paged_forward(ingrain_context* ctx, void* y, const void* qkv,
                                                                      const void* cache, const ingrain_batch* batch,
                                                                      int32_t dtype, int32_t cache_dtype, int64_t H,
                                                                      int64_t K, int64_t E, float scale) {
  if (ingrain_status bad = check_cache(ctx, "attention_paged_forward", batch, H, K, E)) return bad;
  return with_dtype(ctx, dtype, [&]<class X>() {
    return with_cache_dtype(ctx, cache_dtype, [&]<class C>() {
      return launch(attend<X, C>, static_cast<unsigned>(batch->tokens * H), threads, 0, ctx, static_cast<X*>(y),
                    static_cast<const X*>(qkv), static_cast<const char*>(cache), *batch,
                    cache_shape(cache_dtype, batch->block_size, K, E), static_cast<int>(H), static_cast<int>(E), scale);
    });
  });
}
INGRAIN_EXPORT_OP(attention_paged_forward)
