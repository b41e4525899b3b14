// attention_paged: causal attention of a ragged batch over the paged cache; a shared prefix is read once for its group.
//   y = softmax(scale·q·Kᵀ)·V over positions 0 .. positions[t]   Kwon et al. 2023, arXiv:2309.06180
// Shapes   y (T, H·E) · qkv (T, (H + 2K)·E) · cache: common/kv_cache.h
// Types    qkv, y f32|bf16 · cache f32|bf16 · sums f32
//          avx512_bf16, amx with a bf16 cache: queries and weights rounded to bf16
// Needs    E % 2 == 0, E <= 256, H % K == 0; stack 240 KiB per thread   Mapping  (tile of rows, kv head) over threads
// Bound    decode: the cache read once; prefill: 4·E FLOP per (row, key)
// Oracle   libtorch sdpa
// Test     AttentionPagedParityTest
#include "attention_bf16.h"

namespace ingrain::INGRAIN_ISA {
namespace {

// Consecutive tokens of the batch, whose sequences are in the same prefix group.
struct TokenTile {
  int64_t first_sequence;  // first sequence of the group; the shared blocks are read through its block table
  int64_t shared_blocks;
  int64_t sequence;        // sequence of token `begin`
  int64_t begin, end;      // tokens [begin, end)
};

class TokenTiles {
 public:
  TokenTiles(const ingrain_batch& batch, int64_t tokens_a_tile) : batch_(batch), size_(tokens_a_tile) {}

  bool next(TokenTile& tile) {
    if (token_ >= batch_.tokens) return false;
    if (token_ >= group_end_token_) open_group();
    while (batch_.sequence_offsets[sequence_ + 1] <= token_) ++sequence_;
    tile = {first_, shared_, sequence_, token_, std::min(token_ + size_, group_end_token_)};
    token_ = tile.end;
    return true;
  }

 private:
  void open_group() {
    first_ = group_end_;
    while (batch_.sequence_offsets[first_ + 1] <= token_) ++first_;
    group_end_ = first_ + 1;
    shared_ = batch_.prefix_blocks[first_];
    if (shared_ > 0)
      while (group_end_ < batch_.sequences && batch_.prefix_groups[group_end_] == batch_.prefix_groups[first_])
        shared_ = std::min<int64_t>(shared_, batch_.prefix_blocks[group_end_++]);
    group_end_token_ = batch_.sequence_offsets[group_end_];
    sequence_ = first_;
  }

  const ingrain_batch& batch_;
  int64_t size_, token_ = 0, first_ = 0, group_end_ = 0, group_end_token_ = 0, shared_ = 0, sequence_ = 0;
};

struct Heads { int64_t kv, first, count; };  // query heads [first, first + count) of key-value head kv

#if defined(__AVX512BF16__)
template <class C> constexpr bool by_pairs = std::is_same_v<C, bf16>;  // see attention_bf16.h
#else
template <class C> constexpr bool by_pairs = false;
struct KeyPairs {};
struct AttentionTiles {};
#endif

// Scratch for one tile of a bf16 cache. With bf16 products, the tile is converted to pairs. Without them, it is
// converted to f32 if many rows use it.
template <class C>
struct TileScratch {
  std::conditional_t<by_pairs<C>, KeyPairs, char> keys;
  alignas(64) float wide[by_pairs<C> ? 1 : 2 * lanes * max_head_dim];
};

template <class X, class C>
struct PagedAttention {
  X* y;
  const X* qkv;
  const C* cache;
  const ingrain_batch& batch;
  CacheShape shape;
  int64_t H;
  float scale;
  AttentionRows& rows;
  TileScratch<C>& scratch;

  const C* tile_at(int64_t sequence, int64_t kv, int64_t start) const {
    const int64_t block = batch.block_tables[sequence * batch.max_blocks + start / shape.block_size];
    return cache + shape.tile(block, kv, start % shape.block_size / lanes);
  }

  // Attention of rows [begin, end) over the keys of `sequence` at positions [first, last). Each row uses only the keys
  // that it sees.
  void attend_keys(int64_t sequence, int64_t kv, int64_t begin, int64_t end, int64_t first, int64_t last) const {
    last = std::min(last, *std::max_element(rows.visible + begin, rows.visible + end));
    if (first >= last) return;
    const C* k = tile_at(sequence, kv, first);
    for (int64_t start = first; start < last; start += lanes) {
      const C* next = start + lanes < last ? tile_at(sequence, kv, start + lanes) : k;
      attend_tile(k, begin, end, start,
                  {reinterpret_cast<const char*>(next), shape.tile_elements() * static_cast<int64_t>(sizeof(C))});
      k = next;
    }
  }

