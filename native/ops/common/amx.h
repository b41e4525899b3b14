// Products of bf16 tiles by AMX. A tile of W has 16 output features and 32 columns; in a packed panel (weight.h) it is
// 1 KiB of adjacent bytes. A tile of x has 16 rows and 32 columns. The buffers of x and of the sums have a multiple of
// 16 rows. The rows after the last row of x are computed, too, but their sums are not used.
//
// Order of summation: for each tile of 32 columns, an element of the result has two sums: one over the products of the
// even columns, and one over the products of the odd columns, each in ascending order. Then the total of these two sums
// is added to the element (tdpbf16ps: Intel's Software Developer's Manual, volume 2). Denormals count as zero. Blocks
// of columns begin at multiples of 32 from the first column of a chunk (gemm.h). So the division into blocks does not
// change the tiles. Only the last tile of a chunk may have fewer than 32 columns.
#pragma once
#include "blocks.h"
#include "weight.h"

#if defined(__AMX_TILE__)
namespace ingrain::INGRAIN_ISA {

constexpr int64_t amx_rows = 16, amx_columns = 32;  // of a bf16 tile
static_assert(prefetch_columns == amx_columns);

// While an object of this class exists, the thread can use tiles. Tiles 0 to 3 hold sums (16, 16), tiles 4 and 5 hold
// x, and tiles 6 and 7 hold W.
class AmxTiles {
 public:
  explicit AmxTiles(int64_t columns = amx_columns) { configure(columns, columns); }
  AmxTiles(int64_t columns, int64_t columns_of_5_and_7) { configure(columns, columns_of_5_and_7); }
  ~AmxTiles() { _tile_release(); }
  AmxTiles(const AmxTiles&) = delete;
  AmxTiles& operator=(const AmxTiles&) = delete;

  // Sets all tiles to 0. Sets the number of bf16 columns of tiles 4 and 6 to `even`, and that of tiles 5 and 7 to
  // `odd`. Both numbers must be even.
  static void configure(int64_t even, int64_t odd) {
    struct alignas(64) Configuration {
      uint8_t palette = 1, start_row = 0, reserved[14] = {};
      uint16_t row_bytes[16] = {};
      uint8_t rows[16] = {};
    } tiles;
    for (int i = 0; i < 8; ++i) {
      const bool x = i == 4 || i == 5, w = i >= 6;
      const int64_t columns = i % 2 == 0 ? even : odd;
      tiles.row_bytes[i] = static_cast<uint16_t>(x ? columns * 2 : 64);
      tiles.rows[i] = static_cast<uint8_t>(w ? columns / 2 : amx_rows);
    }
    // The intrinsic of gcc 12 is not used, because it declares only 8 of the 64 bytes as its operand.
    __asm__ volatile("ldtilecfg %0" ::"m"(tiles));
  }
};

// Stores a and b rounded to bf16. Denormals become zeros; no product changes, because products read them as zeros.
inline void store_rounded(bf16* p, vec a, vec b) {
  _mm512_storeu_si512(p, (__m512i)_mm512_cvtne2ps_pbh(b.v, a.v));
}

// out (ceil(rows / 16), ld / 32, 16, 32) = x (rows, columns), padded with zeros to ld columns.
template <class X>
void read_tiles(bf16* out, int64_t ld, const X* x, int64_t x_ld, int64_t rows, int64_t columns) {
  for (int64_t r = 0; r < rows; ++r, x += x_ld) {
    bf16* to = out + r / amx_rows * amx_rows * ld + r % amx_rows * amx_columns;
    for (int64_t c = 0; c < ld; c += amx_columns, to += amx_rows * amx_columns) {
      const int64_t inside = std::min(amx_columns, columns - c);
      if (inside == amx_columns) store_rounded(to, load(x + c), load(x + c + lanes));
      else
        for (int64_t i = 0; i < amx_columns; ++i) to[i] = from_float<bf16>(i < inside ? to_float(x[c + i]) : 0.0f);
    }
  }
}
inline void read_tiles(bf16* out, int64_t ld, const matrix& x, int64_t row, int64_t rows, int64_t column,
                       int64_t columns) {
  const int64_t from = row * x.ld + column;
  if (x.dtype == INGRAIN_F32) read_tiles(out, ld, static_cast<const float*>(x.data) + from, x.ld, rows, columns);
  else read_tiles(out, ld, static_cast<const bf16*>(x.data) + from, x.ld, rows, columns);
}

// sums (16·R, 16·P) += x (16·R, n) · W (16·P, n)ᵀ for R = 1 and P = 1, 2 or 4, or R = 2 and P = 1 or 2. n is even. x is
// in the order of read_tiles, x_ld columns wide. Consecutive panels of W are w_ld elements apart. Prefetches `ahead`.
template <int R, int P>
void amx_tile(float* sums, int64_t sums_ld, const bf16* x, int64_t x_ld, const bf16* w, int64_t w_ld, int64_t n,
              WeightAhead ahead) {
  static_assert(R * P <= 4 && R <= 2);
  const auto stride = static_cast<size_t>(sums_ld) * sizeof(float);
  const auto multiply = [&](int64_t begin, int64_t end) {
    float* second = sums + (R == 2 ? amx_rows * sums_ld : 2 * panel_rows);
    __asm__ volatile("" ::: "memory");  // gcc 12 does not know that loads of tiles read memory
    _tile_loadd(0, sums, stride);
    if constexpr (P > 1) _tile_loadd(1, sums + panel_rows, stride);
    if constexpr (R * P == 4 || R == 2) _tile_loadd(2, second, stride);
    if constexpr (R * P == 4) _tile_loadd(3, second + panel_rows, stride);
    for (int64_t c = begin; c < end; c += amx_columns) {
      const bf16* columns = w + c * panel_rows;
      ahead.prefetch();
      _tile_loadd(4, x + c * amx_rows, 64);
      _tile_loadd(6, columns, 64);
      _tile_dpbf16ps(0, 4, 6);
      if constexpr (P > 1) {
        _tile_loadd(7, columns + w_ld, 64);
        _tile_dpbf16ps(1, 4, 7);
      }
      if constexpr (R == 2) {
        _tile_loadd(5, x + (x_ld + c) * amx_rows, 64);
        _tile_dpbf16ps(2, 5, 6);
        if constexpr (P == 2) _tile_dpbf16ps(3, 5, 7);
      } else if constexpr (P == 4) {
        _tile_loadd(6, columns + 2 * w_ld, 64);
        _tile_dpbf16ps(2, 4, 6);
        _tile_loadd(7, columns + 3 * w_ld, 64);
        _tile_dpbf16ps(3, 4, 7);
      }
    }
    _tile_stored(0, sums, stride);
    if constexpr (P > 1) _tile_stored(1, sums + panel_rows, stride);
    if constexpr (R * P == 4 || R == 2) _tile_stored(2, second, stride);
    if constexpr (R * P == 4) _tile_stored(3, second + panel_rows, stride);
  };
  const int64_t whole = n / amx_columns * amx_columns;
  if (whole > 0) multiply(0, whole);
  if (whole == n) return;
  AmxTiles::configure(n - whole, n - whole);
  multiply(whole, n);
  AmxTiles::configure(amx_columns, amx_columns);
}

inline auto amx_tile_for(int64_t rows, int64_t panels) {
  if (rows > amx_rows) return panels == 2 ? amx_tile<2, 2> : amx_tile<2, 1>;
  return panels == 4 ? amx_tile<1, 4> : panels == 2 ? amx_tile<1, 2> : amx_tile<1, 1>;
}

}  // namespace ingrain::INGRAIN_ISA
#endif
