// Attention by tiles of 16 keys, shared by attention_paged, attention and attention_backward.
//
// The order of summation for an output element depends only on this element. A score is summed over ascending e by
// FMAs. An output element is summed over ascending keys and rescaled between tiles by the running maximum (online
// softmax, Dao et al. 2022, arXiv:2205.14135). So the assignment of rows to register tiles, threads and steps does not
// change any bit of the result.
#pragma once
#include "kv_cache.h"
#include "packed_tiles.h"

#include <limits>

namespace ingrain::INGRAIN_ISA {

#if defined(__AVX512F__)
constexpr int64_t register_rows = 12;  // 12 of 32 registers are accumulators
#else
constexpr int64_t register_rows = 6;  // 12 of 16 registers are accumulators
#endif
// The number of rows of one task. A row is a (token, query head) pair. All rows of a task use a key and its value while
// these are in the CPU's cache.
constexpr int64_t attention_rows = 96;

// Runs body.operator()<R>() with R = n, 1 <= n <= register_rows.
template <int R = 1, class Body>
void with_rows(int64_t n, const Body& body) {
  if constexpr (R < register_rows) {
    if (n != R) return with_rows<R + 1>(n, body);
  }
  body.template operator()<R>();
}

// Divides [begin, end) into nearly equal pieces of at most register_rows rows. For example, if register_rows is 6, 8
// rows become 4 + 4, not 6 + 2.
template <class Body>
void for_register_rows(int64_t begin, int64_t end, const Body& body) {
  while (begin < end) {
    const int64_t pieces = (end - begin + register_rows - 1) / register_rows, n = (end - begin + pieces - 1) / pieces;
    body(begin, n);
    begin += n;
  }
}

// Memory that is prefetched while a tile is computed, one cache line per step. The hardware prefetcher cannot predict
// the address of the next cache block. Prefetching the whole block at once would delay the loads of the current tile.
struct PrefetchRange {
  const char* first = nullptr;
  int64_t bytes = 0;

  PrefetchRange part(int64_t i, int64_t n) const { return {first + bytes / n * i, bytes / n}; }
  int64_t step(int64_t steps) const { return bytes / steps; }
};
inline void prefetch_line(const char* p) { _mm_prefetch(p, _MM_HINT_T0); }

// dots[i][lane] = Σ_e a[i][e]·bt[e][lane]: a (R, E) with row distance `lda`, bt (E, 16).
template <int R, bool prefetch = false, class C>
inline void dot_tile(vec (&dots)[R], const float* a, int64_t lda, const C* bt, int64_t E, PrefetchRange ahead = {}) {
  const int64_t step = ahead.step(E);
  vec sums[R];
  for (int i = 0; i < R; ++i) sums[i] = splat(0.0f);
  for (int64_t e = 0; e < E; ++e) {
    if constexpr (prefetch) prefetch_line(ahead.first + e * step);
    const vec b = load(bt + e * lanes);
#pragma GCC unroll 12
    for (int i = 0; i < R; ++i) sums[i] = fma(splat(a[i * lda + e]), b, sums[i]);
  }
  for (int i = 0; i < R; ++i) dots[i] = sums[i];
}

// o[i][e] = o[i][e]·rescale[i] + Σ_j p[i][j]·v[j][e] for j in [first, last): o (R, width) with row distance `width`, p
// (R, 16), v (16, width).
template <int R, int W, bool prefetch, class C>
inline void accumulate_columns(float* o, const float* p, const float* rescale, const C* v, int64_t first, int64_t last,
                               int64_t width, const char* near, int64_t step) {
  vec sums[R][W];
#pragma GCC unroll 12
  for (int i = 0; i < R; ++i)
#pragma GCC unroll 4
    for (int w = 0; w < W; ++w) sums[i][w] = load(o + i * width + w * lanes) * splat(rescale[i]);
  for (int64_t j = first; j < last; ++j) {
    if constexpr (prefetch) prefetch_line(near + j * step);
    vec row[W];
#pragma GCC unroll 4
    for (int w = 0; w < W; ++w) row[w] = load(v + j * width + w * lanes);
#pragma GCC unroll 12
    for (int i = 0; i < R; ++i)
#pragma GCC unroll 4
      for (int w = 0; w < W; ++w) sums[i][w] = fma(splat(p[i * lanes + j]), row[w], sums[i][w]);
  }
#pragma GCC unroll 12
  for (int i = 0; i < R; ++i)
#pragma GCC unroll 4
    for (int w = 0; w < W; ++w) store(o + i * width + w * lanes, sums[i][w]);
}
template <int R, bool prefetch = false, class C>
inline void accumulate_tile(float* o, const float* p, const float* rescale, const C* v, int64_t first, int64_t last,
                            int64_t width, PrefetchRange ahead = {}) {
  constexpr int wide = R == 1 ? 4 : R == 2 ? 2 : 1;  // enough independent sums to hide the latency of an FMA
  const int64_t step = ahead.step(width);
  int64_t e = 0;
  for (; e + wide * lanes <= width; e += wide * lanes)
    accumulate_columns<R, wide, prefetch>(o + e, p, rescale, v + e, first, last, width, ahead.first + e * step,
                                          step * wide);
  for (; e < width; e += lanes)
    accumulate_columns<R, 1, prefetch>(o + e, p, rescale, v + e, first, last, width, ahead.first + e * step, step);
}

// The running softmax of up to attention_rows rows. q has E elements per row, o has padded(E).
struct AttentionRows {
  int64_t count, E, width;
  float scale;
  int64_t visible[attention_rows];  // number of keys that each row sees: positions 0 .. visible - 1
  alignas(64) float m[attention_rows];
  alignas(64) float l[attention_rows * lanes];  // one sum per lane of the tile
  alignas(64) float q[attention_rows * max_head_dim];
  alignas(64) float o[attention_rows * max_head_dim];

