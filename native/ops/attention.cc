// attention: causal attention of packed sequences without a cache, for training.    Dao et al. 2022, arXiv:2205.14135
//   y = softmax(scale·q·Kᵀ)·V    lse = log Σ exp(scale·q·k), kept for backward
// Shapes   y (T, H·E) · lse (T, H) · qkv (T, (H + 2K)·E) · offsets (S + 1)   Types  qkv, y f32|bf16 · lse, sums f32
//          operands f32|bf16: bf16 allows bf16 factors of the products; see attention_operands.h
// Needs    E % 2 == 0, E <= 256, H % K == 0; stack 240 KiB per thread
// Mapping  (96 rows of a sequence, kv head) over threads
// Bound    FMA: 4·E FLOP per (row, key)   Oracle libtorch sdpa   Test AttentionParityTest
#include "attention_operands.h"

#include <cmath>

namespace ingrain::INGRAIN_ISA {
namespace {

// The keys and values of a tile of 16 keys.
template <class P>
struct Keys {
  alignas(64) float k[lanes * max_head_dim], v[lanes * max_head_dim];

  template <class X>
  void add(AttentionRows& rows, const X* query, int64_t visible) const {
    rows.add(query, visible);
  }
  // Adds n keys, the first of which is at position `start`, to the attention of the rows from `first` on.
  template <class X>
  void attend(AttentionRows& rows, int64_t first, const X* key, const X* value, int64_t ld, int64_t n, int64_t start) {
    pack_transposed(k, key, ld, n, rows.E);
    pack_rows(v, value, ld, n, rows.E, rows.width);
    INGRAIN_ISA::attend(rows, first, rows.count, k, v, start);
  }
};

#if defined(__AVX512BF16__) && !defined(__AMX_TILE__)
template <>
struct Keys<bf16> {
  Vectors<bf16> k, v;

  template <class X>
  void add(AttentionRows& rows, const X* query, int64_t visible) const {
    add_bf16(rows, query, visible);
  }
  template <class X>
  void attend(AttentionRows& rows, int64_t first, const X* key, const X* value, int64_t ld, int64_t n, int64_t start) {
    k.read_columns(key, ld, n, rows.E);
    v.read_rows(value, ld, n, rows.E);
    for_register_rows(first, rows.count, [&](int64_t r, int64_t m) {
      with_rows(m, [&]<int R>() {
        attend_pairs<R>(
            rows, r, start, [&](int64_t e) { return _mm512_load_si512(k.t + e * lanes); },
            [&](int64_t j, int64_t e) { return _mm512_load_si512(v.rows + (e + 2 * j) * lanes); });
      });
    });
  }
};
#endif

template <class X, class P>
struct Forward {
  X* y;
  float* lse;
  const X* qkv;
  int64_t H, K, E;
  float scale;

  // Computes query heads [head, head + heads), which share key-value head kv, for the tile's tokens. If all values are
  // finite, the result has the same bits as that of attention_paged with a cache of type P.
  void run(const SequenceTile& tile, int64_t kv, int64_t head, int64_t heads) const {
    const int64_t ld = (H + 2 * K) * E;
    const X* sequence = qkv + tile.first * ld;
    AttentionRows rows;
    Keys<P> tile_keys;
    rows.start(E, scale);
    for (int64_t t = tile.begin; t < tile.end; ++t)
      for (int64_t h = head; h < head + heads; ++h) tile_keys.add(rows, sequence + t * ld + h * E, t + 1);
    for (int64_t start = 0; start < tile.end; start += lanes) {
      const X* k = sequence + start * ld + (H + kv) * E;
      // The first `skipped` rows have positions before these keys, so these rows see none of the keys.
      const int64_t skipped = std::max<int64_t>(0, start - tile.begin) * heads;
      tile_keys.attend(rows, skipped, k, k + K * E, ld, std::min(lanes, tile.end - start), start);
    }
    int64_t r = 0;
    for (int64_t t = tile.first + tile.begin; t < tile.first + tile.end; ++t)
      for (int64_t h = head; h < head + heads; ++h, ++r) {
        const float l = rows.denominator(r);
        store_row(y + (t * H + h) * E, rows.o + r * rows.width, 1.0f / l, E);
        lse[t * H + h] = rows.m[r] + std::log(l);
      }
  }
};

}  // namespace
}  // namespace ingrain::INGRAIN_ISA

INGRAIN_OP(attention_forward,
           (ingrain_context * ctx, void* y, float* lse, const void* qkv, const int32_t* offsets, int32_t dtype,
            int32_t operands, int64_t S, int64_t H, int64_t K, int64_t E, float scale),
           (ctx, y, lse, qkv, offsets, dtype, operands, S, H, K, E, scale)) {
  if (const ingrain_status bad = check_heads(ctx, "attention_forward", H, K, E)) return bad;
  return with_dtype(ctx, dtype, [&]<class X>() {
    return with_dtype(ctx, operands, [&]<class P>() {
      const Forward<X, Operand<P>> forward{static_cast<X*>(y), lse, static_cast<const X*>(qkv), H, K, E, scale};
      const int64_t group = H / K, heads = std::min(group, attention_rows), splits = (group + heads - 1) / heads;
      for_sequence_tiles(ctx, SequenceTiles(offsets, S, attention_rows / heads), K * splits,
                         [&](const SequenceTile& tile, int64_t part) {
                           const int64_t kv = part / splits, first = part % splits * heads;
                           forward.run(tile, kv, kv * group + first, std::min(heads, group - first));
                         });
      return INGRAIN_OK;
    });
  });
}
