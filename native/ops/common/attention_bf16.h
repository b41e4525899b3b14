// Attention over a bf16 cache by bf16 dot products: vdpbf16ps, or AMX. The queries and the softmax weights are rounded
// to bf16; the sums are f32. As in attention.h, the bits of a row do not depend on the other rows. For each tile of 16
// keys, with AMX:
//   scores = q·kᵀ               is summed in tiles of 32 elements, in the order of amx.h
//   o = o·rescale + weights·v   weights·v is one product over the 16 keys; an FMA then computes o
// Without AMX, a lane of vdpbf16ps adds two products to its sum; see columns_of in gemm_tile.h. A score is summed over
// ascending pairs of elements. o starts at o·rescale and is summed over ascending pairs of keys.
#pragma once
#include "amx.h"
#include "attention.h"

#if defined(__AVX512BF16__)
namespace ingrain::INGRAIN_ISA {

// AMX multiplies 32 elements at once, so a query is padded with zeros.
constexpr int64_t query_width(int64_t E) { return (E + 31) / 32 * 32; }

// in has two rows of sixteen elements; the result has the pair of element i of both rows in its 32-bit lane i.
inline __m512i interleave(__m512i in) {
  alignas(64) static constexpr struct Indices {
    int16_t of[32];
    constexpr Indices() : of() {
      for (int i = 0; i < 32; ++i) of[i] = static_cast<int16_t>(i / 2 + i % 2 * 16);
    }
  } indices;
  return _mm512_permutexvar_epi16(_mm512_load_si512(indices.of), in);
}
inline __m512i two_rows(const bf16* first, const bf16* second) {
  return _mm512_inserti64x4(_mm512_castsi256_si512(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(first))),
                            _mm256_loadu_si256(reinterpret_cast<const __m256i*>(second)), 1);
}

// The keys and values of a tile of 16 keys as pairs. In k, a pair has two adjacent elements of one key. In v, a pair
// has the same element of the values of two adjacent keys. The values of keys from `count` on are set to zero.
struct KeyPairs {
  alignas(64) bf16 k[max_head_dim * lanes];  // (E / 2, 16, 2), padded with zeros to query_width elements
  alignas(64) bf16 v[lanes * max_head_dim];  // (width / 16, 8, 16, 2)
  bool finite;                               // whether all values are finite

  void read(const bf16* keys, const bf16* values, int64_t E, int64_t count) {
    static constexpr bf16 zeros[lanes] = {};
    int64_t e = 0;
    for (; e < E; e += 2) _mm512_store_si512(k + e * lanes, interleave(_mm512_loadu_si512(keys + e * lanes)));
    for (; e < query_width(E); e += 2) _mm512_store_si512(k + e * lanes, _mm512_setzero_si512());
    const int64_t width = padded(E);
    const __m512i exponent = _mm512_set1_epi16(0x7f80);
    __mmask32 special = 0;
    for (int64_t j = 0; j < lanes; j += 2)
      for (e = 0; e < width; e += lanes) {
        const auto row = [&](int64_t i) { return i < count ? values + i * width + e : zeros; };
        const __m512i pair = two_rows(row(j), row(j + 1));
        special |= _mm512_cmpeq_epi16_mask(_mm512_and_si512(pair, exponent), exponent);
        _mm512_store_si512(v + e * lanes + j * lanes, interleave(pair));
      }
    finite = special == 0;
  }
};

// The queries of the rows, stored in a.q as bf16 (count, query_width(E)). They fill at most half of a.q. So a load of a
// tile of 16 rows, beginning at any row, stays within a.q even if fewer than 16 rows are left.
inline bf16* bf16_queries(AttentionRows& a) { return reinterpret_cast<bf16*>(a.q); }

template <class X>
void add_bf16(AttentionRows& a, const X* query, int64_t keys) {
  bf16* q = bf16_queries(a) + a.count * query_width(a.E);
  copy_row(q, query, a.E);
  std::fill(q + a.E, q + query_width(a.E), bf16{0});
  a.open(keys);
}

#if defined(__AMX_TILE__)
// Tiles 4 and 6 are the operands of q·kᵀ, with 32 elements. Tiles 5 and 7 are the operands of weights·v, with 16 keys.
class AttentionTiles : AmxTiles {
 public:
  AttentionTiles() : AmxTiles(amx_columns, lanes) {}
};