  void start(int64_t head_dim, float factor) {
    count = 0;
    E = head_dim;
    width = padded(E);
    scale = factor;
  }
  template <class X>
  void add(const X* query, int64_t keys) {
    load_row(q + count * E, query, E, E);
    open(keys);
  }
  void open(int64_t keys) {
    for (int64_t e = 0; e < width; e += lanes) store(o + count * width + e, splat(0.0f));
    store(l + count * lanes, splat(0.0f));
    m[count] = -std::numeric_limits<float>::infinity();
    visible[count++] = keys;
  }
  float denominator(int64_t r) const { return sum(load(l + r * lanes)); }
};

// Turns the dot products s of rows [r, r + R) with a tile of keys into softmax weights. The tile's first key is at
// position `start`; each row sees at least one key. The weight of a key that a row does not see is 0. Updates m and l;
// rescale (16) receives the factors of the rows' sums over the earlier keys. Returns the number of leading keys that
// all these rows see.
template <int R>
[[gnu::always_inline]] inline int64_t softmax_tile(AttentionRows& a, int64_t r, int64_t start, vec (&s)[R],
                                                   float* rescale) {
  alignas(64) float scores[lanes];
  int64_t common = lanes;
  store(rescale, splat(0.0f));
#pragma GCC unroll 12
  for (int i = 0; i < R; ++i) {
    s[i] = s[i] * splat(a.scale);
    const int64_t n = a.visible[r + i] - start;
    if (n < lanes) {
      store(scores, s[i]);
      s[i] = load_some(scores, n, -std::numeric_limits<float>::infinity());
      common = std::min(common, n);
    }
    const float m = std::max(a.m[r + i], maximum(s[i]));
    rescale[i] = a.m[r + i] - m;
    a.m[r + i] = m;
  }
  store(rescale, exp(load(rescale)));
#pragma GCC unroll 12
  for (int i = 0; i < R; ++i) {
    s[i] = exp(s[i] - splat(a.m[r + i]));
    float* l = a.l + (r + i) * lanes;
    store(l, fma(load(l), splat(rescale[i]), s[i]));
  }
  return common;
}

// Adds a tile of keys and their values to the attention of rows [r, r + R), each of which sees at least one key of the
// tile. The tile's first key is at position `start`. A row's sums do not contain keys that the row does not see,
// because the bits of these keys in the cache may be arbitrary.
template <int R, bool prefetch, class C>
void attend_register_rows(AttentionRows& a, int64_t r, const C* k, const C* v, int64_t start, PrefetchRange ahead) {
  alignas(64) float p[R * lanes], rescale[lanes];
  vec s[R];
  dot_tile<R, prefetch>(s, a.q + r * a.E, a.E, k, a.E, ahead.part(0, 2));
  const int64_t common = softmax_tile(a, r, start, s, rescale);
#pragma GCC unroll 12
  for (int i = 0; i < R; ++i) store(p + i * lanes, s[i]);
  float* o = a.o + r * a.width;
  accumulate_tile<R, prefetch>(o, p, rescale, v, 0, common, a.width, ahead.part(1, 2));
  if (common == lanes) return;
  const float one = 1.0f;
  for (int i = 0; i < R; ++i)
    accumulate_tile<1>(o + i * a.width, p + i * lanes, &one, v, common, std::min(lanes, a.visible[r + i] - start),
                       a.width);
}

template <class C>
void attend(AttentionRows& a, int64_t begin, int64_t end, const C* k, const C* v, int64_t start,
            PrefetchRange ahead = {}) {
  const int64_t pieces = (end - begin + register_rows - 1) / register_rows;
  // More than 4 pieces compute long enough to hide the memory latency without a prefetch.
  const bool prefetch = ahead.bytes > 0 && pieces <= 4;
  int64_t piece = 0;
  while (begin < end) {
    if (a.visible[begin] <= start) {
      ++begin;
      continue;
    }
    int64_t run = begin + 1;
    while (run < end && a.visible[run] > start) ++run;
    for_register_rows(begin, run, [&](int64_t r, int64_t n) {
      with_rows(n, [&]<int R>() {
        if (prefetch) attend_register_rows<R, true>(a, r, k, v, start, ahead.part(piece++, pieces));
        else attend_register_rows<R, false>(a, r, k, v, start, {});
      });
    });
    begin = run;
  }
}

}  // namespace ingrain::INGRAIN_ISA
