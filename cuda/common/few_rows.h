// few_rows: products of 1 to 16 rows, which the bytes of the weight bound.
//
// The weight is the 16-row operand of mma m16n8k16, the tokens are its columns. A sum does not mind the order of k, so a lane takes
// the 16 bytes of its row that lie together for the k-slots that the instruction gives it, and the same columns of x: both come
// straight from memory into the registers they are used in. A block takes 16·M rows of the weight; its eight warps share out the
// columns and are summed in order in shared memory. While one group of U·M·1 KiB a warp is multiplied, the next is on its way.
// Bytes in flight: 16 or 32 KiB a block, two blocks a multiprocessor; an H200 needs 20 KiB a multiprocessor (4.3 TB/s, 0.6 us).
#pragma once
#include "mma.h"

namespace few_rows {

constexpr int warps = 8, threads = 32 * warps;
constexpr int64_t max_rows = 16;

struct Arguments {
  void* y;                // (chunks, T, N), or (T, N / 2) where gated
  const bf16* x;          // (T, C)
  const void* w;          // (N, C)
  const float* scales;    // (N) or null
  int64_t N, C, chunk;    // chunk: columns of one sum
  int T;
  int32_t y_dtype;
  float beta;
};

// 16 bytes, or zeros where !valid, without a branch. streamed: nobody reads them again.
template <bool streamed> __device__ __forceinline__ uint4 load16(const void* p, bool valid) {
#ifdef INGRAIN_SIMT
  return valid ? *static_cast<const uint4*>(p) : make_uint4(0, 0, 0, 0);
#else
  uint4 v = make_uint4(0, 0, 0, 0);
  if constexpr (streamed)
    asm volatile("{.reg .pred p; setp.ne.u32 p, %5, 0; @p ld.global.nc.L1::no_allocate.v4.u32 {%0,%1,%2,%3}, [%4];}"
                 : "+r"(v.x), "+r"(v.y), "+r"(v.z), "+r"(v.w) : "l"(p), "r"(static_cast<unsigned>(valid)));
  else
    asm volatile("{.reg .pred p; setp.ne.u32 p, %5, 0; @p ld.global.v4.u32 {%0,%1,%2,%3}, [%4];}"
                 : "+r"(v.x), "+r"(v.y), "+r"(v.z), "+r"(v.w) : "l"(p), "r"(static_cast<unsigned>(valid)) : "memory");
  return v;
#endif
}

// The bf16 of a lane's 16 bytes in pairs, as the fragments take them; fp8 is exact in bf16.
__device__ __forceinline__ void pairs_of(unsigned (&pairs)[4], const uint4& v, const bf16*) {
  pairs[0] = v.x, pairs[1] = v.y, pairs[2] = v.z, pairs[3] = v.w;
}
__device__ __forceinline__ void pairs_of(unsigned (&pairs)[8], const uint4& v, const fp8*) {
  const unsigned words[4] = {v.x, v.y, v.z, v.w};
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    pairs[2 * i] = widen_fp8(words[i] & 0xffff);
    pairs[2 * i + 1] = widen_fp8(words[i] >> 16);
  }
}

// What a warp reads at once: U stripes of 64 bytes of columns, of 16·M rows of w and 8·TILES rows of x. X: 16-byte pieces of x for one of w.
template <int U, int M, int TILES, int X> struct Group {
  uint4 w[U][M][2], x[U][TILES][X];
};

template <class W, bool gated, int M, int TILES> struct Shape {
  static constexpr int U = TILES == 2 ? 1 : sizeof(W) == 2 ? 4 / M : 2;   // fp8 brings twice the registers of x a byte
  static constexpr int blocks = sizeof(W) == 1 && M == 4 ? 1 : 2;         // on a multiprocessor, so that nothing spills
  static constexpr int width = 16 / sizeof(W);    // columns a lane takes of a stripe
  static constexpr int stripe = 4 * width;
  static constexpr int X = width / 8;
  static constexpr int rows = 16 * M, tokens = 8 * TILES, outputs = gated ? rows / 2 : rows;
  using Loaded = Group<U, M, TILES, X>;
};

// Where a lane reads next: its first row of the weight (where gated, of gate and of up), its first row of x, and how many rows, tokens
// and columns there are from there on.
template <class W, bool gated> struct Place {
  const W* w[gated ? 2 : 1];
  const bf16* x;
  int rows, tokens, columns;
};