  void attend_tile(const C* k, int64_t begin, int64_t end, int64_t start, PrefetchRange ahead) const {
    const C* v = k + lanes * shape.E;
    if constexpr (by_pairs<C>) {
      attend_bf16(rows, begin, end, k, v, start, scratch.keys, ahead);
    } else {
      if constexpr (sizeof(C) < sizeof(float)) {
        if (end - begin > register_rows) {
          float* wide = scratch.wide;
          for (int64_t i = 0; i < shape.tile_elements(); i += lanes) store(wide + i, load(k + i));
          return attend(rows, begin, end, wide, wide + lanes * shape.E, start, ahead);
        }
      }
      attend(rows, begin, end, k, v, start, ahead);
    }
  }

  void add(const X* query, int64_t keys) const {
    if constexpr (by_pairs<C>) add_bf16(rows, query, keys);
    else rows.add(query, keys);
  }

  void run(const TokenTile& tile, const Heads& heads) const {
    const int64_t E = shape.E;
    rows.start(E, scale);
    for (int64_t t = tile.begin; t < tile.end; ++t)
      for (int64_t h = heads.first; h < heads.first + heads.count; ++h)
        add(qkv + (t * (H + 2 * shape.K) + h) * E, batch.positions[t] + int64_t{1});
    const int64_t shared = tile.shared_blocks * shape.block_size;
    attend_keys(tile.first_sequence, heads.kv, 0, rows.count, 0, shared);
    int64_t s = tile.sequence;
    for (int64_t t = tile.begin; t < tile.end; ++s) {
      const int64_t end = std::min<int64_t>(tile.end, batch.sequence_offsets[s + 1]);
      if (t < end)
        attend_keys(s, heads.kv, (t - tile.begin) * heads.count, (end - tile.begin) * heads.count, shared,
                    batch.max_blocks * shape.block_size);
      t = std::max(t, end);
    }
    int64_t r = 0;
    for (int64_t t = tile.begin; t < tile.end; ++t)
      for (int64_t h = heads.first; h < heads.first + heads.count; ++h, ++r)
        store_row(y + (t * H + h) * E, rows.o + r * rows.width, 1.0f / rows.denominator(r), E);
  }
};

}  // namespace
}  // namespace ingrain::INGRAIN_ISA

INGRAIN_OP(attention_paged_forward,
           (ingrain_context * ctx, void* y, const void* qkv, const void* cache, const ingrain_batch* batch,
            int32_t dtype, int32_t cache_dtype, int64_t H, int64_t K, int64_t E, float scale),
           (ctx, y, qkv, cache, batch, dtype, cache_dtype, H, K, E, scale)) {
  if (const ingrain_status bad = check_cache(ctx, "attention_paged_forward", batch, H, K, E)) return bad;
  // All rows of a work item share the loads of keys. So an item has as many rows as possible, as long as every thread
  // gets an item. If the batch has too few rows for this, the query heads of a key-value head are divided among several
  // items.
  const int64_t group = H / K, share = (batch->tokens * H + ctx->pool.threads() - 1) / ctx->pool.threads();
  const int64_t item_rows = std::clamp<int64_t>(share, 1, attention_rows);
  const int64_t heads = std::min(group, item_rows), splits = (group + heads - 1) / heads,
                tokens = std::max<int64_t>(1, item_rows / heads);
  int64_t tiles = 0;
  TokenTile tile;
  for (TokenTiles all(*batch, tokens); all.next(tile);) ++tiles;
  return with_dtype(ctx, dtype, [&]<class X>() {
    return with_dtype(ctx, cache_dtype, [&]<class C>() {
      parallel_for(ctx, tiles * K * splits, 1, [&](int64_t begin, int64_t end) {
        AttentionRows rows;
        TileScratch<C> scratch;
        [[maybe_unused]] const std::conditional_t<by_pairs<C>, AttentionTiles, int> tiles{};
        const PagedAttention<X, C> attention{static_cast<X*>(y),
                                             static_cast<const X*>(qkv),
                                             static_cast<const C*>(cache),
                                             *batch,
                                             {K, E, batch->block_size},
                                             H,
                                             scale,
                                             rows,
                                             scratch};
        TokenTiles cursor(*batch, tokens);
        TokenTile at;
        int64_t done = 0;  // number of calls of cursor.next
        for (int64_t i = begin; i < end; ++i) {
          for (; done <= i / (K * splits); ++done) cursor.next(at);
          const int64_t kv = i / splits % K, first = i % splits * heads;
          attention.run(at, {kv, kv * group + first, std::min(heads, group - first)});
        }
      });
      return INGRAIN_OK;
    });
  });
}
