// few_rows: matrix products of 1 to 16 rows of x. Most of the time is spent on reading the weight.
//
// Operands: the weight is the left operand of mma m16n8k16 and x is the right one, so weight rows are rows of the mma
// result and tokens are its columns. The columns of w and x may be assigned to the instruction's k indices in any way,
// if w and x use the same assignment. So each lane reads 16 contiguous bytes of its weight row, uses these columns for
// the k indices of this lane, and reads the same columns of x.
//
// Tiling: a tile is 16·M rows of the weight. The columns of a tile are divided into turns. A turn has 128 bytes of each
// row. The turns are assigned cyclically to the eight warps of a block. At the end the sums of the warps are added in
// shared memory in ascending order of the warps. So the order of summation depends only on the number of columns, not
// on T, N or the grid.
//
// Bandwidth: every warp has its own ring buffer in shared memory. Asynchronous copies load up to 8 KiB of w in advance,
// including the beginning of the next tile. With two blocks per multiprocessor, 128 KiB per multiprocessor are in
// flight (an H200 needs 64 KiB for 4.5 TB/s). The blocks are persistent and compute the same number of tiles, so that
// they finish together. A turn consists of whole cache lines. fp8 is converted four bytes at a time; the conversion
// takes a third of the issue slots.
#pragma once
#include "device_limits.h"
#include "few_rows_norm.h"

