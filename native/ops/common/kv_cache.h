// The layout of a cache block. Only kv_cache.cc and attention_paged.cc depend on it.
//   block = K heads × block_size/16 tiles of 16 keys; tile = keys transposed (E, 16), then values (16, Ep)
// Ep is E rounded up to a multiple of 16. This layout allows attention to broadcast each element of q and multiply it
// by a vector of 16 keys. The tiles of a head are contiguous in memory.
#pragma once
#include "simd.h"

namespace ingrain::INGRAIN_ISA {

constexpr int64_t max_head_dim = 256;
constexpr int64_t padded(int64_t E) { return (E + lanes - 1) / lanes * lanes; }

struct CacheShape {
  int64_t K, E, block_size;

  int64_t tile_elements() const { return lanes * (E + padded(E)); }
  int64_t tiles() const { return block_size / lanes; }
  int64_t block_elements() const { return K * tiles() * tile_elements(); }
  int64_t tile(int64_t block, int64_t head, int64_t index) const {  // index of the first element of a tile
    return block * block_elements() + (head * tiles() + index) * tile_elements();
  }
};

inline ingrain_status check_heads(ingrain_context* ctx, const char* op, int64_t H, int64_t K, int64_t E) {
  if (E < 2 || E % 2 || E > max_head_dim)
    return ctx->fail(INGRAIN_INVALID_ARGUMENT, "%s: head_dim is %ld: expected an even number up to %ld", op,
                     static_cast<long>(E), static_cast<long>(max_head_dim));
  if (K < 1 || H < K || H % K)
    return ctx->fail(INGRAIN_INVALID_ARGUMENT, "%s: %ld query heads are not a multiple of %ld key-value heads", op,
                     static_cast<long>(H), static_cast<long>(K));
  return INGRAIN_OK;
}
inline ingrain_status check_cache(ingrain_context* ctx, const char* op, const ingrain_batch* batch, int64_t H,
                                  int64_t K, int64_t E) {
  if (const ingrain_status bad = check_heads(ctx, op, H, K, E)) return bad;
  if (!batch->block_tables) return ctx->fail(INGRAIN_INVALID_ARGUMENT, "%s: the batch has no block_tables", op);
  if (batch->block_size < lanes || batch->block_size % lanes)
    return ctx->fail(INGRAIN_INVALID_ARGUMENT, "%s: block_size is %ld: expected a multiple of %ld", op,
                     static_cast<long>(batch->block_size), static_cast<long>(lanes));
  return INGRAIN_OK;
}

}  // namespace ingrain::INGRAIN_ISA
