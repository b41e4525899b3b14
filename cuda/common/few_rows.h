// few_rows: products of 1 to 16 rows, which the bytes of the weight bound.
//
// The weight is the 16-row operand of mma m16n8k16, the tokens are its columns. A sum does not mind the order of k, so a lane takes
// the 16 bytes of its row that lie together for the k-slots that the instruction gives it, and the same columns of x. A tile is 16·M
// rows of the weight; the eight warps of a block share out its columns, a turn of 128 bytes at a time, and are summed in order in
// shared memory: the order of a sum depends on its number of columns alone, not on T, N or the grid.
// Bytes in flight: every warp has a ring of its own in shared memory, filled past the registers up to 8 KiB of w ahead, also from tile
// to tile: 128 KiB a multiprocessor with two blocks (an H200 needs 64 KiB for 4.5 TB/s). Blocks stay and take as many tiles each, so
// that they all end together; a turn is whole cache lines, and where fp8 is widened four bytes at a time it takes a third of the issue slots.
#pragma once
#include "launch.h"
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
  unsigned tiles;
};

// `deep`: for devices with 113 KiB of shared memory a block; the others have less on its way.
template <class W_, bool gated_, int M_, int TILES_, bool deep> struct Shape {
  using W = W_;
  static constexpr bool gated = gated_;
  static constexpr int M = M_, TILES = TILES_;
  static constexpr int width = 16 / sizeof(W);    // columns of a 16-byte piece of w
  static constexpr int turn = 8 * width;          // columns of a turn
  static constexpr int X = width / 8;             // pieces of x for one of w
  static constexpr int tokens = 8 * TILES, outputs = 16 * M / (gated ? 2 : 1);
  static constexpr int w_bytes = 2048 * M, slot = w_bytes + 1024 * TILES * X;  // of a warp's turn
  static constexpr int most = 12288;                                           // of a warp's ring
  static constexpr int depth = !deep || slot * 2 > most ? 1 : M == 1 ? most / slot : 2;  // turns on their way
  static constexpr int ring = depth * slot;
  static constexpr int together = M == 1 ? 1 : 2;                              // 16-row tiles summed at a time; where gated, of gate and of up
  static constexpr int sums = warps * 16 * together * tokens;
  static constexpr int buffers = TILES == 1 ? 2 : 1;                           // for sums: two need one barrier a tile
  static constexpr size_t shared = warps * ring + sizeof(float) * sums * buffers;
};

// Where a lane copies from next, and how many rows and columns of w there are from there on. A load instruction takes whole lines:
// 4 rows of w, and 4 / X of x.
template <class S> struct Source {
  const typename S::W* w;     // where gated, of gate
  const bf16* x;
  int rows, columns, turn;
  unsigned tile;
};

template <class S> __device__ __forceinline__ void open(Source<S>& from, const Arguments& a, unsigned tile) {
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  const int64_t height = S::gated ? a.N / 2 : a.N, row = static_cast<int64_t>(tile) * S::outputs + lane / 8;
  const int64_t begin = blockIdx.y * a.chunk + warp * S::turn, left = height - row;
  from.tile = tile;
  from.turn = 0;
  from.w = static_cast<const typename S::W*>(a.w) + row * a.C + begin + lane % 8 * S::width;
  from.x = a.x + lane / (8 * S::X) * a.C + begin + lane % (8 * S::X) * 8;
  from.rows = static_cast<int>(left < S::outputs ? left : S::outputs);
  from.columns = static_cast<int>(a.chunk) - warp * S::turn - lane % 8 * S::width;
  if (tile >= a.tiles) from.columns = -(1 << 30);  // nothing is read any more
}

// Tile m of 16 rows of a turn, and with the first one x. Odd rows lie turned in shared memory, so that reads meet no bank twice.
template <class S> __device__ __forceinline__ void copy(char* slot, const Source<S>& from, const Arguments& a, int m) {
  const int lane = threadIdx.x % 32, row = lane / 8, C = static_cast<int>(a.C);
  const int limit = from.columns > 0 ? from.rows : 0;
  char* const to = slot + m * 2048 + row * 128 + (lane % 8 ^ row % 2 * 4) * 16;
  const int first = S::gated ? m % (S::M / 2) * 16 : m * 16;
  const typename S::W* const w = from.w + (S::gated && m >= S::M / 2 ? a.N / 2 * a.C : 0);
#pragma unroll
  for (int j = 0; j < 4; ++j)
    copy_async16(to + j * 512, w + (first + 4 * j) * C, first + 4 * j < limit);
  if (m == 0) {
    constexpr int pieces = 8 * S::X, step = 32 / pieces;  // of a row; rows of an instruction
    const int token = lane / pieces, piece = lane % pieces;
    const int tokens = from.columns + lane % 8 * S::width - piece * 8 > 0 ? a.T - token : 0;
    char* const x = slot + S::w_bytes + token * 16 * pieces + (piece ^ token % 2 * (4 / (S::X * S::X))) * 16;
#pragma unroll
    for (int j = 0; j < S::tokens / step; ++j) copy_async16(x + j * 512, from.x + j * step * C, j * step < tokens);
  }
  copy_commit();
}