namespace few_rows {

// Returns the index in shared memory of a warp's sum for a row and a token. The XOR swizzle avoids bank conflicts when
// sums are written and when they are read.
template <class S> __device__ __forceinline__ int place(int warp, int row, int token) {
  constexpr int rows = 16 * S::together;
  return (warp * S::tokens + token) * rows + (row ^ (token / 2 * 8 & (rows - 1)));
}
template <class S> __device__ __forceinline__ float total(const float* partial, int row, int token) {
  float sum = partial[place<S>(0, row, token)];
#pragma unroll
  for (int warp = 1; warp < warps; ++warp) sum += partial[place<S>(warp, row, token)];
  return sum;
}

// Adds the sums of the warps in ascending order of the warps and writes the outputs, the first of which is `first`.
template <class S> __device__ __forceinline__ void write(const Arguments& a, const float* partial, int64_t first) {
  constexpr int rows = S::gated ? 16 : 16 * S::together;
  const int64_t width = S::gated ? a.N / 2 : a.N;
  for (int i = threadIdx.x; i < rows * a.T; i += threads) {
    const int r = i % rows, t = i / rows;
    const int64_t n = first + r;
    if (n >= width) continue;
    float value = total<S>(partial, r, t) * (a.scales ? a.scales[n] : 1);
    if (S::gated) {
      const float up = total<S>(partial, r + 16, t) * (a.scales ? a.scales[width + n] : 1);
      value = value / (1 + expf(-value)) * up;
    }
    a.y.put((static_cast<int64_t>(blockIdx.y) * a.T + t) * width + n, value);
  }
}

template <class S>
__device__ __forceinline__ void finish(const Arguments& a, const float (&sums)[S::M][S::TILES][4], float* partial,
                                       int& buffer, unsigned tile) {
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, g = lane / 4, t = lane % 4;
  constexpr int rounds = S::M / S::together;
#pragma unroll
  for (int round = 0; round < rounds; ++round) {
    float* const to = partial + buffer * S::sums;
#pragma unroll
    for (int m = 0; m < S::together; ++m)
#pragma unroll
      for (int n = 0; n < S::TILES; ++n)
#pragma unroll
        for (int i = 0; i < 4; ++i)
          to[place<S>(warp, 16 * m + 8 * (i / 2) + g, 8 * n + 2 * t + i % 2)] =
              sums[S::gated ? m * rounds + round : round * S::together + m][n][i];
    __syncthreads();
    write<S>(a, to, static_cast<int64_t>(tile) * S::outputs + round * (S::outputs / rounds));
    if constexpr (S::buffers == 1) __syncthreads();
    else buffer ^= 1;  // a buffer is written again only after all its readers have passed a barrier
  }
}

// Block (i, chunk) computes tiles i, i + gridDim.x, ... of one chunk of the columns.
template <class S> __global__ void __launch_bounds__(threads, resident_blocks) product(Arguments a) {
  char* const shared = dynamic_shared<char>();
  char* const ring = shared + threadIdx.x / 32 * S::ring;
  float* const partial = reinterpret_cast<float*>(shared + warps * S::ring);
  // All warps execute the same number of turns; a turn after the last column adds zeros.
  const int turns = static_cast<int>((a.chunk + warps * S::turn - 1) / (warps * S::turn));
  int slot = 0, buffer = 0;
  char* const rows = shared + S::shared;
  const Places<S> at(a);
  Source<S> from;
  if constexpr (S::normed) copy_rows<S>(rows, a);
  open<S>(from, a, blockIdx.x);
#pragma unroll
  for (int d = 0; d < S::depth; ++d) {
#pragma unroll
    for (int m = 0; m < S::M; ++m) copy<S>(ring + d * S::slot, from, a, at, m);
    advance<S>(from, a, turns);
  }
  if constexpr (S::normed) normalise<S>(rows, partial, a);
#pragma unroll 1
  for (unsigned tile = blockIdx.x; tile < a.tiles; tile += gridDim.x) {
    float sums[S::M][S::TILES][4] = {};
    const char* x = rows + threadIdx.x / 32 * S::x_bytes;
#pragma unroll 1
    for (int left = turns; left > 0; --left) {  // an upward count would spill registers for fp8 from 9 rows on
      take<S>(sums, ring + slot, x, from, a, at);
      advance<S>(from, a, turns);
      x += warps * S::x_bytes;
      slot = slot == (S::depth - 1) * S::slot ? 0 : slot + S::slot;
    }
    finish<S>(a, sums, partial, buffer, tile);
  }
  copy_wait<0>();
}

// Bytes of shared memory of a block. `pitch` is 0 if no rows are normalised.
template <class S> size_t shared_bytes(int64_t T, int pitch) { return S::shared + static_cast<size_t>(T * pitch); }

// For each chunk, `most` blocks can run at the same time. With `most` blocks, a block computes at most `each` tiles.
// Launches the smallest number of blocks with which no block computes more than `each` tiles.
template <class S> ingrain_status start(ingrain_context* ctx, Arguments a, const DeviceLimits& device) {
  const size_t shared = shared_bytes<S>(a.T, a.pitch);
  const unsigned chunks = static_cast<unsigned>(a.C / a.chunk),
                 most = max(1u, device.resident(resident_blocks, shared) / chunks);
  a.tiles = blocks_for(S::gated ? a.N / 2 : a.N, S::outputs);
  const unsigned each = blocks_for(a.tiles, most);
  return launch(product<S>, dim3(blocks_for(a.tiles, each), chunks), threads, shared, ctx, a);
}
template <class W, bool gated, int M, int TILES, bool deep>
ingrain_status start(ingrain_context* ctx, const Arguments& a, const DeviceLimits& device) {
  using S = Shape<W, gated, M, TILES, deep>;
  static_assert(!deep || S::shared <= deep_bytes);
  return start<S>(ctx, a, device);
}

// Chooses M. If there are many tokens, a tile has more weight rows, because more rows then share one read of x. A tile
// has fewer weight rows if the larger tiles would occupy less than 10/11 of the multiprocessors, or if shared memory is
// too small. The order of summation is the same for all choices, so the bits do not depend on the device.
template <class W, bool gated>
ingrain_status start(ingrain_context* ctx, const Arguments& a, const DeviceLimits& device) {
  const bool wide = a.N >= 64 * static_cast<int64_t>(device.multiprocessors * 10 / 11);
  const bool deep = device.blocks_per_multiprocessor(resident_blocks, deep_bytes) == resident_blocks;
  if (a.T > 8) {
    if (!deep) return start<W, gated, 2, 2, false>(ctx, a, device);
    return wide ? start<W, gated, 4, 2, true>(ctx, a, device) : start<W, gated, 2, 2, true>(ctx, a, device);
  }
  if constexpr (!gated)
    if (!wide || a.T <= 4)
      return deep ? start<W, false, 1, 1, true>(ctx, a, device) : start<W, false, 1, 1, false>(ctx, a, device);
  return deep ? start<W, gated, 2, 1, true>(ctx, a, device) : start<W, gated, 2, 1, false>(ctx, a, device);
}

// Returns whether this kernel supports the product. x must be bf16 and have at most max_rows rows, w must be bf16 or
// fp8, and both must be 16-byte aligned. The size of a row of w, and of a row of a chunk of w, must be a multiple of 16
// bytes.
inline bool fits(const ingrain_weight* w, const void* x, int32_t dtype, int64_t T) {
  const int64_t width = w->dtype == INGRAIN_BF16 ? 8 : w->dtype == INGRAIN_F8E4M3 ? 16 : 0;
  return width > 0 && dtype == INGRAIN_BF16 && T <= max_rows && w->columns % width == 0 &&
         (w->chunk == 0 || w->chunk % width == 0) &&
         (reinterpret_cast<uintptr_t>(x) | reinterpret_cast<uintptr_t>(w->data)) % 16 == 0;
}

// y (T, N) = beta·y + x · Wᵀ. If partial is true, y is (C / chunk, T, N) f32, one product per chunk. If gated is true,
// y (T, N / 2) = silu(gate)·up, where gate and up are the two halves of the columns of x · Wᵀ.
template <bool gated>
ingrain_status run(ingrain_context* ctx, void* y, const void* x, const ingrain_weight* w, int32_t y_dtype, int64_t T,
                   float beta, bool partial) {
  DeviceLimits device;
  if (ingrain_status status = device_limits(ctx, &device)) return status;
  const Arguments a{{y, y_dtype, beta},
                    static_cast<const bf16*>(x),
                    w->data,
                    w->scales,
                    w->rows,
                    w->columns,
                    partial && w->chunk > 0 ? w->chunk : w->columns,
                    static_cast<int>(T),
                    0,
                    nullptr,
                    0,
                    0};
  if (w->dtype == INGRAIN_BF16) return start<bf16, gated>(ctx, a, device);
  return start<fp8, gated>(ctx, a, device);
}

}  // namespace few_rows
