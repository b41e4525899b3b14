// Attention over a bf16 cache by bf16 dot products: vdpbf16ps, or AMX. The queries and the softmax weights are rounded
// to bf16; the sums are f32. As in attention.h, the bits of a row do not depend on the other rows. For each tile of 16
// keys, with AMX:
//   scores = q·kᵀ               is summed in tiles of 32 elements, in the order of amx.h
//   o = o·rescale + weights·v   weights·v is one product over the 16 keys; an FMA then computes o
// Without AMX, a lane of vdpbf16ps adds two products to its sum; see columns_of in gemm_tile.h. A score is summed over
// ascending pairs of elements. o starts at o·rescale and is summed over ascending pairs of keys.
#pragma once
#include "attention_amx.h"

#if defined(__AVX512BF16__)
namespace ingrain::INGRAIN_ISA {

#if !defined(__AMX_TILE__)
struct AttentionTiles {};

inline vec dot_pairs(const bf16* x, __m512i pairs, vec sum) {
  int32_t pair;
  memcpy(&pair, x, sizeof pair);
  return {_mm512_dpbf16_ps(sum.v, (__m512bh)_mm512_set1_epi32(pair), (__m512bh)pairs)};
}

// o[i][e] = o[i][e]·rescale[i] + Σ_j p[i][j]·v[j][e], for W vectors of elements. pairs(j, w) returns the values of keys
// 2j and 2j + 1 as pairs, for vector w. p (R, 16). The addition of 0 turns -0 into 0, so that the sign of a zero does
// not depend on the values of keys with weight 0.
template <int R, int W, class Pairs>
inline void accumulate_pairs(float* o, const bf16* p, const float* rescale, int64_t width, const Pairs& pairs) {
  vec sums[R][W];
#pragma GCC unroll 12
  for (int i = 0; i < R; ++i)
#pragma GCC unroll 4
    for (int w = 0; w < W; ++w) sums[i][w] = fma(load(o + i * width + w * lanes), splat(rescale[i]), splat(0.0f));
  for (int64_t j = 0; j < lanes / 2; ++j)
#pragma GCC unroll 4
    for (int w = 0; w < W; ++w) {
      const __m512i values = pairs(j, w);
#pragma GCC unroll 12
      for (int i = 0; i < R; ++i) sums[i][w] = dot_pairs(p + i * lanes + 2 * j, values, sums[i][w]);
    }
#pragma GCC unroll 12
  for (int i = 0; i < R; ++i)
#pragma GCC unroll 4
    for (int w = 0; w < W; ++w) store(o + i * width + w * lanes, sums[i][w]);
}

// dots[i][lane] = q[i] · key `lane`: q (R, E) with row distance `ld`. key(e) returns elements e and e + 1 of the keys
// as pairs.
template <int R, class Key>
inline void dot_pairs_tile(vec (&dots)[R], const bf16* q, int64_t ld, int64_t E, const Key& key) {
  vec sums[R];
  for (int i = 0; i < R; ++i) sums[i] = splat(0.0f);
  for (int64_t e = 0; e < E; e += 2) {
    const __m512i pairs = key(e);
#pragma GCC unroll 12
    for (int i = 0; i < R; ++i) sums[i] = dot_pairs(q + i * ld + e, pairs, sums[i]);
  }
  for (int i = 0; i < R; ++i) dots[i] = sums[i];
}

// Does the work of accumulate_pairs for all elements. value(j, e) returns 16 elements, from e on, of the values of keys
// 2j and 2j + 1 as pairs.
template <int R, class Value>
inline void accumulate_pairs_tile(float* o, const bf16* p, const float* rescale, int64_t width, const Value& value) {
  constexpr int wide = R == 1 ? 4 : R == 2 ? 2 : 1;  // enough independent sums to hide the latency
  int64_t e = 0;
  for (; e + wide * lanes <= width; e += wide * lanes)
    accumulate_pairs<R, wide>(o + e, p, rescale, width, [&](int64_t j, int w) { return value(j, e + w * lanes); });
  for (; e < width; e += lanes)
    accumulate_pairs<R, 1>(o + e, p, rescale, width, [&](int64_t j, int) { return value(j, e); });
}

// Adds the contribution of a tile to the attention of rows [r, r + R). For key and value see the functions above.
template <int R, class Key, class Value>
void attend_pairs(AttentionRows& a, int64_t r, int64_t start, const Key& key, const Value& value) {
  alignas(64) bf16 p[R * lanes];
  alignas(64) float rescale[lanes];
  const int64_t q_ld = query_width(a.E);
  vec s[R];
  dot_pairs_tile<R>(s, bf16_queries(a) + r * q_ld, q_ld, a.E, key);
  softmax_tile(a, r, start, s, rescale);
#pragma GCC unroll 12
  for (int i = 0; i < R; ++i)
    _mm256_store_si256(reinterpret_cast<__m256i*>(p + i * lanes), (__m256i)_mm512_cvtneps_pbh(s[i].v));
  accumulate_pairs_tile<R>(a.o + r * a.width, p, rescale, a.width, value);
}

// Adds each group when add is called, so finish does nothing. The interface is that of AmxGroups.
class RowGroups {
 public:
  RowGroups(AttentionRows& rows, const KeyPairs& keys, int64_t start) : rows_(rows), keys_(keys), start_(start) {}