template <class S> __device__ __forceinline__ void advance(Source<S>& from, const Arguments& a, int turns) {
  if (++from.turn == turns) return open(from, a, from.tile + gridDim.x);
  from.w += warps * S::turn;
  from.x += warps * S::turn;
  from.columns -= warps * S::turn;
}

// The bf16 of a lane's 16 bytes in pairs. fp8: of each four columns 0 and 2, then 1 and 3.
__device__ __forceinline__ void pairs_of(unsigned (&pairs)[4], const uint4& v, const bf16*) {
  pairs[0] = v.x, pairs[1] = v.y, pairs[2] = v.z, pairs[3] = v.w;
}
__device__ __forceinline__ void pairs_of(unsigned (&pairs)[8], const uint4& v, const fp8*) {
  widen_fp8(pairs, v.x), widen_fp8(pairs + 2, v.y), widen_fp8(pairs + 4, v.z), widen_fp8(pairs + 6, v.w);
}

// The lower (0x5410) or the upper (0x7632) halves of two words; the compiler takes more for it.
template <unsigned which> __device__ __forceinline__ unsigned pick(unsigned a, unsigned b) {
#ifdef INGRAIN_SIMT
  return which == 0x5410 ? (a & 0xffff) | b << 16 : a >> 16 | (b & 0xffff0000u);
#else
  return __byte_perm(a, b, which);
#endif
}

// A lane's x of a turn, in the order of pairs_of.
template <class S> __device__ __forceinline__ void read_x(unsigned (&x)[2][S::TILES][4 * S::X], const char* slot) {
  const int lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
#pragma unroll
  for (int u = 0; u < 2; ++u)
#pragma unroll
    for (int n = 0; n < S::TILES; ++n)
#pragma unroll
      for (int i = 0; i < S::X; ++i) {
        const int piece = (S::X * (4 * u + t) + i) ^ (g % 2 * (4 / (S::X * S::X)));
        const uint4 v = *reinterpret_cast<const uint4*>(slot + S::w_bytes + ((8 * n + g) * 8 * S::X + piece) * 16);
        unsigned* const to = x[u][n] + 4 * i;
        if constexpr (S::X == 1) {
          to[0] = v.x, to[1] = v.y, to[2] = v.z, to[3] = v.w;
        } else {
          to[0] = pick<0x5410>(v.x, v.y), to[1] = pick<0x7632>(v.x, v.y);
          to[2] = pick<0x5410>(v.z, v.w), to[3] = pick<0x7632>(v.z, v.w);
        }
      }
}

template <class S>
__device__ __forceinline__ void multiply(float (&sums)[S::TILES][4], const uint4 (&w)[2][2], const unsigned (&x)[2][S::TILES][4 * S::X]) {
#pragma unroll
  for (int u = 0; u < 2; ++u) {
    unsigned low[4 * S::X], high[4 * S::X];
    pairs_of(low, w[u][0], static_cast<const typename S::W*>(nullptr));
    pairs_of(high, w[u][1], static_cast<const typename S::W*>(nullptr));
#pragma unroll
    for (int k = 0; k < 4 * S::X; k += 2) {
      const unsigned left[4] = {low[k], high[k], low[k + 1], high[k + 1]};
#pragma unroll
      for (int n = 0; n < S::TILES; ++n) {
        const unsigned right[2] = {x[u][n][k], x[u][n][k + 1]};
        mma(sums[n], left, right);
      }
    }
  }
}

// One turn out of a slot; what it held is replaced by the turn that `from` stands at as soon as it is in registers.
template <class S>
__device__ __forceinline__ void take(float (&sums)[S::M][S::TILES][4], char* slot, const Source<S>& from, const Arguments& a) {
  const int lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
  unsigned x[2][S::TILES][4 * S::X];
#pragma unroll
  for (int m = 0; m < S::M; ++m) {
    copy_wait<S::M * S::depth - 1>();
    __syncwarp();  // the other lanes' pieces too
    if (m == 0) read_x<S>(x, slot);
    uint4 w[2][2];
#pragma unroll
    for (int u = 0; u < 2; ++u)
#pragma unroll
      for (int half = 0; half < 2; ++half)
        w[u][half] = *reinterpret_cast<const uint4*>(slot + m * 2048 + half * 1024 + g * 128 + ((4 * u + t) ^ g % 2 * 4) * 16);
    __syncwarp();
    copy<S>(slot, from, a, m);
    multiply<S>(sums[m], w, x);
  }
}

// Where the sum of a warp for a row and a token lies; turned so that neither side meets a bank twice.
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

// y of the rows [first, first + rows) of the weight, summed over the warps in order.
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
    const int64_t at = (static_cast<int64_t>(blockIdx.y) * a.T + t) * width + n;
    float* const y32 = static_cast<float*>(a.y);
    bf16* const y16 = static_cast<bf16*>(a.y);
    if (a.beta != 0) value = __fadd_rn(__fmul_rn(a.beta, a.y_dtype == INGRAIN_F32 ? y32[at] : to_float(y16[at])), value);
    if (a.y_dtype == INGRAIN_F32) y32[at] = value;
    else y16[at] = from_float<bf16>(value);
  }
}

