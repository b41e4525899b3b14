// mid_rows: products of up to 64 rows of x with an INT8 or INT4 weight, and of 17 to 64 rows with an fp8 weight
// (few_rows.h computes fewer rows). x stays bf16, and the elements of the weight become bf16 without rounding.
//
// Operands: as in few_rows.h, the weight is the left operand of mma m16n8k16, and x is the right one.
//
// Tiling: a tile is 256 rows of the weight by all rows of x, and each of the eight warps computes 32 of the 256 rows. A
// step is 128 columns of a tile. All steps of all tiles form one sequence, which is divided into equal parts, one per
// block. So every block reads the same number of bytes of the weight, and its copies continue across tiles. Some tiles
// belong to several blocks. Each of these blocks writes its sums to the workspace. The block that finishes last adds
// the sums in ascending order of the columns. The order of summation depends on N, C and the device, but not on T.
//
// Bandwidth: with four stages, copies of three steps are in flight per multiprocessor: 96 KiB of an fp8 or INT8 weight.
// The conversion of fp8 takes 8 instructions per 4 bytes, about a third of the issue slots at 40 rows on an H200.
#pragma once
#include "counters.h"
#include "device_limits.h"
#include "mid_rows_steps.h"

namespace mid_rows {

constexpr int64_t max_rows = 64;
constexpr int most_integer_rows = 40;  // with INT8 and INT4 weights, more rows are computed in two launches
// A kernel's static shared memory. It has one byte, but the dynamic shared memory begins at a multiple of 1024.
constexpr size_t static_shared = 1024;

// The block whose part of the sequence contains step i, and the first step of a block's part.
__device__ __forceinline__ int block_of(const Arguments& a, int i) {
  return static_cast<int>(((i + 1) * static_cast<int64_t>(gridDim.x) - 1) / a.sequence);
}
__device__ __forceinline__ int begin_of(const Arguments& a, int block) {
  return static_cast<int>(a.sequence * static_cast<int64_t>(block) / gridDim.x);
}

// Writes the outputs of a tile.
template <class S>
__device__ __forceinline__ void write(const Arguments& a, const float (&sums)[2][S::TILES][4], int tile, int chunk) {
  const int lane = threadIdx.x % 32, g = lane / 4, t = lane % 4, first = threadIdx.x / 32 * 32 + g;
  const int width = S::gated ? a.N / 2 : a.N;
#pragma unroll
  for (int m = 0; m < (S::gated ? 1 : 2); ++m)
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int n = weight_row<S>(a, tile, first + 16 * m + 8 * half);
      if (n >= a.N) continue;
      const float scale = S::fp8_weight ? a.scales[n] : 1,
                  up_scale = S::fp8_weight && S::gated ? a.scales[width + n] : 1;
#pragma unroll
      for (int i = 0; i < S::TILES; ++i)
#pragma unroll
        for (int j = 0; j < 2; ++j) {
          const int token = 8 * i + 2 * t + j;
          float value = sums[m][i][2 * half + j] * scale;
          if (S::gated) value = value / (1 + expf(-value)) * (sums[1][i][2 * half + j] * up_scale);
          if (token < a.T) a.y.put((static_cast<int64_t>(chunk) * a.all + a.first + token) * width + n, value);
        }
    }
}

