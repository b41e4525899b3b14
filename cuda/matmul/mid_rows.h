// mid_rows: products of 17 to 64 rows of x with an fp8 weight. x stays bf16, and the weight is widened to bf16.
//
// Operands: as in few_rows.h, the weight is the left operand of mma m16n8k16, and x is the right one. A lane reads 16
// contiguous bytes of its weight row and uses these columns for its k indices.
//
// Tiling: a tile is 256 rows of the weight by all rows of x, and each of the eight warps computes 32 of these rows. A
// step is 128 columns of a tile. All steps of all tiles form one sequence, which is divided into equal parts, one per
// block. So every block reads the same number of bytes of the weight, and its copies continue across tiles. Some tiles
// belong to several blocks. Each of these blocks writes its sums to the workspace, and the block that finishes last adds
// the sums in ascending order of the columns. The order of summation depends on N, C and the device, but not on T.
//
// Bandwidth: with four stages, copies of three steps (96 KiB of the weight) are in flight per multiprocessor. The
// conversion takes 8 instructions per 4 bytes, about a third of the issue slots at 40 rows on an H200.
#pragma once
#include "counters.h"
#include "device_limits.h"
#include "mma.h"
#include "output.h"

namespace mid_rows {

constexpr int warps = 8, threads = 32 * warps, tile_rows = 256, step_columns = 128;
constexpr int64_t min_rows = 17, max_rows = 64;

struct Arguments {
  Output y;             // (chunks, T, N), or (T, N / 2) if gated
  const bf16* x;        // (T, C)
  const fp8* w;         // (N, C)
  const float* scales;  // (N)
  int64_t N, C, chunk;  // chunk: columns of one sum
  int T;
  unsigned tiles, steps;  // tiles of a chunk, steps of a tile
  int64_t sequence;       // number of all steps
  float* partials;        // two of S::partial elements for each block
  unsigned* arrived;      // for each tile of each chunk: number of blocks that have written their sums
};

template <bool gated_, int TILES_, int STAGES_> struct Shape {
  static constexpr bool gated = gated_;
  static constexpr int TILES = TILES_, STAGES = STAGES_, tokens = 8 * TILES;
  static constexpr int outputs = gated ? tile_rows / 2 : tile_rows;  // output features of a tile
  static constexpr int w_bytes = tile_rows * step_columns, stage = w_bytes + tokens * step_columns * 2;
  static constexpr size_t shared = static_cast<size_t>(STAGES) * stage;
  static constexpr int partial = tile_rows * tokens;  // sums of a tile
};

// The block whose part of the sequence contains step i, if there are `blocks` blocks.
__device__ __forceinline__ unsigned block_of(const Arguments& a, int64_t i, unsigned blocks) {
  return static_cast<unsigned>(((i + 1) * blocks - 1) / a.sequence);
}
__device__ __forceinline__ int64_t begin_of(const Arguments& a, unsigned block, unsigned blocks) {
  return a.sequence * block / blocks;
}

// The rows of the weight in a tile: a warp has 32 of them in shared memory. If gated, 16 are rows of gate and 16 are
// the same rows of up. Returns the row of the weight for row `row` of the tile; N or more if it is behind the last one.
template <class S> __device__ __forceinline__ int64_t weight_row(const Arguments& a, unsigned tile, int row) {
  const int64_t first = static_cast<int64_t>(tile) * S::outputs;
  if constexpr (!S::gated) return first + row;
  const int64_t n = first + row / 32 * 16 + row % 16;
  return n >= a.N / 2 ? a.N : n + (row % 32 < 16 ? 0 : a.N / 2);
}

// The copies of a block: the next step to copy.
template <class S> struct Copies {
  const fp8* w;  // the thread's first piece
  const bf16* x;
  int rows;                    // the thread's rows in the tile that exist: threadIdx.x / 8 + 32·j with j < rows
  unsigned step, tile, chunk;
  int64_t left;                // steps that are not copied yet

  __device__ __forceinline__ void open(const Arguments& a) {
    const int row = threadIdx.x / 8, piece = threadIdx.x % 8;
    const int64_t column = chunk * a.chunk + static_cast<int64_t>(step) * step_columns;
    w = a.w + weight_row<S>(a, tile, row) * a.C + column + piece * 16;
    x = a.x + static_cast<int64_t>(threadIdx.x / 16) * a.C + column + threadIdx.x % 16 * 8;
    const int64_t below = (S::gated ? a.N / 2 : a.N) - static_cast<int64_t>(tile) * S::outputs;
    rows = static_cast<int>(min(below - (S::gated ? row % 16 : row) + S::outputs / 8 - 1, int64_t{S::outputs})) /
           (S::outputs / 8);
  }

  // Copies the next step to a stage. Odd rows are swizzled in shared memory, so that reads have no bank conflicts.
  __device__ __forceinline__ void next(char* stage, const Arguments& a) {
    if (left > 0) {
      const int row = threadIdx.x / 8, piece = threadIdx.x % 8, token = threadIdx.x / 16, part = threadIdx.x % 16;
      const int64_t inside = a.chunk - static_cast<int64_t>(step) * step_columns;  // columns from here to the end
      const int64_t height = S::outputs / 8 * a.C;                                 // distance of the warps' rows
      const int limit = piece * 16 < inside ? rows : 0, tokens = part * 8 < inside ? a.T - token : 0;
      char* const to = stage + row * 128 + (piece ^ row % 2 * 4) * 16;
#pragma unroll
      for (int j = 0; j < 8; ++j)
        copy_async16(to + j * 4096, w + j * height, j < limit);
      char* const x_to = stage + S::w_bytes + token * 256 + (part ^ token % 2) * 16;
#pragma unroll
      for (int j = 0; j < (S::tokens + 15) / 16; ++j)
        if (S::tokens % 16 == 0 || j * 16 + token < S::tokens)
          copy_async16(x_to + j * 4096, x + j * 16 * a.C, j * 16 < tokens);
      --left;
      w += step_columns;
      x += step_columns;
      if (++step == a.steps) {
        step = 0;
        if (++tile == a.tiles) tile = 0, ++chunk;
        if (left > 0) open(a);
      }
    }
    copy_commit();
  }
};

// Adds the products of a step.
template <class S> __device__ __forceinline__ void multiply(float (&sums)[2][S::TILES][4], const char* stage) {
  const int lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
  const int w = threadIdx.x / 32 * 4096 + g * 128 + (t ^ g % 2 * 4) * 16;
  const char* const x = stage + S::w_bytes + g * 256;
#pragma unroll
  for (int u = 0; u < 2; ++u) {  // 64 columns
    uint4 bytes[2][2];
#pragma unroll
    for (int m = 0; m < 2; ++m)
#pragma unroll
      for (int half = 0; half < 2; ++half)
        bytes[m][half] = *reinterpret_cast<const uint4*>(stage + (w ^ 64 * u) + m * 2048 + half * 1024);
#pragma unroll
    for (int i = 0; i < 2; ++i) {  // 32 columns: 8 of each lane
      unsigned left[2][2][4];      // two products, each of 16 columns
#pragma unroll
      for (int m = 0; m < 2; ++m)
#pragma unroll
        for (int half = 0; half < 2; ++half) {
          const unsigned first = i == 0 ? bytes[m][half].x : bytes[m][half].z;
          const unsigned second = i == 0 ? bytes[m][half].y : bytes[m][half].w;
          unsigned pairs[4];
          widen_fp8(pairs, first);
          widen_fp8(pairs + 2, second);
          left[0][m][half] = pairs[0], left[0][m][half + 2] = pairs[1];
          left[1][m][half] = pairs[2], left[1][m][half + 2] = pairs[3];
        }
#pragma unroll
      for (int n = 0; n < S::TILES; ++n) {
        const uint4 v = *reinterpret_cast<const uint4*>(x + n * 2048 + ((u * 8 + 2 * t + i) ^ g % 2) * 16);
        const unsigned right[2][2] = {{v.x, v.y}, {v.z, v.w}};
#pragma unroll
        for (int k = 0; k < 2; ++k)
#pragma unroll
          for (int m = 0; m < 2; ++m) mma(sums[m][n], left[k][m], right[k]);
      }
    }
  }
}

// Writes the outputs of a tile.
template <class S>
__device__ __forceinline__ void write(const Arguments& a, const float (&sums)[2][S::TILES][4], unsigned tile,
                                      unsigned chunk) {
  const int lane = threadIdx.x % 32, g = lane / 4, t = lane % 4, first = threadIdx.x / 32 * 32 + g;
  const int64_t width = S::gated ? a.N / 2 : a.N;
#pragma unroll
  for (int m = 0; m < (S::gated ? 1 : 2); ++m)
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int64_t n = weight_row<S>(a, tile, first + 16 * m + 8 * half);
      if (n >= a.N) continue;
      const float scale = a.scales[n], up_scale = S::gated ? a.scales[width + n] : 0;
#pragma unroll
      for (int i = 0; i < S::TILES; ++i)
#pragma unroll
        for (int j = 0; j < 2; ++j) {
          const int token = 8 * i + 2 * t + j;
          if (token >= a.T) continue;
          float value = sums[m][i][2 * half + j] * scale;
          if (S::gated) value = value / (1 + expf(-value)) * (sums[1][i][2 * half + j] * up_scale);
          a.y.put((static_cast<int64_t>(chunk) * a.T + token) * width + n, value);
        }
    }
}

