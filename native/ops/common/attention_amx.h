// Attention over a bf16 cache by AMX, for groups of up to 16 rows. See attention_bf16.h.
#pragma once
#include "amx.h"
#include "key_pairs.h"

#if defined(__AMX_TILE__)
namespace ingrain::INGRAIN_ISA {

// Tiles 4 and 6 are the operands of q·kᵀ: 32 elements of a head. Tiles 5 and 7 are the operands of weights·v: 16 keys.
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

}  // namespace ingrain::INGRAIN_ISA
#endif
