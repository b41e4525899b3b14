// Attention over a bf16 cache by AMX. The queries and the softmax weights are rounded to bf16; the sums are f32. As in
// attention.h, the bits of a row do not depend on the other rows. For each tile of 16 keys:
//   scores = q·kᵀ               is summed in tiles of 32 elements, in the order of amx.h
//   o = o·rescale + weights·v   weights·v is one product over the 16 keys; an FMA then computes o
#pragma once
#include "amx.h"
#include "attention.h"

#if defined(__AMX_TILE__)
namespace ingrain::INGRAIN_ISA {

constexpr int64_t amx_padded(int64_t E) { return (E + amx_columns - 1) / amx_columns * amx_columns; }

// Tiles 4 and 6 are the operands of q·kᵀ, with 32 elements. Tiles 5 and 7 are the operands of weights·v, with 16 keys.
class AttentionTiles : AmxTiles {
 public:
  AttentionTiles() : AmxTiles(amx_columns, lanes) {}
};

// The keys and values of a tile of 16 keys, as operands of AMX. In k, a pair has two adjacent elements of one key. In
// v, a pair has the same element of the values of two adjacent keys. The values of keys from `count` on are set to
// zero.
struct AmxKeys {
  alignas(64) bf16 k[max_head_dim * lanes];  // (E / 2, 16, 2), padded with zeros to a multiple of 32 elements
  alignas(64) bf16 v[lanes * max_head_dim];  // (width / 16, 8, 16, 2)
  bool finite;                               // whether all values are finite

  void read(const bf16* keys, const bf16* values, int64_t E, int64_t count) {
    alignas(64) static constexpr struct Indices {
      int16_t of[32];
      constexpr Indices() : of() {
        for (int i = 0; i < 32; ++i) of[i] = static_cast<int16_t>(i / 2 + i % 2 * 16);
      }
    } interleaved;
    const __m512i order = _mm512_load_si512(interleaved.of);
    int64_t e = 0;
    for (; e < E; e += 2)
      _mm512_store_si512(k + e * lanes, _mm512_permutexvar_epi16(order, _mm512_loadu_si512(keys + e * lanes)));
    for (; e < amx_padded(E); e += 2) _mm512_store_si512(k + e * lanes, _mm512_setzero_si512());
    const int64_t width = padded(E);
    const __m512i exponent = _mm512_set1_epi16(0x7f80);
    __mmask32 special = 0;
    for (int64_t j = 0; j < lanes; j += 2)
      for (e = 0; e < width; e += lanes) {
        const auto row = [&](int64_t i) {
          return i < count ? _mm256_loadu_si256(reinterpret_cast<const __m256i*>(values + i * width + e))
                           : _mm256_setzero_si256();
        };
        const __m512i pair = _mm512_inserti64x4(_mm512_castsi256_si512(row(j)), row(j + 1), 1);
        special |= _mm512_cmpeq_epi16_mask(_mm512_and_si512(pair, exponent), exponent);
        _mm512_store_si512(v + e * lanes + j * lanes, _mm512_permutexvar_epi16(order, pair));
      }
    finite = special == 0;
  }
};

// The queries of the rows, stored in a.q as bf16 (count, amx_padded(E)). They fill at most half of a.q. So a load of a
// tile of 16 rows, beginning at any row, stays within a.q even if fewer than 16 rows are left.
inline bf16* amx_queries(AttentionRows& a) { return reinterpret_cast<bf16*>(a.q); }

template <class X>
void add_amx(AttentionRows& a, const X* query, int64_t keys) {
  bf16* q = amx_queries(a) + a.count * amx_padded(a.E);
  copy_row(q, query, a.E);
  std::fill(q + a.E, q + amx_padded(a.E), bf16{0});
  a.open(keys);
}

// Adds a tile of keys and values to the attention of the rows of up to six groups. Data move between AMX and vector
// registers through memory, which has a long latency. So each step is done for all groups before the next step begins.
class AmxGroups {
 public:
  AmxGroups(AttentionRows& rows, const AmxKeys& keys, int64_t start) : rows_(rows), keys_(keys), start_(start) {}

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
    const int64_t width = amx_padded(rows_.E);
    const bf16* q = amx_queries(rows_) + r * width;
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
  const AmxKeys& keys_;
  int64_t start_, count_ = 0;
  Group groups_[most];
  alignas(64) float s_[most][tile], products_[2][4 * tile], rescale_[most][lanes];
  alignas(64) bf16 p_[most][tile];
};

// Adds a tile of 16 keys and their values to the attention of rows [begin, end). `start` is the position of the tile's
// first key. k and v are the tile's keys and values in the cache. `keys` is scratch. A key that a row does not see has
// the weight 0, but 0 times a value that is not finite is NaN. So if the tile has such values, each row forms its own
// group, for which the values of all keys that the row does not see are set to zero.
inline void attend_amx(AttentionRows& a, int64_t begin, int64_t end, const bf16* k, const bf16* v, int64_t start,
                       AmxKeys& keys) {
  int64_t most = 0;
  for (int64_t i = begin; i < end; ++i) most = std::max(most, a.visible[i] - start);
  if (most <= 0) return;
  keys.read(k, v, a.E, std::min(most, lanes));
  const bool finite = keys.finite;
  AmxGroups groups(a, keys, start);
  for (int64_t r = begin, n; r < end; r += n) {
    n = 1;
    if (a.visible[r] <= start) continue;
    if (finite)
      while (n < lanes && r + n < end && a.visible[r + n] > start) ++n;
    else keys.read(k, v, a.E, std::min(a.visible[r] - start, lanes));
    groups.add(r, n);
    if (!finite) groups.finish();
  }
  groups.finish();
}

}  // namespace ingrain::INGRAIN_ISA
#endif