template <class W, bool gated, int M, int TILES>
__device__ __forceinline__ Place<W, gated> first_place(const Arguments& a, int g, int64_t column, int64_t end) {
  using S = Shape<W, gated, M, TILES>;
  const int64_t height = gated ? a.N / 2 : a.N, row = static_cast<int64_t>(blockIdx.x) * S::outputs + g;
  Place<W, gated> place;
#pragma unroll
  for (int i = 0; i < (gated ? 2 : 1); ++i) place.w[i] = static_cast<const W*>(a.w) + (i * height + row) * a.C + column;
  place.x = a.x + g * a.C + column;
  place.rows = static_cast<int>(height - row < S::rows ? height - row : S::rows);
  place.tokens = a.T - g;
  place.columns = static_cast<int>(end - column);
  return place;
}

// Reads a group and goes on by `step` columns.
template <class W, bool gated, int M, int TILES>
__device__ __forceinline__ void read(typename Shape<W, gated, M, TILES>::Loaded& group, Place<W, gated>& place, int64_t C, int step) {
  using S = Shape<W, gated, M, TILES>;
#pragma unroll
  for (int u = 0; u < S::U; ++u) {
    const int column = u * S::stripe;
    const bool inside = column < place.columns;
#pragma unroll
    for (int m = 0; m < M; ++m)
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const int row = 16 * (gated ? m % (M / 2) : m) + 8 * half;
        group.w[u][m][half] = load16<true>(place.w[gated ? m / (M / 2) : 0] + row * C + column, inside && row < place.rows);
      }
#pragma unroll
    for (int n = 0; n < TILES; ++n)
#pragma unroll
      for (int i = 0; i < S::X; ++i)
        group.x[u][n][i] = load16<false>(place.x + 8 * n * C + column + 8 * i, inside && 8 * n < place.tokens);
  }
#pragma unroll
  for (int i = 0; i < (gated ? 2 : 1); ++i) place.w[i] += step;
  place.x += step;
  place.columns -= step;
}

template <class W, bool gated, int M, int TILES>
__device__ __forceinline__ void multiply(float (&sums)[M][TILES][4], const typename Shape<W, gated, M, TILES>::Loaded& group) {
  using S = Shape<W, gated, M, TILES>;
#pragma unroll
  for (int u = 0; u < S::U; ++u) {
    unsigned x[TILES][4 * S::X];
#pragma unroll
    for (int n = 0; n < TILES; ++n)
#pragma unroll
      for (int i = 0; i < S::X; ++i) {
        const uint4 v = group.x[u][n][i];
        x[n][4 * i] = v.x, x[n][4 * i + 1] = v.y, x[n][4 * i + 2] = v.z, x[n][4 * i + 3] = v.w;
      }
#pragma unroll
    for (int m = 0; m < M; ++m) {
      unsigned low[4 * S::X], high[4 * S::X];
      pairs_of(low, group.w[u][m][0], static_cast<const W*>(nullptr));
      pairs_of(high, group.w[u][m][1], static_cast<const W*>(nullptr));
#pragma unroll
      for (int k = 0; k < 4 * S::X; k += 2) {
        const unsigned left[4] = {low[k], high[k], low[k + 1], high[k + 1]};
#pragma unroll
        for (int n = 0; n < TILES; ++n) {
          const unsigned right[2] = {x[n][k], x[n][k + 1]};
          mma(sums[m][n], left, right);
        }
      }
    }
  }
}

// The warps' sums in order: element (row r, token t) of the block.
template <class S> __device__ __forceinline__ float total(const float (*partial)[S::rows][S::tokens], int r, int t) {
  float sum = partial[0][r][t];
#pragma unroll
  for (int warp = 1; warp < warps; ++warp) sum += partial[warp][r][t];
  return sum;
}

template <class S, bool gated> __device__ __forceinline__ void write(const Arguments& a, const float (*partial)[S::rows][S::tokens]) {
  const int64_t width = gated ? a.N / 2 : a.N;
  for (int i = threadIdx.x; i < S::outputs * a.T; i += threads) {
    const int r = i % S::outputs, t = i / S::outputs;
    const int64_t n = static_cast<int64_t>(blockIdx.x) * S::outputs + r;
    if (n >= width) continue;
    float value = total<S>(partial, r, t) * (a.scales ? a.scales[n] : 1);
    if (gated) {
      const float up = total<S>(partial, r + S::outputs, t) * (a.scales ? a.scales[width + n] : 1);
      value = value / (1 + expf(-value)) * up;
    }
    const int64_t at = (static_cast<int64_t>(blockIdx.y) * a.T + t) * width + n;
    float* const y32 = static_cast<float*>(a.y);
    bf16* const y16 = static_cast<bf16*>(a.y);
    if (a.beta != 0) value = __fadd_rn(__fmul_rn(a.beta, a.y_dtype == INGRAIN_F32 ? y32[at] : to_float(y16[at])), value);
    if (a.y_dtype == INGRAIN_F32) y32[at] = value;
    else y16[at] = from_float<bf16>(value);
  }
}

