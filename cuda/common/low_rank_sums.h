// Computes the products of low_rank.h whose sums have many terms. One operand is narrow (at most 16 rows); the other
// operand, called wide, is bf16. The wide operand is streamed as in low_rank_stream.h.
#pragma once
#include "low_rank_stream.h"

namespace low_rank {

constexpr int sum_rows = 128;  // rows per block, 16 per warp
constexpr int quads = 6;  // 16-byte pieces of a lane per 32 columns of the narrow operand: three terms × two steps
constexpr size_t sums_shared(int64_t span) { return static_cast<size_t>(span / 32) * quads * 32 * sizeof(uint4); }

// partials[i] = p·qᵀ over span i of the depth, for p (rows, depth). q is (R, depth), or (depth, R) if transposed.
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
template <bool transposed>
__device__ __forceinline__ void stage_span(uint4* to, const RowSums& a, int64_t slot, int64_t begin, int64_t end) {
  const float* const q = a.q + slot * a.adapter;
#pragma unroll 4
  for (int at = threadIdx.x; at < a.span * 2; at += wide_threads) {
    const int lane = at % 32, half = at / 32 % 2, group = at / 64, r = lane / 4 + 8 * half;
    // Indices are clamped, so that the loads need no branch.
    const int64_t k = begin + 32 * group + 8 * (lane % 4), column = min(k, a.depth - 8);
    const int row = min(r, a.R - 1);
    float v[8];
    if constexpr (transposed) {
#pragma unroll
      for (int i = 0; i < 8; ++i) v[i] = q[(column + i) * a.R + row];
    } else {
      read<true>(v, q + row * a.depth + column, 8);
    }
#pragma unroll
    for (int i = 0; i < 8; ++i) v[i] = r < a.R && k < end ? v[i] : 0;
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

// Multiplies 32 columns of both operands. The products with the first (largest) term of q are added to large[n], all
// other products to small[n]. Each accumulator n is a tile (R padded to 16, eight rows of p). The other products have
// their own accumulators, because they are small: if each of them were added to a large sum, rounding would remove it.
__device__ __forceinline__ void multiply(float (&large)[2][4], float (&small)[2][4], const uint4 (&v)[2],
                                         const uint4* q) {
#pragma unroll
  for (int step = 0; step < 2; ++step)
#pragma unroll
    for (int i = 2; i >= 0; --i) {
      const uint4 part = q[(step * 3 + i) * 32];
      const unsigned left[4] = {part.x, part.y, part.z, part.w};
#pragma unroll
      for (int n = 0; n < 2; ++n) mma(i ? small[n] : large[n], left, {step ? v[n].z : v[n].x, step ? v[n].w : v[n].y});
    }
}

// The grid is (rows / 128, spans). Every warp handles 16 rows over the whole span of its block. It sums 128 columns
// at a time and adds these sums to the total.
template <bool transposed, bool masked> __global__ void __launch_bounds__(wide_threads, 2) row_sums(RowSums a) {
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
      stage_span<transposed>(terms, a, slot, begin, end);
      __syncthreads();
    }
    const uint4* q = terms + lane;
    const int links = busy ? static_cast<int>((end - begin + chain - 1) / chain) : 0;
#pragma unroll 1
    for (int link = 0; link < links; ++link) {
      float large[2][4] = {}, small[2][4] = {};
      columns -= chain;
#pragma unroll
      for (int group = 0; group < 4; ++group, q += quads * 32) {
        if constexpr (masked) {
#pragma unroll
          for (int i = 0; i < 2; ++i)
            keep(ahead[group][i], a.mask.kept<8, true>(from - a.p + 32 * group + i * 8 * a.ld));
        }
        multiply(large, small, ahead[group], q);
        prefetch(ahead[group], from + chain + 32 * group, 8 * a.ld, present, 32 * group < columns);
      }
      from += chain;
#pragma unroll
      for (int i = 0; i < 8; ++i) total[i / 4][i % 4] += large[i / 4][i % 4] + small[i / 4][i % 4];
    }
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      const int to = 16 * warp + i / 4 * 8 + 2 * t + i % 2, r = g + i % 4 / 2 * 8;
      if (row_slots[to] == slot && r < a.R)
        a.partials[(blockIdx.y * a.rows + row0 + to) * a.R + r] = total[i / 4][i % 4];
    }
  }
}

inline bool streams(const RowSums& a, bool transposed) {
  return a.R <= narrow && a.depth % 8 == 0 && a.ld % 8 == 0 && aligned16(a.p) && (transposed || aligned16(a.q)) &&
         a.mask.first % 4 == 0;
}

// partials[i] = uᵀ·p over span i of the tokens, for p (T, columns) and u (T, R).
struct TokenSums {
  const bf16* p;
  int64_t ld, T, columns, span;
  const float* u;
  int R;
  Dropout mask;            // of p
  float* partials;         // (spans, R, columns)
};

constexpr int token_threads = 128, token_columns = 64;  // columns per warp
constexpr int resident_tokens = 3;  // blocks per multiprocessor
constexpr int steps = static_cast<int>(chain) / 16;