  void add(int64_t first, int64_t count) {
    for_register_rows(first, first + count, [&](int64_t r, int64_t n) {
      with_rows(n, [&]<int R>() {
        attend_pairs<R>(
            rows_, r, start_, [&](int64_t e) { return _mm512_load_si512(keys_.k + e * lanes); },
            [&](int64_t j, int64_t e) { return _mm512_load_si512(keys_.v + (e + 2 * j) * lanes); });
      });
    });
  }
  void finish() {}

 private:
  AttentionRows& rows_;
  const KeyPairs& keys_;
  int64_t start_;
};

using Groups = RowGroups;
constexpr int64_t most_together = attention_rows;

// Does the work of attend_bf16 (below) for n rows, n <= register_rows, that see all 16 keys. Reads keys and values in
// the layout of the key-value cache, and prefetches one CPU cache line of `ahead` at each step.
inline void attend_in_place(AttentionRows& a, int64_t begin, int64_t n, const bf16* k, const bf16* v, int64_t start,
                            PrefetchRange ahead) {
  const int64_t width = a.width;
  const PrefetchRange first = ahead.part(0, 2), second = ahead.part(1, 2);
  const int64_t key_step = first.step(a.E / 2), value_step = second.step(width / 2);
  with_rows(n, [&]<int R>() {
    attend_pairs<R>(
        a, begin, start,
        [&](int64_t e) {
          prefetch_line(first.first + e / 2 * key_step);
          return interleave(_mm512_loadu_si512(k + e * lanes));
        },
        [&](int64_t j, int64_t e) {
          prefetch_line(second.first + (e / 2 + j) * value_step);
          return interleave(two_rows(v + 2 * j * width + e, v + (2 * j + 1) * width + e));
        });
  });
}
#endif

// Adds the contribution of a tile of 16 keys and their values to the attention of rows [begin, end). `start` is the
// position of the tile's first key. k and v are the tile's keys and values in the cache. `keys` is scratch. `ahead` is
// prefetched. If the tile is converted, all of `ahead` is prefetched to L2 before the conversion, because the
// conversion takes long enough for these loads. A key that a row does not see has the weight 0, but 0 times a value
// that is not finite is NaN. So if the tile has such values, each row forms its own group. For this group, the values
// of all keys that the row does not see are set to zero.
inline void attend_bf16(AttentionRows& a, int64_t begin, int64_t end, const bf16* k, const bf16* v, int64_t start,
                        KeyPairs& keys, PrefetchRange ahead) {
  const auto [least, most] = std::minmax_element(a.visible + begin, a.visible + end);
  if (*most <= start) return;
#if !defined(__AMX_TILE__)
  if (end - begin <= register_rows && *least >= start + lanes)
    return attend_in_place(a, begin, end - begin, k, v, start, ahead);
#endif
  for (int64_t i = 0; i < ahead.bytes; i += 64) _mm_prefetch(ahead.first + i, _MM_HINT_T1);
  keys.read(k, v, a.E, std::min(*most - start, lanes));
  const bool finite = keys.finite;
  Groups groups(a, keys, start);
  for (int64_t r = begin, n; r < end; r += n) {
    n = 1;
    if (a.visible[r] <= start) continue;
    if (finite)
      while (n < most_together && r + n < end && a.visible[r + n] > start) ++n;
    else keys.read(k, v, a.E, std::min(a.visible[r] - start, lanes));
    groups.add(r, n);
    if (!finite) groups.finish();
  }
  groups.finish();
}

}  // namespace ingrain::INGRAIN_ISA
#endif