template <class S>
__device__ __forceinline__ void finish(const Arguments& a, const float (&sums)[S::M][S::TILES][4], float* partial, int& buffer, unsigned tile) {
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
          to[place<S>(warp, 16 * m + 8 * (i / 2) + g, 8 * n + 2 * t + i % 2)] = sums[S::gated ? m * rounds + round : round * S::together + m][n][i];
    __syncthreads();
    write<S>(a, to, static_cast<int64_t>(tile) * S::outputs + round * (S::outputs / rounds));
    if constexpr (S::buffers == 1) __syncthreads();
    else buffer ^= 1;  // its readers are past the next barrier before anybody writes there again
  }
}

// Block (i, chunk): the tiles i, i + gridDim.x, ... of one chunk of the columns.
template <class S> __global__ void __launch_bounds__(threads, 2) product(Arguments a) {
  char* const shared = dynamic_shared<char>();
  char* const ring = shared + threadIdx.x / 32 * S::ring;
  float* const partial = reinterpret_cast<float*>(shared + warps * S::ring);
  const int turns = static_cast<int>((a.chunk + warps * S::turn - 1) / (warps * S::turn));  // as many for every warp
  int slot = 0, buffer = 0;
  Source<S> from;
  open<S>(from, a, blockIdx.x);
#pragma unroll
  for (int d = 0; d < S::depth; ++d) {
#pragma unroll
    for (int m = 0; m < S::M; ++m) copy<S>(ring + d * S::slot, from, a, m);
    advance<S>(from, a, turns);
  }
#pragma unroll 1
  for (unsigned tile = blockIdx.x; tile < a.tiles; tile += gridDim.x) {
    float sums[S::M][S::TILES][4] = {};
#pragma unroll 1
    for (int i = 0; i < turns; ++i) {
      take<S>(sums, ring + slot, from, a);
      advance<S>(from, a, turns);
      slot = slot == (S::depth - 1) * S::slot ? 0 : slot + S::slot;
    }
    finish<S>(a, sums, partial, buffer, tile);
  }
  copy_wait<0>();
}

struct Device {
  unsigned slots;   // blocks that are resident together
  bool deep;
};

// The number of blocks: at most `slots`, and fewer where all blocks then get the same number of tiles.
template <class W, bool gated, int M, int TILES, bool deep> ingrain_status start(ingrain_context* ctx, Arguments a, unsigned slots) {
  using S = Shape<W, gated, M, TILES, deep>;
  const unsigned chunks = static_cast<unsigned>(a.C / a.chunk), most = max(1u, slots / chunks);
  a.tiles = blocks_for(gated ? a.N / 2 : a.N, S::outputs);
  const unsigned each = blocks_for(a.tiles, most);
  return launch(product<S>, dim3(blocks_for(a.tiles, each), chunks), threads, S::shared, ctx, a);
}

// More rows a block where there are many tokens, because x is read once for them; fewer where the weight is too narrow to give every
// multiprocessor of an H200 (132) a block, or where shared memory is short.
template <class W, bool gated> ingrain_status start(ingrain_context* ctx, const Arguments& a, const Device& device) {
  const unsigned slots = device.slots;
  const bool wide = a.N >= 64 * 120;
  if (a.T > 8) {
    if (!device.deep) return start<W, gated, 2, 2, false>(ctx, a, slots);
    return wide ? start<W, gated, 4, 2, true>(ctx, a, slots) : start<W, gated, 2, 2, true>(ctx, a, slots);
  }
  if constexpr (!gated)
    if (!wide || a.T <= 4) return device.deep ? start<W, false, 1, 1, true>(ctx, a, slots) : start<W, false, 1, 1, false>(ctx, a, slots);
  return device.deep ? start<W, gated, 2, 1, true>(ctx, a, slots) : start<W, gated, 2, 1, false>(ctx, a, slots);
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
  void* stream = nullptr;
  if (ingrain_status status = ingrain_native_stream(ctx, &stream)) return status;  // makes the context's device current
  int device = 0, multiprocessors = 0, shared = 0;
  cudaError_t error = cudaGetDevice(&device);
  if (error == cudaSuccess) error = cudaDeviceGetAttribute(&multiprocessors, cudaDevAttrMultiProcessorCount, device);
  if (error == cudaSuccess) error = cudaDeviceGetAttribute(&shared, cudaDevAttrMaxSharedMemoryPerBlockOptin, device);
  if (ingrain_status status = cuda_status(ctx, error, "few_rows")) return status;
  const Device on{2u * static_cast<unsigned>(multiprocessors), shared >= 113 << 10};
  const Arguments a{y, static_cast<const bf16*>(x), w->data, w->scales, w->rows, w->columns, partial && w->chunk > 0 ? w->chunk : w->columns,
                    static_cast<int>(T), y_dtype, beta, 0};
  if (w->dtype == INGRAIN_BF16) return start<bf16, gated>(ctx, a, on);
  return start<fp8, gated>(ctx, a, on);
}

}  // namespace few_rows