// Finishes the block's part of a tile. `step` is the number of the tile's first step in the sequence.
template <class S>
__device__ __forceinline__ void finish(const Arguments& a, float (&sums)[2][S::TILES][4], int64_t step) {
  const unsigned blocks = gridDim.x, first = block_of(a, step, blocks), last = block_of(a, step + a.steps - 1, blocks);
  const unsigned index = static_cast<unsigned>(step / a.steps), tile = index % a.tiles, chunk = index / a.tiles;
  if (first != last) {
    // A block has at most two tiles that it shares with others: the first and the last of its part.
    const auto partial = [&](unsigned block) {
      const bool begins = begin_of(a, block, blocks) / a.steps == index;
      return reinterpret_cast<float4*>(a.partials + (2 * static_cast<int64_t>(block) + (begins ? 0 : 1)) * S::partial) +
             threadIdx.x;
    };
    float4* const own = partial(blockIdx.x);
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
      is_last = atomicAdd(a.arrived + index, 1u) == last - first;
      if (is_last) a.arrived[index] = 0;
    }
    __syncthreads();
    if (!is_last) return;
    __threadfence();
    for (unsigned block = first; block <= last; ++block) {
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
  write<S>(a, sums, tile, chunk);
}

template <class S> __global__ void __launch_bounds__(threads, 1) product(Arguments a) {
  char* const shared = dynamic_shared<char>();
  const int64_t begin = begin_of(a, blockIdx.x, gridDim.x), end = begin_of(a, blockIdx.x + 1, gridDim.x);
  const unsigned index = static_cast<unsigned>(begin / a.steps);
  Copies<S> copies;
  copies.step = static_cast<unsigned>(begin % a.steps);
  copies.tile = index % a.tiles;
  copies.chunk = index / a.tiles;
  copies.left = end - begin;
  copies.open(a);
#pragma unroll
  for (int s = 0; s < S::STAGES - 1; ++s) copies.next(shared + s * S::stage, a);
  int stage = 0;
  for (int64_t i = begin; i < end;) {
    float sums[2][S::TILES][4] = {};
    const int64_t tile_begin = i / a.steps * a.steps, tile_end = min(end, tile_begin + a.steps);
#pragma unroll 1
    for (; i < tile_end; ++i) {
      copy_wait<S::STAGES - 2>();
      __syncthreads();  // the step's data is visible, and all warps have read the stage that is copied to next
      copies.next(shared + (stage == 0 ? S::STAGES - 1 : stage - 1) * S::stage, a);
      multiply<S>(sums, shared + stage * S::stage);
      stage = stage == S::STAGES - 1 ? 0 : stage + 1;
    }
    finish<S>(a, sums, tile_begin);
  }
  copy_wait<0>();
}

template <bool gated, int TILES, int STAGES>
ingrain_status start(ingrain_context* ctx, Arguments a, unsigned multiprocessors) {
  using S = Shape<gated, TILES, STAGES>;
  a.tiles = blocks_for(gated ? a.N / 2 : a.N, S::outputs);
  a.steps = blocks_for(a.chunk, step_columns);
  a.sequence = a.C / a.chunk * a.tiles * a.steps;
  const unsigned blocks = a.sequence < multiprocessors ? static_cast<unsigned>(a.sequence) : multiprocessors;
  return launch(product<S>, blocks, threads, S::shared, ctx, a);
}

template <bool gated, int STAGES>
ingrain_status start(ingrain_context* ctx, const Arguments& a, unsigned multiprocessors) {
  if (a.T <= 32) return start<gated, 4, STAGES>(ctx, a, multiprocessors);
  if (a.T <= 40) return start<gated, 5, STAGES>(ctx, a, multiprocessors);
  return start<gated, 8, STAGES>(ctx, a, multiprocessors);
}

// Returns whether this kernel supports the product. x must be bf16, w must be fp8, and both must be 16-byte aligned. C
// and the size of a chunk must be multiples of 16. The counters and the workspace must be large enough.
inline bool fits(ingrain_context* ctx, const ingrain_weight* w, const void* x, int32_t dtype, int64_t T) {
  if (w->dtype != INGRAIN_F8E4M3 || dtype != INGRAIN_BF16 || T < min_rows || T > max_rows || w->columns % 16 != 0 ||
      w->chunk % 16 != 0 || (reinterpret_cast<uintptr_t>(x) | reinterpret_cast<uintptr_t>(w->data)) % 16 != 0)
    return false;
  void* workspace = nullptr;
  int64_t bytes = 0;
  DeviceLimits device;
  if (ingrain_workspace(ctx, &workspace, &bytes) || device_limits(ctx, &device)) return false;
  const int64_t chunks = w->chunk > 0 ? w->columns / w->chunk : 1;
  return bytes >= 2 * static_cast<int64_t>(device.multiprocessors) * tile_rows * max_rows * 4 &&
         chunks * (w->rows / (tile_rows / 2) + 1) * 4 <= counter_bytes &&
         device.shared_per_block >= Shape<false, 8, 2>::shared + 1024;
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
  a.x = static_cast<const bf16*>(x);
  a.w = static_cast<const fp8*>(w->data);
  a.scales = w->scales;
  a.N = w->rows;
  a.C = w->columns;
  a.chunk = partial && w->chunk > 0 ? w->chunk : w->columns;
  a.T = static_cast<int>(T);
  a.partials = reinterpret_cast<float*>(workspace);
  a.arrived = reinterpret_cast<unsigned*>(workspace + bytes);
  if (device.shared_per_block >= Shape<false, 8, 4>::shared + 1024)
    return start<gated, 4>(ctx, a, device.multiprocessors);
  return start<gated, 2>(ctx, a, device.multiprocessors);
}

}  // namespace mid_rows
