// Tiles of 64 keys or values of the paged cache in shared memory, and the products of one warp with them. A tile has
// the type of the cache; fp8 elements become bf16 in registers, when a warp reads them.
//
// A row of a tile has `words` words of 16 bytes. The position of a word in its row is changed by an exclusive or with
// the number of the row, so that the eight rows of a matrix load are in eight different bank groups.
#pragma once
#include "flash.h"
#include "paged_plan.h"

constexpr int paged_threads = 128, paged_warps = paged_threads / 32, tile_keys = chunk_keys / paged_warps;

template <class C, int EP> struct CacheTile {
  static constexpr bool is_fp8 = sizeof(C) == 1;
  static constexpr int words = EP * static_cast<int>(sizeof(C)) / 16, row_bytes = 16 * words,
                       bytes = tile_keys * row_bytes;

  static __device__ __forceinline__ int offset(int row, int word) {
    return row * row_bytes + 16 * (word ^ (words >= 8 ? row % 8 : row / 2 % 4));
  }
};

// Addresses of one key-value head in the cache.
struct CacheRows {
  const char* keys;
  int64_t value_distance, row_bytes;
  int words;  // words of a row in the cache; the other words of the row in the tile become 0

  // Starts the asynchronous copies of 16·G rows of a tile, of keys (part 0) or values (part 1), with `threads` threads,
  // each of which passes its index. runs[g] is the offset of the cache rows of tile rows [16·g, 16·g + 16). Of the rows
  // of the tile, the first `valid` are copied, and the others become 0.
  template <class Tile, int threads, int G>
  __device__ __forceinline__ void copy(char* tile, int part, int valid, int thread, const int64_t (&runs)[G]) const {
    constexpr int step = threads / Tile::words;  // a power of two, so row0 and i have no common bits
    const int word = thread % Tile::words, row0 = thread / Tile::words, to = Tile::offset(row0, word),
              left = (word < words ? valid : 0) - row0;
    const char* from = keys + (part ? value_distance : 0) + row0 % 16 * row_bytes + 16 * word;
#pragma unroll
    for (int i = 0; i < 16 * G; i += step) {
      const int64_t run = step <= 16 || row0 < 16 ? runs[i / 16] : runs[i / 16 + 1];
      copy_async16(tile + (to ^ i % 8 * 16) + i * Tile::row_bytes, from + run + i % 16 * row_bytes, i < left);
    }
  }
};

// s (16, 8·N) = q (16, EP) · (keys of rows 0 .. 8·N - 1)ᵀ. q comes from load_rows, for an fp8 cache with `fours`.
template <class C, int EP, int N>
__device__ __forceinline__ void key_scores(float (&s)[N][4], const unsigned (&q)[EP / 16][4], const char* keys) {
  using Tile = CacheTile<C, EP>;
  const int lane = threadIdx.x % 32, at = Tile::offset(lane % 8, lane / 8);
#pragma unroll
  for (int n = 0; n < N; ++n) s[n][0] = s[n][1] = s[n][2] = s[n][3] = 0;
#pragma unroll
  for (int k = 0; k < Tile::words / 4; ++k)
#pragma unroll
    for (int n = 0; n < N; ++n) {
      unsigned m[4];
      load_matrices(m, keys + 8 * n * Tile::row_bytes + k / 2 * 128 + (at ^ k % 2 * 64));
      if constexpr (Tile::is_fp8) {
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          unsigned four[2];
          widen_fp8(four, m[i]);
          mma(s[n], q[4 * k + i], four);
        }
      } else {
        mma(s[n], q[2 * k], {m[0], m[1]});
        mma(s[n], q[2 * k + 1], {m[2], m[3]});
      }
    }
}

// o (16, 8·N) += p (16, 16·J) · (values of rows 0 .. 16·J - 1, N column tiles from `tile0` on). `pair_column` returns
// the columns of an fp8 cache.
template <class C, int EP, int J, int N>
__device__ __forceinline__ void weigh_values(float (&o)[N][4], const unsigned (&p)[J][4], const char* values,
                                             int tile0) {
  using Tile = CacheTile<C, EP>;
  constexpr int per_word = Tile::is_fp8 ? 2 : 1;
  const int lane = threadIdx.x % 32, at = Tile::offset(lane % 16, lane / 16);
#pragma unroll
  for (int j = 0; j < J; ++j)
#pragma unroll
    for (int n = 0; n < N; n += 2 * per_word) {
      const int word = (tile0 + n) / per_word;
      unsigned m[4];
      load_matrices<true>(m, values + 16 * j * Tile::row_bytes + word / 8 * 128 + (at ^ word % 8 * 16));
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        if constexpr (Tile::is_fp8) {
          unsigned low[2], high[2];
          widen_fp8<true>(low, m[2 * i]);
          widen_fp8<true>(high, m[2 * i + 1]);
          mma(o[n + 2 * i], p[j], {low[0], high[0]});
          mma(o[n + 2 * i + 1], p[j], {low[1], high[1]});
        } else {
          mma(o[n + i], p[j], {m[2 * i], m[2 * i + 1]});
        }
      }
    }
}

// column_pair returns the two sums of pair n of row g + 8·r; the two sums are of adjacent columns. pair_column returns
// the first of these columns. With an fp8 cache, column tiles 2·c and 2·c + 1 are the even and the odd columns of
// [16·c, 16·c + 16).
template <class C, int N> __device__ __forceinline__ float2 column_pair(const float (&o)[N][4], int n, int r) {
  if constexpr (sizeof(C) == 1) return make_float2(o[n & ~1][2 * r + n % 2], o[n | 1][2 * r + n % 2]);
  else return make_float2(o[n][2 * r], o[n][2 * r + 1]);
}
template <class C> __device__ __forceinline__ int pair_column(int n) {
  const int t = threadIdx.x % 4;
  return sizeof(C) == 1 ? n / 2 * 16 + 4 * t + n % 2 * 2 : 8 * n + 2 * t;
}

// The softmax of a warp's 16 rows over the keys of one tile: maxima of the unscaled scores, sums of the rounded weights
// (all four lanes of a row have them), and the weights as left operand.
struct TileWeights {
  float m[2], l[2];
  unsigned p[tile_keys / 16][4];

  // s: scores; those of hidden keys are -inf
  __device__ __forceinline__ TileWeights(float (&s)[tile_keys / 8][4], float log2_scale) {
    row_maxima(m, s);
    const float base[2] = {finite_maximum(m[0]) * log2_scale, finite_maximum(m[1]) * log2_scale};
#pragma unroll
    for (int n = 0; n < tile_keys / 8; ++n)
#pragma unroll
      for (int i = 0; i < 4; ++i) s[n][i] = exp2_approximate(fmaf(s[n][i], log2_scale, -base[i / 2]));
    to_left(p, s);
    constexpr unsigned ones[2] = {0x3f803f80, 0x3f803f80};
    float sums[4] = {0, 0, 0, 0};
#pragma unroll
    for (int j = 0; j < tile_keys / 16; ++j) mma(sums, p[j], ones);
    l[0] = sums[0];
    l[1] = sums[2];
  }
};
