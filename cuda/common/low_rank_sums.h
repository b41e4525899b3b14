// Computes the products of low_rank.h whose sums run over the columns of a wide bf16 matrix, for any assignment of
// adapters to the rows. The narrow operand has at most 64 rows; a block handles 16 of them. The wide operand is
// streamed as in low_rank_stream.h.
//
// Order of summation: 64 columns in an accumulator of the tensor core; then two such sums; then the sums of 128 columns
// in order, up to the span; then the sums of the spans in the order of add_spans.
#pragma once
#include "low_rank_stream.h"

namespace low_rank {

// out = scale·Σ partials (spans, n), or out += scale·Σ partials if `accumulate` is true. Adjacent spans form groups of
// `group` spans. The partial sums of each group are added first; then the sums of the groups are added in order. So
// four spans of one piece (128 terms) each give the same sum as one span of four pieces.
struct Spans {
  float* out;
  const float* partials;
  int64_t n, spans;
  int group;
  float scale;
  bool accumulate;
  // If width is not 0, a span is a matrix (n / width, width). `out` is this matrix, or its transpose if `transposed` is
  // true, with row distance ld. If width is 0, `out` is contiguous.
  int64_t width = 0, ld = 0;
  bool transposed = false;
};

__device__ __forceinline__ void add_spans(const Spans& a) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i >= a.n) return;
  constexpr int flight = 8;  // loads in flight; a multiple of every group size
  float total = 0, sum = 0;
  for (int64_t first = 0; first < a.spans; first += flight) {
    float part[flight];
#pragma unroll
    for (int j = 0; j < flight; ++j) part[j] = first + j < a.spans ? a.partials[(first + j) * a.n + i] : 0;
#pragma unroll
    for (int j = 0; j < flight; ++j) {
      if (first + j >= a.spans) break;
      if (j % a.group == 0) total += sum, sum = 0;
      sum += part[j];
    }
  }
  total += sum;
  int64_t to = i;
  if (a.width) to = a.transposed ? i % a.width * a.ld + i / a.width : i / a.width * a.ld + i % a.width;
  a.out[to] = a.accumulate ? a.out[to] + a.scale * total : a.scale * total;
}

// Adds the spans of two results, or of `first` only if the grid has one row of blocks.
static __global__ void add_all_spans(Spans first, Spans second) {
  if (blockIdx.y == 0) add_spans(first);
  else add_spans(second);
}

constexpr int sum_rows = 128;  // rows per block, 16 per warp
constexpr int quads = 6;  // 16-byte pieces of a lane per 32 columns of the narrow operand: three terms × two steps
constexpr size_t sums_shared(int64_t span) { return static_cast<size_t>(span / 32) * quads * 32 * sizeof(uint4); }

// partials[i] = p·qᵀ over span i of the depth, for p (rows, depth) and q (R, depth).
struct RowSums {
  const bf16* p;
  int64_t ld, rows, depth, span;
  const float* q;
  int64_t adapter;
  int R;
  const int32_t* slots;    // (rows) or null
  Dropout mask;            // of p
  float* partials;         // (spans, rows, R)
};

// Stores the part of q for the block's span, split into terms. For every step and term, the fragments of the lanes are
// adjacent. q is the left operand of mma, so that a lane reads the four registers of q with one 16-byte access. p is
// the right operand. The loads of p produce the two registers of p in the order that mma needs.
__device__ __forceinline__ void stage_span(uint4* to, const RowSums& a, int64_t slot, int64_t begin, int64_t end) {
  const float* const q = a.q + slot * a.adapter;
#pragma unroll 4
  for (int at = threadIdx.x; at < a.span * 2; at += wide_threads) {
    const int lane = at % 32, half = at / 32 % 2, group = at / 64, r = lane / 4 + 8 * half;
    // Indices are clamped, so that the loads need no branch.
    const int64_t k = begin + 32 * group + 8 * (lane % 4), column = min(k, a.depth - 8);
    const int first_r = static_cast<int>(blockIdx.z) * narrow, row = min(first_r + r, a.R - 1);
    float v[8];
    read<true>(v, q + row * a.depth + column, 8);
#pragma unroll
    for (int i = 0; i < 8; ++i) v[i] = first_r + r < a.R && k < end ? v[i] : 0;
#pragma unroll
    for (int step = 0; step < 2; ++step) {
      unsigned first[3], second[3];
      split(first, v[4 * step], v[4 * step + 1]);
      split(second, v[4 * step + 2], v[4 * step + 3]);
#pragma unroll
      for (int i = 0; i < 3; ++i) {
        unsigned* const quad = reinterpret_cast<unsigned*>(to + (group * quads + step * 3 + i) * 32 + lane);
        quad[half] = first[i], quad[2 + half] = second[i];
      }
    }
  }
}

// Loads a lane's part of 16 rows and 32 columns: eight adjacent columns of rows g and g + 8.
__device__ __forceinline__ void prefetch(uint4 (&v)[2], const bf16* p, int64_t below, const bool (&present)[2],
                                         bool inside) {
#pragma unroll
  for (int half = 0; half < 2; ++half) v[half] = load_streamed(p + half * below, present[half] && inside);
}

