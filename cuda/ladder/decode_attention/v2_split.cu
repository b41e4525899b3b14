// decode attention, rung 2: the cache of a sequence is split into chunks of 256 keys with one block each, and a second
// launch merges the chunks in order. So a few sequences are enough to occupy the GPU. A warp handles one key at a time,
// and its lanes read adjacent elements of the key, so loads are coalesced. Every query head still reads the cache of
// its key-value head separately. Llama-2-70B has eight query heads per key-value head, so this kernel reads each key
// and each value eight times; at best, seven of the reads hit L2. The tensor core is not used.
#include "split.h"
#include "reduce.h"

namespace {

constexpr int warps = 4, lanes = 32;
constexpr int columns_each = max_head_dim / lanes;

template <class X, class C>
__global__ void attend(Parts parts, const X* qkv, const char* cache, ingrain_batch batch, CacheShape shape, int H,
                       float scale) {
  __shared__ float tops[warps], totals[warps], sums[warps][max_head_dim];
  const int K = static_cast<int>(shape.K), E = parts.E, lane = threadIdx.x, warp = threadIdx.y;
  const int64_t row = blockIdx.x, t = row / H, h = row % H, head = h / (H / K);
  const int64_t begin = static_cast<int64_t>(blockIdx.y) * chunk_keys,
                end = min(begin + chunk_keys, int64_t{batch.positions[t]} + 1);
  if (begin >= end) return;
  const int32_t* table =
      batch.block_tables + sequence_of(batch.sequence_offsets, batch.sequences, t) * batch.max_blocks;
  float query[columns_each], sum[columns_each] = {}, top = -INFINITY, total = 0;
#pragma unroll
  for (int c = 0; c < columns_each; ++c)
    query[c] = c * lanes + lane < E ? to_float(qkv[(t * (H + 2 * K) + h) * E + c * lanes + lane]) * scale : 0;
  for (int64_t j = begin + warp; j < end; j += warps) {
    const char* const at = cache + shape.key(table[j / shape.block_size], head, j % shape.block_size);
    const C* const key = reinterpret_cast<const C*>(at);
    const C* const value = reinterpret_cast<const C*>(at + shape.value_distance());
    float score = 0;
#pragma unroll
    for (int c = 0; c < columns_each; ++c)
      if (c * lanes + lane < E) score += query[c] * to_float(key[c * lanes + lane]);
    score = warp_reduce<Sum>(score);
    const float next = fmaxf(top, score), shrink = expf(top - next), weight = expf(score - next);
    total = total * shrink + weight;
    top = next;
#pragma unroll
    for (int c = 0; c < columns_each; ++c)
      if (c * lanes + lane < E) sum[c] = sum[c] * shrink + weight * to_float(value[c * lanes + lane]);
  }
  if (lane == 0) tops[warp] = top, totals[warp] = total;
#pragma unroll
  for (int c = 0; c < columns_each; ++c) sums[warp][c * lanes + lane] = sum[c];
  __syncthreads();
  float highest = -INFINITY, all = 0;
  for (int w = 0; w < warps; ++w) highest = fmaxf(highest, tops[w]);
  for (int w = 0; w < warps; ++w) all += totals[w] * expf(tops[w] - highest);
  const int64_t part = parts.at(blockIdx.y, row);
  for (int e = warp * lanes + lane; e < E; e += warps * lanes) {
    float joined = 0;
    for (int w = 0; w < warps; ++w) joined += sums[w][e] * expf(tops[w] - highest);
    parts.sums[part * E + e] = joined;
  }
  if (warp == 0 && lane == 0) parts.tops[part] = highest, parts.totals[part] = all;
}

}  // namespace

extern "C" INGRAIN_API ingrain_status ingrain_attention_paged_forward(ingrain_context* ctx, void* y, const void* qkv,
                                                                      const void* cache, const ingrain_batch* batch,
                                                                      int32_t dtype, int32_t cache_dtype, int64_t H,
                                                                      int64_t K, int64_t E, float scale) {
  if (ingrain_status bad = check_cache(ctx, "attention_paged_forward", batch, H, K, E)) return bad;
  Parts parts{};
  if (ingrain_status full = parts_of(ctx, parts, *batch, H, E)) return full;
  return with_dtype(ctx, dtype, [&]<class X>() {
    return with_cache_dtype(ctx, cache_dtype, [&]<class C>() {
      const dim3 grid(static_cast<unsigned>(parts.rows), static_cast<unsigned>(chunks_of(*batch)));
      if (ingrain_status status = launch(attend<X, C>, grid, dim3(lanes, warps), 0, ctx, parts,
                                         static_cast<const X*>(qkv), static_cast<const char*>(cache), *batch,
                                         cache_shape(cache_dtype, batch->block_size, K, E), static_cast<int>(H), scale))
        return status;
      return join_parts<X>(ctx, y, parts, *batch, H);
    });
  });
}
INGRAIN_EXPORT_OP(attention_paged_forward)
