// Attention on the tensor core (Dao 2023, arXiv:2307.08691). These functions are the steps of one warp, which processes
// 16 query rows and a tile of keys or values in shared memory. The operations on a row, and so the result of the row,
// do not depend on the row's place in the tile or on the other rows.
//
// A tile in shared memory consists of rows of EP bf16 (E padded with zeros) with a row stride of tile_stride<EP>. The
// stride is an odd number of 16-byte units, so the eight rows of a matrix load are in eight different bank groups.
#pragma once
#include "mma.h"
#include "reduce.h"

template <int EP> constexpr int tile_stride = EP + 8;
constexpr float log2_e = 1.4426950408889634f;

// Returns 2^x, computed by one instruction; a result below 2^-126 becomes 0.
__device__ __forceinline__ float exp2_approximate(float x) {
#ifdef INGRAIN_SIMT
  return exp2f(x);
#else
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
#endif
}

// Loads rows g and g + 8 (g = lane / 4) of 16 rows of E elements from global memory, as left operands of mma. `low` and
// `high` are the addresses of these two rows. If an address is null, the elements of its row are 0. With `fours`, a
// lane has four adjacent columns of each 16 instead of two pairs, as a word of four fp8 values has them.
template <int EP, bool fours = false>
__device__ __forceinline__ void load_rows(unsigned (&a)[EP / 16][4], const bf16* low, const bf16* high, int E) {
  const int t = threadIdx.x % 4;
#pragma unroll
  for (int k = 0; k < EP / 16; ++k)
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const bf16* row = i % 2 ? high : low;
      const int column = 16 * k + (fours ? 4 * t + i / 2 * 2 : 2 * t + i / 2 * 8);
      a[k][i] = row && 16 * k < E ? *reinterpret_cast<const unsigned*>(row + column) : 0;
    }
}

// Loads columns [16·k, 16·k + 16) of 16 rows from shared memory, as the left operand of mma.
template <int EP> __device__ __forceinline__ void load_left(unsigned (&a)[4], const bf16* rows, int k) {
  const int lane = threadIdx.x % 32;
  load_matrices(a, rows + (lane % 16) * tile_stride<EP> + 16 * k + lane / 16 * 8);
}

// Rounds accumulators (16, 8·N) to bf16 and packs them as the left operand of the next product.
template <int N> __device__ __forceinline__ void to_left(unsigned (&p)[N / 2][4], const float (&s)[N][4]) {
#pragma unroll
  for (int j = 0; j < N / 2; ++j)
#pragma unroll
    for (int i = 0; i < 4; ++i) p[j][i] = pack_bf16(s[2 * j + i / 2][i % 2 * 2], s[2 * j + i / 2][i % 2 * 2 + 1]);
}

// Returns the value that a row with maximum m subtracts from its scores. If no key has been visible to a row yet, m is
// -inf, and the row subtracts 0.
__device__ __forceinline__ float finite_maximum(float m) { return m == -INFINITY ? 0.0f : m; }

// The running softmax of a lane's rows g and g + 8: m are the maxima of the unscaled scores, l the sums of the weights,
// o the weighted sums of the values.
template <int N> struct Softmax {
  float m[2], l[4], o[N][4];

  __device__ __forceinline__ void start() {
    m[0] = m[1] = -INFINITY;
#pragma unroll
    for (int i = 0; i < 4; ++i) l[i] = 0;
#pragma unroll
    for (int n = 0; n < N; ++n) o[n][0] = o[n][1] = o[n][2] = o[n][3] = 0;
  }
  // `maximum` contains the maxima of the rows' scores in the next tile. Raises m to these maxima if they are larger,
  // and rescales l and o. If m does not change, the rescaling factor is exactly 1.
  __device__ __forceinline__ void raise(const float (&maximum)[2], float log2_scale) {
    float factor[2];
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      const float before = m[r];
      m[r] = fmaxf(before, maximum[r]);
      factor[r] = exp2_approximate((before - finite_maximum(m[r])) * log2_scale);
    }
#pragma unroll
    for (int i = 0; i < 4; ++i) l[i] *= factor[i / 2];
#pragma unroll
    for (int n = 0; n < N; ++n)
#pragma unroll
      for (int i = 0; i < 4; ++i) o[n][i] *= factor[i / 2];
  }
  // Replaces scores by weights.
  template <int S> __device__ __forceinline__ void weights(float (&s)[S][4], float log2_scale) const {
    const float base[2] = {finite_maximum(m[0]) * log2_scale, finite_maximum(m[1]) * log2_scale};
#pragma unroll
    for (int n = 0; n < S; ++n)
#pragma unroll
      for (int i = 0; i < 4; ++i) s[n][i] = exp2_approximate(fmaf(s[n][i], log2_scale, -base[i / 2]));
  }
  // Adds this lane's unrounded weights to l. At the end, complete() adds up the sums of the four lanes of a row.
  template <int S> __device__ __forceinline__ void sum(const float (&s)[S][4]) {
#pragma unroll
    for (int n = 0; n < S; ++n)
#pragma unroll
      for (int i = 0; i < 4; i += 2) l[i] += s[n][i] + s[n][i + 1];
  }
  __device__ __forceinline__ void complete() {
    l[0] = warp_reduce<Sum, 4>(l[0]);
    l[2] = warp_reduce<Sum, 4>(l[2]);
  }
};

// Sets the scores of keys that are hidden from a row to -inf. `first` is the position of the tile's first column. The
// keys at positions below a row's element of `visible` are visible to the row.
template <int S> __device__ __forceinline__ void mask(float (&s)[S][4], int first, const int (&visible)[2]) {
  const int t = threadIdx.x % 4;
  if (first + 8 * S <= min(visible[0], visible[1])) return;
#pragma unroll
  for (int n = 0; n < S; ++n)
#pragma unroll
    for (int i = 0; i < 4; ++i)
      if (first + 8 * n + 2 * t + i % 2 >= visible[i / 2]) s[n][i] = -INFINITY;
}

template <int S> __device__ __forceinline__ void row_maxima(float (&maximum)[2], const float (&s)[S][4]) {
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    float m = s[0][2 * r];
#pragma unroll
    for (int n = 0; n < S; ++n) m = fmaxf(m, fmaxf(s[n][2 * r], s[n][2 * r + 1]));
    maximum[r] = warp_reduce<Max, 4>(m);
  }
}

// The factors for merging two partial results of a row's softmax: o = a·o_before + b·o_part, and likewise for l. If the
// same partial results are merged in the same order, the result has the same bits.
struct Merge {
  float a, b;

  // Sets m to the maximum of m and the part's maximum.
  __device__ __forceinline__ Merge(float& m, float part, float log2_scale) {
    const float before = m;
    m = fmaxf(before, part);
    a = exp2_approximate((before - finite_maximum(m)) * log2_scale);
    b = exp2_approximate((part - finite_maximum(m)) * log2_scale);
  }
  __device__ __forceinline__ float operator()(float before, float part) const { return fmaf(part, b, before * a); }
};

// Returns the number of the item that this block processes in a round. All blocks run at the same time. Of the items of
// a long sequence, those with higher numbers have less work. To balance the work, every second round assigns the items
// to the blocks in descending order.
__device__ __forceinline__ int item_of_round(int round) {
  return static_cast<int>(round * gridDim.x + (round % 2 ? gridDim.x - 1 - blockIdx.x : blockIdx.x));
}