// Adds a tile of keys and values to the attention of the rows of up to six groups. Data move between AMX and vector
// registers through memory, which has a long latency. So each step is done for all groups before the next step begins.
class AmxGroups {
 public:
  AmxGroups(AttentionRows& rows, const KeyPairs& keys, int64_t start) : rows_(rows), keys_(keys), start_(start) {}

  // Adds a group: rows [r, r + n), n <= 16. Each of these rows sees at least one key of the tile.
  void add(int64_t r, int64_t n) {
    if (count_ == most) finish();
    groups_[count_++] = {r, n};
  }
  void finish() {
    for (int64_t g = 0; g < count_; ++g) scores(groups_[g].first, s_[g]);
    for (int64_t g = 0; g < count_; ++g) softmax(g);
    int64_t last = 0, last_first = 0, steps = 0;
    for (int64_t g = 0; g < count_; ++g)
      for (int64_t first = 0; first < rows_.width; first += 4 * lanes, ++steps) {
        multiply_values(p_[g], first, products_[steps % 2]);
        if (steps > 0) update(last, last_first, products_[(steps - 1) % 2]);
        last = g;
        last_first = first;
      }
    if (steps > 0) update(last, last_first, products_[(steps - 1) % 2]);
    count_ = 0;
  }

 private:
  static constexpr int64_t most = attention_rows / amx_rows, tile = lanes * lanes;
  struct Group { int64_t first, count; };

  void scores(int64_t r, float* s) const {
    const int64_t width = query_width(rows_.E);
    const bf16* q = bf16_queries(rows_) + r * width;
    __asm__ volatile("" ::: "memory");  // see amx_tile
    _tile_zero(0);
    for (int64_t e = 0; e < width; e += amx_columns) {
      _tile_loadd(4, q + e, static_cast<size_t>(width) * sizeof(bf16));
      _tile_loadd(6, keys_.k + e * lanes, 64);
      _tile_dpbf16ps(0, 4, 6);
    }
    _tile_stored(0, s, 64);
  }

  void softmax(int64_t g) {
    const auto [r, n] = groups_[g];
    float *s = s_[g], *rescale = rescale_[g];
    store(rescale, splat(0.0f));
    for (int64_t i = 0; i < n; ++i) {
      vec scores = load(s + i * lanes) * splat(rows_.scale);
      const int64_t seen = rows_.visible[r + i] - start_;
      if (seen < lanes) {
        store(s + i * lanes, scores);
        scores = load_some(s + i * lanes, seen, -std::numeric_limits<float>::infinity());
      }
      const float m = std::max(rows_.m[r + i], maximum(scores));
      rescale[i] = rows_.m[r + i] - m;
      rows_.m[r + i] = m;
      store(s + i * lanes, scores);
    }
    store(rescale, exp(load(rescale)));
    for (int64_t i = 0; i < lanes; i += 2) {
      vec weights[2] = {splat(0.0f), splat(0.0f)};
      for (int64_t k = 0; k < 2 && i + k < n; ++k) {
        weights[k] = exp(load(s + (i + k) * lanes) - splat(rows_.m[r + i + k]));
        float* l = rows_.l + (r + i + k) * lanes;
        store(l, fma(load(l), splat(rescale[i + k]), weights[k]));
      }
      store_rounded(p_[g] + i * lanes, weights[0], weights[1]);
    }
  }

  // products (4, 16, 16) = weights · elements [first, first + 64) of the values. Elements from `width` on are left out,
  // because they do not exist.
  void multiply_values(const bf16* p, int64_t first, float* products) const {
    const bf16* v = keys_.v + first * lanes;
    __asm__ volatile("" ::: "memory");
    _tile_loadd(5, p, 2 * lanes);
#define INGRAIN_MULTIPLY_BLOCK(T)                     \
  if (first + T * lanes < rows_.width) {              \
    _tile_zero(T);                                    \
    _tile_loadd(7, v + T * tile, 64);                 \
    _tile_dpbf16ps(T, 5, 7);                          \
    _tile_stored(T, products + T * tile, 64);         \
  }
    INGRAIN_MULTIPLY_BLOCK(0)
    INGRAIN_MULTIPLY_BLOCK(1)
    INGRAIN_MULTIPLY_BLOCK(2)
    INGRAIN_MULTIPLY_BLOCK(3)
#undef INGRAIN_MULTIPLY_BLOCK
  }