// Stores uᵀ of `chain` tokens, split into terms, as the left operands of the steps. Columns 2t, 2t + 1, 2t + 8 and
// 2t + 9 of an operand are tokens 4t to 4t + 3 of the step.
__device__ __forceinline__ void stage_tokens(uint4* to, const TokenSums& a, int64_t token0, int64_t end) {
#pragma unroll
  for (int turn = 0; turn < steps * 32 / token_threads; ++turn) {
    const int at = threadIdx.x + turn * token_threads, lane = at % 32, r = lane / 4;
    const int64_t token = token0 + at / 32 * 16 + 4 * (lane % 4);
    float v[2][4];  // read at clamped indices, so that the loads need no branch
#pragma unroll
    for (int i = 0; i < 8; ++i) v[i / 4][i % 4] = a.u[min(token + i % 4, end - 1) * a.R + min(r + i / 4 * 8, a.R - 1)];
#pragma unroll
    for (int i = 0; i < 8; ++i) v[i / 4][i % 4] = r + i / 4 * 8 < a.R && token + i % 4 < end ? v[i / 4][i % 4] : 0;
    unsigned parts[4][3];
#pragma unroll
    for (int i = 0; i < 4; ++i) split(parts[i], v[i % 2][i / 2 * 2], v[i % 2][i / 2 * 2 + 1]);
#pragma unroll
    for (int i = 0; i < 3; ++i)
      to[(at / 32 * 3 + i) * 32 + lane] = make_uint4(parts[0][i], parts[1][i], parts[2][i], parts[3][i]);
  }
}

// Loads a lane's part of a step: eight adjacent columns of the lane's four tokens.
__device__ __forceinline__ void prefetch(uint4 (&v)[4], const bf16* p, int64_t ld, int64_t count) {
#pragma unroll
  for (int i = 0; i < 4; ++i) v[i] = load_streamed(p + i * ld, i < count);
}

// Returns the elements of two tokens in column j of the lane's eight columns, with the first token in the lower half.
__device__ __forceinline__ unsigned column_of(const uint4& first, const uint4& second, int j) {
  const unsigned low = j / 2 == 0 ? first.x : j / 2 == 1 ? first.y : j / 2 == 2 ? first.z : first.w;
  const unsigned high = j / 2 == 0 ? second.x : j / 2 == 1 ? second.y : j / 2 == 2 ? second.z : second.w;
  return j % 2 ? low >> 16 | (high & 0xffff0000u) : (low & 0xffffu) | high << 16;
}

// Adds the products of a step to `sums`. The rows of sums[j] (16, 8) are the R rows of the result, padded to 16. Column
// g of sums[j] is column j of the eight adjacent columns that the lanes with lane / 4 = g load. The products of the
// smallest terms are added first.
__device__ __forceinline__ void multiply(float (&sums)[8][4], const unsigned (&right)[8][2], const uint4* u) {
#pragma unroll
  for (int i = 2; i >= 0; --i) {
    const uint4 part = u[i * 32];
    const unsigned left[4] = {part.x, part.y, part.z, part.w};
#pragma unroll
    for (int j = 0; j < 8; ++j) mma(sums[j], left, right[j]);
  }
}

// Stores the sums of a span. A lane has columns [16·t, 16·t + 16) of rows g and g + 8.
__device__ __forceinline__ void write(const TokenSums& a, const float (&total)[8][4], int64_t column, int g) {
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const int r = g + i / 2 * 8;
    const int64_t at = column + i % 2 * 8;
    if (r >= a.R || at >= a.columns) continue;
    float* const to = a.partials + (static_cast<int64_t>(blockIdx.y) * a.R + r) * a.columns + at;
    store(to, Vec<float, 4>{total[0][i], total[1][i], total[2][i], total[3][i]});
    store(to + 4, Vec<float, 4>{total[4][i], total[5][i], total[6][i], total[7][i]});
  }
}

// The grid is (columns / 256, spans). Every warp handles 64 columns over the whole span.
template <bool masked>
__global__ void __launch_bounds__(token_threads, masked ? 2 : resident_tokens) token_sums(TokenSums a) {
  __shared__ uint4 terms[steps * 3 * 32];
  const int lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
  const int64_t column0 = (static_cast<int64_t>(blockIdx.x) * (token_threads / 32) + threadIdx.x / 32) * token_columns,
                column = column0 + 8 * g;
  const int64_t begin = blockIdx.y * a.span, end = min(begin + a.span, a.T);
  const bf16* from = a.p + (begin + 4 * t) * a.ld + column;
  int64_t left = column < a.columns ? end - begin - 4 * t : 0;  // remaining tokens, counted from the lane's first
  float total[8][4] = {};
  uint4 ahead[2][4];  // the next two steps, prefetched
  prefetch(ahead[0], from, a.ld, left);
  prefetch(ahead[1], from + 16 * a.ld, a.ld, left - 16);
  for (int64_t token = begin; token < end; token += chain) {
    float sums[8][4] = {};
    __syncthreads();
    stage_tokens(terms, a, token, end);
    __syncthreads();
#pragma unroll 2
    for (int step = 0; step < steps; ++step) {
      uint4 (&now)[4] = ahead[step % 2];
      if constexpr (masked) {
#pragma unroll
        for (int i = 0; i < 4; ++i) keep(now[i], a.mask.kept<8, true>(from - a.p + i * a.ld));
      }
      unsigned right[8][2];
#pragma unroll
      for (int j = 0; j < 8; ++j)
        right[j][0] = column_of(now[0], now[1], j), right[j][1] = column_of(now[2], now[3], j);
      from += 16 * a.ld, left -= 16;
      prefetch(now, from + 16 * a.ld, a.ld, left - 16);
      multiply(sums, right, terms + step * 3 * 32 + lane);
    }
#pragma unroll
    for (int i = 0; i < 32; ++i) total[i / 4][i % 4] += sums[i / 4][i % 4];
  }
  write(a, total, column0 + 16 * t, g);
}

inline bool streams(const TokenSums& a) {
  return a.R <= narrow && a.columns % 8 == 0 && a.ld % 8 == 0 && aligned16(a.p);
}

}  // namespace low_rank