// Finishes the block's part of a tile. `step` is the number of the tile's first step in the sequence.
template <class S>
__device__ __forceinline__ void finish(const Arguments& a, float (&sums)[2][S::TILES][4], int step) {
  const int first = block_of(a, step), last = block_of(a, step + a.steps - 1), index = step / a.steps;
  if (first != last) {
    // A block has at most two tiles that it shares with others: the first and the last of its part.
    const auto partial = [&](int block) {
      const bool begins = begin_of(a, block) / a.steps == index;
      return reinterpret_cast<float4*>(a.partials + (2 * static_cast<int64_t>(block) + (begins ? 0 : 1)) * S::partial) +
             threadIdx.x;
    };
    float4* const own = partial(static_cast<int>(blockIdx.x));
#pragma unroll
    for (int m = 0; m < 2; ++m)
#pragma unroll
      for (int n = 0; n < S::TILES; ++n)
        __stcg(own + (m * S::TILES + n) * threads,
               make_float4(sums[m][n][0], sums[m][n][1], sums[m][n][2], sums[m][n][3]));
    __shared__ bool is_last;
    __threadfence();
    __syncthreads();
    if (threadIdx.x == 0) {
      is_last = atomicAdd(a.arrived + index, 1u) == static_cast<unsigned>(last - first);
      if (is_last) a.arrived[index] = 0;
    }
    __syncthreads();
    if (!is_last) return;
    __threadfence();
    for (int block = first; block <= last; ++block) {
      const float4* const from = partial(block);
#pragma unroll
      for (int m = 0; m < 2; ++m)
#pragma unroll
        for (int n = 0; n < S::TILES; ++n) {
          const float4 v = __ldcg(from + (m * S::TILES + n) * threads);
          const float more[4] = {v.x, v.y, v.z, v.w};
#pragma unroll
          for (int i = 0; i < 4; ++i) sums[m][n][i] = block == first ? more[i] : sums[m][n][i] + more[i];
        }
    }
  }
  write<S>(a, sums, index % a.tiles, index / a.tiles);
}

template <class S> __global__ void __launch_bounds__(threads, 1) product(Arguments a) {
  char* const shared = dynamic_shared<char>();
  const int block = static_cast<int>(blockIdx.x), begin = begin_of(a, block), end = begin_of(a, block + 1);
  Copies<S> copies(a, begin, end);
#pragma unroll 1
  for (int s = 0; s < a.stages - 1; ++s) copies.next(shared + s * S::stage, a);
  int stage = 0;
  Position ahead(a, begin);
  Scales<S> next;
  if constexpr (!S::fp8_weight) next.read(a, ahead);
  for (int i = begin; i < end;) {
    float sums[2][S::TILES][4] = {};
    const int tile_begin = i / a.steps * a.steps, tile_end = min(end, tile_begin + a.steps);
#pragma unroll 1
    for (; i < tile_end; ++i) {
      Scales<S> scales = next;
      if constexpr (!S::fp8_weight) {
        scales.expand(a);
        ahead.advance(a);
        if (i + 1 < end) next.read(a, ahead);
      }
      if (a.stages == 4) copy_wait<2>();
      else copy_wait<0>();
      __syncthreads();  // the step's data is visible, and all warps have read the stage that is copied to next
      copies.next(shared + (stage == 0 ? a.stages - 1 : stage - 1) * S::stage, a);
      if constexpr (S::fp8_weight) multiply_fp8<S>(sums, shared + stage * S::stage);
      else multiply_integers<S>(sums, shared + stage * S::stage, scales);
      stage = stage == a.stages - 1 ? 0 : stage + 1;
    }
    finish<S>(a, sums, tile_begin);
  }
  copy_wait<0>();
}

template <class W, bool gated, int TILES>
ingrain_status start(ingrain_context* ctx, Arguments a, const DeviceLimits& device) {
  using S = Shape<W, gated, TILES>;
  a.stages = device.shared_per_block >= 4 * S::stage + static_shared ? 4 : 2;
  a.tiles = static_cast<int>(blocks_for(gated ? a.N / 2 : a.N, S::outputs));
  a.steps = static_cast<int>(blocks_for(a.chunk, step_columns));
  a.sequence = static_cast<int>(a.C / a.chunk) * a.tiles * a.steps;
  const unsigned blocks = min(static_cast<unsigned>(a.sequence), device.multiprocessors);
  return launch(product<S>, blocks, threads, static_cast<size_t>(a.stages) * S::stage, ctx, a);
}

