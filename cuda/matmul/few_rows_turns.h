// few_rows, the turns of a warp: copies to the warp's ring buffer, and products of the data in this buffer. few_rows.h
// explains the design.
#pragma once
#include "launch.h"
#include "mma.h"
#include "output.h"

namespace few_rows {

constexpr int warps = 8, threads = 32 * warps;
constexpr int64_t max_rows = 16;
constexpr unsigned resident_blocks = 2;      // blocks per multiprocessor
constexpr size_t deep_bytes = 112 << 10;     // shared memory of the largest block with a deep ring

struct Arguments {
  Output y;               // (chunks, T, N), or (T, N / 2) if gated
  const bf16* x;          // (T, C)
  const void* w;          // (N, C)
  const float* scales;    // (N) or null
  int64_t N, C, chunk;  // chunk: columns of one sum
  int T;
  unsigned tiles;
  const bf16* norm;  // (C), or null if x is not normalised; see few_rows_norm.h
  float eps;
  int pitch;         // bytes of a normalised row in shared memory
};

// `deep` is true on devices whose multiprocessors have shared memory for two blocks of deep_bytes (sm_90 and sm_100).
// On other devices less data is in flight: 32 KiB per multiprocessor, if two blocks with shallow rings fit. If `normed`
// is true, the rows of x are normalised first (few_rows_norm.h). They stay in shared memory, and the rings contain only
// w.
template <class W_, bool gated_, int M_, int TILES_, bool deep, bool normed_ = false> struct Shape {
  using W = W_;
  static constexpr bool gated = gated_, normed = normed_;
  static constexpr int M = M_, TILES = TILES_;
  static constexpr int width = 16 / sizeof(W);  // columns in 16 bytes of w
  static constexpr int turn = 8 * width;  // columns per turn
  static constexpr int X = width / 8;  // 16-byte pieces of x per 16-byte piece of w
  static constexpr int tokens = 8 * TILES, outputs = 16 * M / (gated ? 2 : 1);
  static constexpr int x_bytes = 128 * X;  // bytes of a row of x per turn
  static constexpr int w_bytes = 2048 * M, slot = w_bytes + (normed ? 0 : 8 * TILES * x_bytes);  // bytes of a turn
  static constexpr int most = normed ? 8192 : 12288;  // largest number of bytes of a warp's ring
  static constexpr int depth = !deep || slot * 2 > most ? 1 : M == 1 ? most / slot : 2;  // turns in flight
  static constexpr int ring = depth * slot;
  static constexpr int together = M == 1 ? 1 : 2;  // 16-row tiles summed at a time; if gated, one of gate and one of up
  static constexpr int sums = warps * 16 * together * tokens;
  static constexpr int buffers = TILES == 1 ? 2 : 1;  // buffers of sums; with two, a tile needs only one barrier
  static constexpr size_t shared = warps * ring + sizeof(float) * sums * buffers;  // without normalised rows
};

// The addresses from which a lane copies next, and the numbers of rows and columns of w that are left from there to the
// end. One load instruction of a warp covers whole cache lines: 4 rows of w, or 4 / X rows of x.
template <class S> struct Source {
  const typename S::W* w;  // if gated, an address in the rows of gate
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
  if (tile >= a.tiles) from.columns = -(1 << 30);  // nothing is read past the last tile
}

// Hides from the compiler how i was computed, without changing i. The compiler then keeps i in a register instead of
// computing it again.
__device__ __forceinline__ void opaque([[maybe_unused]] int& i) {
#ifndef INGRAIN_SIMT
  asm volatile("" : "+r"(i));
#endif
}

// Returns the place of a 16-byte piece within its row of x in shared memory. Odd rows are swizzled.
template <class S> __device__ __forceinline__ int swizzled(int token, int piece) {
  return piece ^ token % 2 * (4 / (S::X * S::X));
}

// Offsets, within a slot, of the pieces that a lane copies and reads. They are computed once.
template <class S> struct Places {
  int copy_w, copy_x, w, x;  // w and x: the piece with u = 0; an XOR with 64 (or 16) gives the piece with u = 1

  __device__ __forceinline__ explicit Places(const Arguments& a) {
    const int lane = threadIdx.x % 32, g = lane / 4, t = lane % 4, row = lane / 8;
    constexpr int pieces = 8 * S::X;
    const int token = lane / pieces, piece = lane % pieces;
    copy_w = row * 128 + (lane % 8 ^ row % 2 * 4) * 16;
    copy_x = S::w_bytes + token * 16 * pieces + swizzled<S>(token, piece) * 16;
    w = g * 128 + (t ^ g % 2 * 4) * 16;
    // The result's columns of tokens from T on are not used, so any row may be read for them.
    const int from = S::normed && g >= a.T ? a.T - 1 : g;
    x = from * (S::normed ? a.pitch : S::x_bytes) + swizzled<S>(from, S::X * t) * 16 + (S::normed ? 0 : S::w_bytes);
    if constexpr (S::M < 4) opaque(copy_w), opaque(copy_x), opaque(w), opaque(x);  // otherwise registers spill
  }
};

// Copies 16 rows of w for one turn (128 bytes of each row): rows 16·m to 16·m + 15 of the tile. If S::gated is true,
// the first half of the tile's rows are rows of `gate`, and the second half are rows of `up`. If m is 0, also copies
// the part of x for this turn. Odd rows are swizzled in shared memory, so that reads have no bank conflicts.
template <class S>
__device__ __forceinline__ void copy(char* slot, const Source<S>& from, const Arguments& a, const Places<S>& at,
                                     int m) {
  const int lane = threadIdx.x % 32, C = static_cast<int>(a.C);
  const int limit = from.columns > 0 ? from.rows : 0;
  char* const to = slot + m * 2048 + at.copy_w;
  const int first = S::gated ? m % (S::M / 2) * 16 : m * 16;
  const typename S::W* const w = from.w + (S::gated && m >= S::M / 2 ? a.N / 2 * a.C : 0);
#pragma unroll
  for (int j = 0; j < 4; ++j)
    copy_async16(to + j * 512, w + (first + 4 * j) * C, first + 4 * j < limit);
  if (!S::normed && m == 0) {
    constexpr int pieces = 8 * S::X, step = 32 / pieces;  // pieces per row of x, rows of x per instruction
    const int token = lane / pieces, piece = lane % pieces;
    const int tokens = from.columns + lane % 8 * S::width - piece * 8 > 0 ? a.T - token : 0;
    char* const x = slot + at.copy_x;
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

// Converts a lane's 16 bytes to pairs of bf16.
__device__ __forceinline__ void pairs_of(unsigned (&pairs)[4], const uint4& v, const bf16*) {
  pairs[0] = v.x, pairs[1] = v.y, pairs[2] = v.z, pairs[3] = v.w;
}
__device__ __forceinline__ void pairs_of(unsigned (&pairs)[8], const uint4& v, const fp8*) {
  widen_fp8(pairs, v.x), widen_fp8(pairs + 2, v.y), widen_fp8(pairs + 4, v.z), widen_fp8(pairs + 6, v.w);
}

// Reads a lane's elements of x for a turn, from a slot or from normalised rows.
template <class S>
__device__ __forceinline__ void read_x(unsigned (&x)[2][S::TILES][4 * S::X], const char* rows, const Places<S>& at) {
#pragma unroll
  for (int u = 0; u < 2; ++u)
#pragma unroll
    for (int n = 0; n < S::TILES; ++n)
#pragma unroll
      for (int i = 0; i < S::X; ++i) {
        const int from = S::X == 1 ? at.x ^ 64 * u : (at.x ^ 16 * i) + 128 * u;
        const uint4 v = *reinterpret_cast<const uint4*>(rows + from + n * 1024 * S::X);
        unsigned* const to = x[u][n] + 4 * i;
        to[0] = v.x, to[1] = v.y, to[2] = v.z, to[3] = v.w;
      }
}

template <class S>
__device__ __forceinline__ void multiply(float (&sums)[S::TILES][4], const uint4 (&w)[2][2],
                                         const unsigned (&x)[2][S::TILES][4 * S::X]) {
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

// Multiplies the data of one turn, which is in a slot of the ring. If S::normed is true, `rows` is the turn's part of
// the normalised rows. As soon as the data is in registers, copies from `from` refill the slot.
template <class S>
__device__ __forceinline__ void take(float (&sums)[S::M][S::TILES][4], char* slot, const char* rows,
                                     const Source<S>& from, const Arguments& a, const Places<S>& at) {
  unsigned x[2][S::TILES][4 * S::X];
#pragma unroll
  for (int m = 0; m < S::M; ++m) {
    copy_wait<S::M * S::depth - 1>();
    __syncwarp();  // makes the copies of the other lanes visible
    if (m == 0) read_x<S>(x, S::normed ? rows : slot, at);
    uint4 w[2][2];
#pragma unroll
    for (int u = 0; u < 2; ++u)
#pragma unroll
      for (int half = 0; half < 2; ++half)
        w[u][half] = *reinterpret_cast<const uint4*>(slot + m * 2048 + half * 1024 + (at.w ^ 64 * u));
    __syncwarp();
    copy<S>(slot, from, a, at, m);
    multiply<S>(sums[m], w, x);
  }
}

}  // namespace few_rows
