// The layout of a cache block. Only kv_cache.cu, rope_cache.cu, attention_paged.cu and the kernels of cuda/ladder
// depend on this layout.
//   block = K heads × (block_size rows of keys, then block_size rows of values)
// A row has E elements and is padded to a multiple of 16 bytes. The rows that one key-value head reads from a block
// are contiguous, so asynchronous copies of 16 bytes can load them in the order of memory.
#pragma once
#include "dtype.h"

constexpr int64_t max_head_dim = 256;

struct CacheShape {
  int64_t K, block_size, row_bytes;

  __host__ __device__ int64_t block_bytes() const { return 2 * K * block_size * row_bytes; }
  // Returns the byte offset of the key at `slot` of a block. The value is value_distance() bytes after the key.
  __host__ __device__ int64_t key(int64_t block, int64_t head, int64_t slot) const {
    return block * block_bytes() + (2 * head * block_size + slot) * row_bytes;
  }
  __host__ __device__ int64_t value_distance() const { return block_size * row_bytes; }
};

inline int64_t cache_element_bytes(int32_t cache_dtype) {
  return cache_dtype == INGRAIN_F32 ? 4 : cache_dtype == INGRAIN_F8E4M3 ? 1 : 2;
}
inline CacheShape cache_shape(int32_t cache_dtype, int64_t block_size, int64_t K, int64_t E) {
  return {K, block_size, (E * cache_element_bytes(cache_dtype) + 15) / 16 * 16};
}

// Runs body.template operator()<C>(), where C is the element type of the cache.
template <class Body> ingrain_status with_cache_dtype(ingrain_context* ctx, int32_t dtype, const Body& body) {
  if (dtype == INGRAIN_F32) return body.template operator()<float>();
  if (dtype == INGRAIN_BF16) return body.template operator()<bf16>();
  if (dtype == INGRAIN_F8E4M3) return body.template operator()<fp8>();
  return refuse(ctx, INGRAIN_UNSUPPORTED, "cache dtype %d: expected %d (F32), %d (BF16) or %d (F8E4M3)", dtype,
                INGRAIN_F32, INGRAIN_BF16, INGRAIN_F8E4M3);
}

inline ingrain_status check_heads(ingrain_context* ctx, const char* op, int64_t H, int64_t K, int64_t E) {
  if (E < 2 || E % 2 || E > max_head_dim)
    return refuse(ctx, INGRAIN_INVALID_ARGUMENT, "%s: head_dim is %ld: expected an even number up to %ld", op,
                  static_cast<long>(E), static_cast<long>(max_head_dim));
  if (K < 1 || H < K || H % K)
    return refuse(ctx, INGRAIN_INVALID_ARGUMENT, "%s: %ld query heads are not a multiple of %ld key-value heads", op,
                  static_cast<long>(H), static_cast<long>(K));
  return INGRAIN_OK;
}
inline ingrain_status check_cache(ingrain_context* ctx, const char* op, const ingrain_batch* batch, int64_t H,
                                  int64_t K, int64_t E) {
  if (const ingrain_status bad = check_heads(ctx, op, H, K, E)) return bad;
  if (!batch->block_tables) return refuse(ctx, INGRAIN_INVALID_ARGUMENT, "%s: the batch has no block_tables", op);
  if (batch->block_size < 16 || batch->block_size % 16)
    return refuse(ctx, INGRAIN_INVALID_ARGUMENT, "%s: block_size is %ld: expected a multiple of 16", op,
                  static_cast<long>(batch->block_size));
  return INGRAIN_OK;
}

// Returns the sequence of row t, that is, the last sequence s with offsets[s] <= t.
__device__ __forceinline__ int sequence_of(const int32_t* offsets, int64_t S, int64_t t) {
  int low = 0, high = static_cast<int>(S) - 1;
  while (low < high) {
    const int middle = (low + high + 1) / 2;
    if (offsets[middle] <= t) low = middle;
    else high = middle - 1;
  }
  return low;
}

// Returns where row t of the batch stores `head`. Heads 0 to K - 1 are the key heads, and K to 2K - 1 the value heads.
template <class C>
__device__ __forceinline__ C* cache_row(char* cache, const ingrain_batch& batch, const CacheShape& shape, int64_t t,
                                        int head) {
  const int position = batch.positions[t], size = static_cast<int>(batch.block_size), K = static_cast<int>(shape.K);
  const int64_t s = sequence_of(batch.sequence_offsets, batch.sequences, t);
  const int64_t block = batch.block_tables[s * batch.max_blocks + position / size];
  return reinterpret_cast<C*>(cache + shape.key(block, head % K, position % size) +
                              (head < K ? 0 : shape.value_distance()));
}

template <class C, class X, int N> __device__ __forceinline__ Vec<C, N> converted(const Vec<X, N>& x) {
  Vec<C, N> out;
#pragma unroll
  for (int j = 0; j < N; ++j) out.v[j] = from_float<C>(to_float(x.v[j]));
  return out;
}
