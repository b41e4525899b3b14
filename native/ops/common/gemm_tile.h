// The register tiles of the product in gemm.h. For each type of weight, this header defines how columns are read and
// multiplied, how many rows and panels a tile has, how the rows of x are stored for it, and the sizes of the scratch.
#pragma once
#include "amx.h"
#include "blocks.h"
#include "quantized_tile.h"

namespace ingrain::INGRAIN_ISA {

#if defined(__AVX512F__)
constexpr int64_t tile_rows = 12, tile_sums = 24, wide = 2;  // 32 registers, one per vec
constexpr int64_t quantized_rows = 12;  // twelve integer and twelve f32 sums
#else
constexpr int64_t tile_rows = 6, tile_sums = 6, wide = 1;  // 16 registers, two per vec
constexpr int64_t quantized_rows = 4;  // four integer sums; the f32 sums are in memory
#endif
constexpr int64_t block_rows = 96, block_columns = 256, block_panels = 16;
constexpr int64_t x_elements = block_rows * block_columns;

inline int64_t up(int64_t n, int64_t unit) { return (n + unit - 1) / unit; }

// Reads `step` adjacent columns of a panel of type W in `passes` passes. Each pass returns one operand of a
// multiply-add. The other operand comes from a row of x, whose elements have been converted to type X.
template <class W> struct columns_of;
template <> struct columns_of<float> {
  using X = float;
  static constexpr int64_t step = 1, passes = 1, most_rows = tile_rows;
  static vec read(const float* p, int64_t) { return load(p); }
  static vec multiply(const float* x, vec w, vec sum) { return fma(splat(*x), w, sum); }
};
#if defined(__AMX_TILE__)
// Uses tdpbf16ps, with x rounded to bf16; see amx.h.
template <> struct columns_of<bf16> {
  using X = bf16;
  static constexpr int64_t step = 2, most_rows = 2 * amx_rows;
};
#elif defined(__AVX512BF16__)
// Uses vdpbf16ps, with x rounded to bf16. A lane adds x₁·w₁ and then x₀·w₀ to its sum by FMAs (measured on Zen 4 with
// 320,000 sums; as in Intel's Software Developer's Manual, volume 2). Denormals count as zero.
template <> struct columns_of<bf16> {
  using X = bf16;
  static constexpr int64_t step = 2, passes = 1, most_rows = tile_rows;
  static vec read(const bf16* p, int64_t) { return {_mm512_loadu_ps(p)}; }
  static vec multiply(const bf16* x, vec w, vec sum) {
    int32_t pair;
    memcpy(&pair, x, sizeof pair);
    return {_mm512_dpbf16_ps(sum.v, (__m512bh)_mm512_set1_epi32(pair), (__m512bh)w.v)};
  }
};
#else
template <> struct columns_of<bf16> {
  using X = float;
  // With six rows per tile there would be too few registers for the sums.
  static constexpr int64_t step = 2, passes = 2, most_rows = tile_rows == 6 ? 4 : tile_rows;
  static vec read(const bf16* p, int64_t pass) {
    return pass == 0 ? even(load_pairs(p)) : odd(load_pairs(p));
  }
  static vec multiply(const float* x, vec w, vec sum) { return fma(splat(*x), w, sum); }
};
#endif
template <quantized_element W> struct columns_of<W> {
  using X = x_block;
  static constexpr int64_t step = x_block_size, most_rows = quantized_rows;
};
template <class W> using x_of = typename columns_of<W>::X;
// The maximum number of f32 sums in a tile. A quantized tile also has the same number of integer sums.
template <class W> constexpr int64_t sums_of = quantized_element<W> ? quantized_rows : tile_sums;
template <class W> constexpr int64_t x_columns_of = quantized_element<W> ? x_block_size : 1;  // per element of x
#if defined(__AMX_TILE__)
template <class W> constexpr bool by_amx = std::is_same_v<W, bf16>;
template <class W> constexpr int64_t rows_together = by_amx<W> ? amx_rows : 1;
#else
template <class W> constexpr bool by_amx = false;
template <class W> constexpr int64_t rows_together = 1;
#endif
// The maximum number of rows of a product that streams W once; see plan().
template <class W> constexpr int64_t max_small_rows = by_amx<W> ? 48 : wide == 2 ? 24 : 16;
// For `rows` rows, the buffers of x and of the sums have this number of rows: the next multiple of rows_together.
template <class W> constexpr int64_t tall(int64_t rows) { return up(rows, rows_together<W>) * rows_together<W>; }
// A block of x is padded to a multiple of x_columns_together columns. x_bytes(n) is the size of n columns of a row,
// with this padding.
template <class W> constexpr int64_t x_columns_together = by_amx<W> ? 32 : columns_of<W>::step;
template <class W> int64_t x_padded(int64_t n) { return up(n, x_columns_together<W>) * x_columns_together<W>; }
template <class W> int64_t x_bytes(int64_t n) {
  return x_padded<W>(n) / x_columns_of<W> * static_cast<int64_t>(sizeof(x_of<W>));
}
// Maximum number of rows of a task if x is in the workspace. A block of x with this many rows and block_columns columns
// has 192 KiB, or 256 KiB with AMX.
template <class W> constexpr int64_t long_rows = by_amx<W> ? 512 : 768 * x_columns_of<W> / sizeof(x_of<W>);

template <class W> constexpr int64_t sum_elements = (by_amx<W> ? long_rows<W> : block_rows) * block_panels * panel_rows;

template <class W>
struct alignas(64) gemm_scratch {  // of a task: 304 KiB (320 KiB with AVX-512); 1152 KiB for AMX
  unsigned char x[x_elements * sizeof(float)];
  unsigned char w[wide * block_columns * panel_rows * sizeof(float)];
  float sums[sum_elements<W>];
  float totals[sum_elements<W>];
};

// sums (R, 16·P) += x (R, n) · W (16·P, n)ᵀ. n is a multiple of the step. Consecutive panels are w_ld elements apart.
// Prefetches `ahead`.
template <int R, int P, class W>
void tile(float* sums, int64_t sums_ld, const x_of<W>* x, int64_t x_ld, const W* w, int64_t w_ld, int64_t n, int64_t,
          WeightAhead ahead) {
  constexpr int64_t step = columns_of<W>::step;
  vec s[R][P];
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
    for (int p = 0; p < P; ++p) s[r][p] = load(sums + r * sums_ld + p * panel_rows);
  for (int64_t c = 0; c < n; c += step) {
    if (c % prefetch_columns == 0) ahead.prefetch();
    // One panel is a single stream of loads, which would not saturate DRAM without this prefetch.
    if constexpr (P == 1) _mm_prefetch(reinterpret_cast<const char*>(w + c * panel_rows) + 1024, _MM_HINT_T0);
#pragma GCC unroll 2
    for (int pass = 0; pass < columns_of<W>::passes; ++pass) {
      vec columns[P];
#pragma GCC unroll 4
      for (int p = 0; p < P; ++p) columns[p] = columns_of<W>::read(w + p * w_ld + c * panel_rows, pass);
#pragma GCC unroll 16
      for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
        for (int p = 0; p < P; ++p) s[r][p] = columns_of<W>::multiply(x + r * x_ld + c + pass, columns[p], s[r][p]);
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
    for (int p = 0; p < P; ++p) store(sums + r * sums_ld + p * panel_rows, s[r][p]);
}

template <class W>
using tile_function = void (*)(float*, int64_t, const x_of<W>*, int64_t, const W*, int64_t, int64_t, int64_t,
                               WeightAhead);

template <class W, int R = columns_of<W>::most_rows, int P = 4>
tile_function<W> tile_for(int64_t rows, int64_t panels) {
#if defined(__AMX_TILE__)
  if constexpr (quantized_element<W>) {
    if (rows == amx_rows && panels == 1) return quantized_amx_tile<W>;
  }
#endif
  if constexpr (R * P > sums_of<W> && P > 1) return tile_for<W, R, P - 1>(rows, panels);
  else if (rows == R && panels == P) {
    if constexpr (quantized_element<W>) return quantized_tile<R, P, W>;
    else return tile<R, P, W>;
  } else if constexpr (P > 1) return tile_for<W, R, P - 1>(rows, panels);
  else if constexpr (R > 1) return tile_for<W, R - 1, 4>(rows, panels);
  else return nullptr;
}

// Returns the number of panels in a tile of r rows. It is large enough that independent sums hide the latency of an
// FMA.
template <class W> constexpr int64_t tile_panels(int64_t r) {
  if (by_amx<W>) return r > rows_together<W> ? 2 : 4;
  const int64_t fit = sums_of<W> / r;
  return fit > 4 ? 4 : fit < 1 ? 1 : fit;
}

}  // namespace ingrain::INGRAIN_ISA