  void update(int64_t g, int64_t first, const float* products) {
    const auto [r, n] = groups_[g];
    const int64_t blocks = std::min<int64_t>(4, (rows_.width - first) / lanes);
    for (int64_t i = 0; i < n; ++i) {
      const vec rescale = splat(rescale_[g][i]);
      float* o = rows_.o + (r + i) * rows_.width + first;
      for (int64_t b = 0; b < blocks; ++b)
        store(o + b * lanes, fma(load(o + b * lanes), rescale, load(products + b * tile + i * lanes)));
    }
  }

  AttentionRows& rows_;
  const KeyPairs& keys_;
  int64_t start_, count_ = 0;
  Group groups_[most];
  alignas(64) float s_[most][tile], products_[2][4 * tile], rescale_[most][lanes];
  alignas(64) bf16 p_[most][tile];
};

using Groups = AmxGroups;
constexpr int64_t most_together = amx_rows;  // rows of a group
#else
struct AttentionTiles {};

inline vec dot_pairs(const bf16* x, __m512i pairs, vec sum) {
  int32_t pair;
  memcpy(&pair, x, sizeof pair);
  return {_mm512_dpbf16_ps(sum.v, (__m512bh)_mm512_set1_epi32(pair), (__m512bh)pairs)};
}

// o[i][e] = o[i][e]·rescale[i] + Σ_j p[i][j]·v[j][e], for W vectors of elements. pairs(j, w) returns the values of keys
// 2j and 2j + 1 as pairs, for vector w. p (R, 16).
// The addition of 0 turns -0 into 0, so that the sign of a zero does not depend on values of keys with weight 0.
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

// Adds the contribution of a tile to the attention of rows [r, r + R). key(e) returns elements e and e + 1 of the keys
// as pairs, value(j, e) the elements from e on of the values of keys 2j and 2j + 1.
template <int R, class Key, class Value>
void attend_pairs(AttentionRows& a, int64_t r, int64_t start, const Key& key, const Value& value) {
  constexpr int wide = R == 1 ? 4 : R == 2 ? 2 : 1;  // enough independent sums to hide the latency
  alignas(64) bf16 p[R * lanes];
  alignas(64) float rescale[lanes];
  const int64_t q_ld = query_width(a.E);
  const bf16* q = bf16_queries(a) + r * q_ld;
  vec s[R];
  for (int i = 0; i < R; ++i) s[i] = splat(0.0f);
  for (int64_t e = 0; e < a.E; e += 2) {
    const __m512i pairs = key(e);
#pragma GCC unroll 12
    for (int i = 0; i < R; ++i) s[i] = dot_pairs(q + i * q_ld + e, pairs, s[i]);
  }
  softmax_tile(a, r, start, s, rescale);
#pragma GCC unroll 12
  for (int i = 0; i < R; ++i)
    _mm256_store_si256(reinterpret_cast<__m256i*>(p + i * lanes), (__m256i)_mm512_cvtneps_pbh(s[i].v));
  float* o = a.o + r * a.width;
  int64_t e = 0;
  for (; e + wide * lanes <= a.width; e += wide * lanes)
    accumulate_pairs<R, wide>(o + e, p, rescale, a.width, [&](int64_t j, int w) { return value(j, e + w * lanes); });
  for (; e < a.width; e += lanes)
    accumulate_pairs<R, 1>(o + e, p, rescale, a.width, [&](int64_t j, int) { return value(j, e); });
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

// Like attend_bf16 below, for n rows, n <= register_rows, that see all 16 keys. Reads keys and values in the layout of the key-value
// cache, and prefetches one CPU cache line of `ahead` at each step.
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
// prefetched: at once to L2 if the tile is converted, since this takes long enough. A key that a row does not see has the weight 0, but 0 times a value that is not finite is NaN. So if the
// tile has such values, each row forms its own group, for which the values of all keys that the row does not see are
// set to zero.
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