// Multiplies 32 columns of both operands. left(step, i) is term i of the lane's part of q for half `step` of the
// columns. The products with the first (largest) term of q are added to large[n], all other products to small[n]. Each
// accumulator n is a tile (R padded to 16, eight rows of p). The other products have their own accumulators, because
// they are small: if each of them were added to a large sum, rounding would remove it.
template <class Left>
__device__ __forceinline__ void multiply(float (&large)[2][4], float (&small)[2][4], const uint4 (&v)[2],
                                         const Left& left) {
#pragma unroll
  for (int step = 0; step < 2; ++step)
#pragma unroll
    for (int i = 2; i >= 0; --i) {
      const uint4 part = left(step, i);
      const unsigned terms[4] = {part.x, part.y, part.z, part.w};
#pragma unroll
      for (int n = 0; n < 2; ++n) mma(i ? small[n] : large[n], terms, {step ? v[n].z : v[n].x, step ? v[n].w : v[n].y});
    }
}

// Sets sum to large + small, and then large and small to 0.
__device__ __forceinline__ void take(float (&sum)[2][4], float (&large)[2][4], float (&small)[2][4]) {
#pragma unroll
  for (int i = 0; i < 8; ++i) {
    sum[i / 4][i % 4] = large[i / 4][i % 4] + small[i / 4][i % 4];
    large[i / 4][i % 4] = small[i / 4][i % 4] = 0;
  }
}

// The grid is (rows / 128, spans, R / 16). Every warp handles 16 rows over the whole span of its block. It sums 128
// columns at a time and adds these sums to the total.
template <bool masked> __global__ void __launch_bounds__(wide_threads, masked ? 1 : 2) row_sums(RowSums a) {
  __shared__ int32_t row_slots[sum_rows];
  uint4* const terms = dynamic_shared<uint4>();
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, g = lane / 4, t = lane % 4;
  const int64_t row0 = static_cast<int64_t>(blockIdx.x) * sum_rows, row = row0 + 16 * warp + g;
  const int64_t begin = blockIdx.y * a.span, end = min(begin + a.span, a.depth);
  const bf16* const corner = a.p + row * a.ld + begin + 8 * t;
  for (int r = threadIdx.x; r < sum_rows; r += wide_threads)
    row_slots[r] = row0 + r >= a.rows ? no_row : a.slots ? a.slots[row0 + r] : 0;
  __syncthreads();
  for (int32_t slot = a.slots ? next_slot(row_slots, INT64_MIN, sum_rows) : 0; slot != no_row;
       slot = a.slots ? next_slot(row_slots, slot, sum_rows) : no_row) {
    const bool present[2] = {row_slots[16 * warp + g] == slot, row_slots[16 * warp + g + 8] == slot};
    const bool busy = slot >= 0 && __any_sync(0xffffffffu, present[0] || present[1]);
    float total[2][4] = {};
    uint4 ahead[4][2];  // prefetched elements of p for one partial sum
    const bf16* from = corner;
    int columns = static_cast<int>(end - begin) - 8 * t;  // remaining columns, counted from the lane's first column
    if (slot >= 0) {
#pragma unroll
      for (int group = 0; group < 4; ++group)
        prefetch(ahead[group], from + 32 * group, 8 * a.ld, present, 32 * group < columns);
      __syncthreads();
      stage_span(terms, a, slot, begin, end);
      __syncthreads();
    }
    const uint4* q = terms + lane;
    const int links = busy ? static_cast<int>((end - begin + chain - 1) / chain) : 0;
#pragma unroll 1
    for (int link = 0; link < links; ++link) {
      float large[2][4] = {}, small[2][4] = {}, sums[2][2][4];  // sums: over 64 columns
      columns -= chain;
#pragma unroll
      for (int group = 0; group < 4; ++group, q += quads * 32) {
        if constexpr (masked) {
#pragma unroll
          for (int i = 0; i < 2; ++i)
            keep(ahead[group][i], a.mask.kept<8, true>(row + 8 * i, end - columns - chain + 32 * group));
        }
        multiply(large, small, ahead[group], [q](int step, int i) { return q[(step * 3 + i) * 32]; });
        prefetch(ahead[group], from + chain + 32 * group, 8 * a.ld, present, 32 * group < columns);
        if (group % 2) take(sums[group / 2], large, small);
      }
      from += chain;
#pragma unroll
      for (int i = 0; i < 8; ++i) total[i / 4][i % 4] += sums[0][i / 4][i % 4] + sums[1][i / 4][i % 4];
    }
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      const int to = 16 * warp + i / 4 * 8 + 2 * t + i % 2;
      const int r = static_cast<int>(blockIdx.z) * narrow + g + i % 4 / 2 * 8;
      if (row_slots[to] == slot && r < a.R)
        a.partials[(blockIdx.y * a.rows + row0 + to) * a.R + r] = total[i / 4][i % 4];
    }
  }
}

inline bool streams(const RowSums& a) {
  return a.R <= 4 * narrow && a.depth % 8 == 0 && a.ld % 8 == 0 && aligned16(a.p) && aligned16(a.q) &&
         a.mask.first % 4 == 0;
}

}  // namespace low_rank