template <class W, bool gated>
ingrain_status start(ingrain_context* ctx, const Arguments& a, const DeviceLimits& device) {
  if constexpr (!std::is_same_v<W, fp8>) {
    if (a.T <= 8) return start<W, gated, 1>(ctx, a, device);
    if (a.T <= 16) return start<W, gated, 2>(ctx, a, device);
  }
  if (a.T <= 32) return start<W, gated, 4>(ctx, a, device);
  if (a.T <= most_integer_rows) return start<W, gated, 5>(ctx, a, device);
  if constexpr (std::is_same_v<W, fp8>) return start<W, gated, 8>(ctx, a, device);
  return INGRAIN_UNSUPPORTED;
}

// Returns whether this kernel supports the product. x must be bf16, and x and w must be 16-byte aligned. For fp8, the
// number of columns of a sum must be a multiple of 16; for INT8 and INT4, of 128. The counters and the workspace must
// be large enough.
inline bool fits(ingrain_context* ctx, const ingrain_weight* w, const void* x, int32_t dtype, int64_t T, bool partial) {
  const bool is_fp8 = w->dtype == INGRAIN_F8E4M3;
  const int64_t width = is_fp8 ? 16 : step_columns, chunk = partial && w->chunk > 0 ? w->chunk : w->columns;
  if ((!is_fp8 && !quantized_dtype(w->dtype)) || dtype != INGRAIN_BF16 || T > max_rows || w->columns % width != 0 ||
      chunk % width != 0 || (reinterpret_cast<uintptr_t>(x) | reinterpret_cast<uintptr_t>(w->data)) % 16 != 0)
    return false;
  void* workspace = nullptr;
  int64_t bytes = 0;
  DeviceLimits device;
  if (ingrain_workspace(ctx, &workspace, &bytes) || device_limits(ctx, &device)) return false;
  return bytes >= 2 * static_cast<int64_t>(device.multiprocessors) * tile_rows * max_rows * 4 &&
         w->columns / chunk * (w->rows / (tile_rows / 2) + 1) * 4 <= counter_bytes &&
         w->rows * w->columns / 32 <= INT32_MAX &&
         device.shared_per_block >= 2 * Shape<fp8, false, 8>::stage + static_shared;
}

// y (T, N) = beta·y + x · Wᵀ, with `partial` and `gated` as in few_rows.h.
template <bool gated>
ingrain_status run(ingrain_context* ctx, void* y, const void* x, const ingrain_weight* w, int32_t y_dtype, int64_t T,
                   float beta, bool partial) {
  DeviceLimits device;
  if (ingrain_status status = device_limits(ctx, &device)) return status;
  char* workspace = nullptr;
  int64_t bytes = 0;
  if (ingrain_status status = ingrain_workspace(ctx, reinterpret_cast<void**>(&workspace), &bytes)) return status;
  Arguments a{};
  a.y = {y, y_dtype, beta};
  if (quantized_dtype(w->dtype)) a.w = groups_of(w);
  else a.w.values = static_cast<unsigned char*>(w->data), a.w.row_bytes = w->columns;
  a.scales = w->scales;
  a.N = static_cast<int>(w->rows);
  a.C = w->columns;
  a.chunk = partial && w->chunk > 0 ? w->chunk : w->columns;
  a.all = static_cast<int>(T);
  a.partials = reinterpret_cast<float*>(workspace);
  a.arrived = reinterpret_cast<unsigned*>(workspace + bytes);
  const int rows = w->dtype == INGRAIN_F8E4M3 || a.all <= most_integer_rows ? a.all : (a.all + 1) / 2;
  for (; a.first < a.all; a.first += rows) {
    a.T = min(rows, a.all - a.first);
    a.x = static_cast<const bf16*>(x) + a.first * a.C;
    if (ingrain_status status = w->dtype == INGRAIN_F8E4M3 ? start<fp8, gated>(ctx, a, device)
                                : w->dtype == INGRAIN_INT8 ? start<Int8, gated>(ctx, a, device)
                                                           : start<Int4, gated>(ctx, a, device))
      return status;
  }
  return INGRAIN_OK;
}

}  // namespace mid_rows