// Block (i, chunk): 16·M rows of the weight, one chunk of its columns.
template <class W, bool gated, int M, int TILES> __global__ void __launch_bounds__(threads, (Shape<W, gated, M, TILES>::blocks)) product(Arguments a) {
  using S = Shape<W, gated, M, TILES>;
  __shared__ float partial[warps][S::rows][S::tokens];
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, g = lane / 4, t = lane % 4;
  const int64_t begin = static_cast<int64_t>(blockIdx.y) * a.chunk, end = begin + a.chunk;
  constexpr int group = S::U * S::stripe, step = warps * group;
  Place<W, gated> place = first_place<W, gated, M, TILES>(a, g, begin + warp * group + t * S::width, end);
  float sums[M][TILES][4] = {};
  typename S::Loaded now, next;
  read<W, gated, M, TILES>(now, place, a.C, step);
  for (int64_t column = begin + warp * group; column < end; column += step) {  // as many turns for every lane: mma is the warp's
    read<W, gated, M, TILES>(next, place, a.C, step);
    multiply<W, gated, M, TILES>(sums, now);
    now = next;
  }
#pragma unroll
  for (int m = 0; m < M; ++m)
#pragma unroll
    for (int n = 0; n < TILES; ++n)
#pragma unroll
      for (int i = 0; i < 4; ++i) partial[warp][16 * m + 8 * (i / 2) + g][8 * n + 2 * t + i % 2] = sums[m][n][i];
  __syncthreads();
  write<S, gated>(a, partial);
}

template <class W, bool gated, int M, int TILES> ingrain_status start(ingrain_context* ctx, const Arguments& a) {
  using S = Shape<W, gated, M, TILES>;
  const dim3 grid(blocks_for(gated ? a.N / 2 : a.N, S::outputs), static_cast<unsigned>(a.C / a.chunk));
  return launch(product<W, gated, M, TILES>, grid, threads, 0, ctx, a);
}

// More rows a block where there are many tokens, because x is read once for them; fewer where the weight is too narrow to give every
// multiprocessor of an H200 (132) a block.
template <class W, bool gated> ingrain_status start(ingrain_context* ctx, const Arguments& a) {
  if constexpr (gated) {
    return a.T > 8 ? start<W, true, 4, 2>(ctx, a) : start<W, true, 2, 1>(ctx, a);
  } else {
    const bool wide = a.N >= 64 * 120;
    if (a.T > 8) return wide ? start<W, false, 4, 2>(ctx, a) : start<W, false, 2, 2>(ctx, a);
    return wide && a.T > 4 ? start<W, false, 2, 1>(ctx, a) : start<W, false, 1, 1>(ctx, a);
  }
}

// Whether such a product of a bf16 x can be computed here: 16-byte pieces of every row of x, and of every chunk of w.
inline bool fits(const ingrain_weight* w, const void* x, int32_t dtype, int64_t T) {
  const int64_t width = w->dtype == INGRAIN_BF16 ? 8 : w->dtype == INGRAIN_F8E4M3 ? 16 : 0;
  return width > 0 && dtype == INGRAIN_BF16 && T <= max_rows && w->columns % width == 0 && (w->chunk == 0 || w->chunk % width == 0) &&
         (reinterpret_cast<uintptr_t>(x) | reinterpret_cast<uintptr_t>(w->data)) % 16 == 0;
}

// y (T, N) = beta·y + x · Wᵀ; partial: y (C / chunk, T, N) f32; gated: y (T, N / 2) = silu(gate)·up.
template <bool gated>
ingrain_status run(ingrain_context* ctx, void* y, const void* x, const ingrain_weight* w, int32_t y_dtype, int64_t T, float beta, bool partial) {
  const Arguments a{y, static_cast<const bf16*>(x), w->data, w->scales, w->rows, w->columns, partial && w->chunk > 0 ? w->chunk : w->columns,
                    static_cast<int>(T), y_dtype, beta};
  if (w->dtype == INGRAIN_BF16) return start<bf16, gated>(ctx, a);
  return start<fp8, gated>(ctx, a);
}

}  // namespace few_rows
