// The products of low_rank.h for one case: the narrow operand has at most 16 rows, and the wide operand is bf16. The
// wide operand is loaded from global memory directly into fragment registers: the next part is prefetched while the
// current part is multiplied. The narrow operand is split into three bf16 terms once per block.
//
// The columns of the operands may be assigned to the indices k of an mma instruction in any order, as long as both
// operands use the same order. So a lane loads 16 contiguous bytes and uses them as its own elements of the
// instruction, and the narrow operand is permuted accordingly. Each partial sum covers 128 values of k; the partial
// sums are added in the order of low_rank.h.
#pragma once
#include "low_rank.h"

namespace low_rank {

constexpr int narrow = 16;  // rows of the narrow operand, padded
constexpr int64_t chain = 128;  // values of k per partial sum; one tensor core accumulator adds them up
constexpr int wide_threads = 256;

// Loads 16 bytes with a no-allocate hint. Returns zeros if `valid` is false. The code has no branch. The asm block
// itself writes the zeros. If the zeros were passed as in-out operands, the compiler would copy the registers at the
// end of the loop, and this copy would wait for the load.
__device__ __forceinline__ uint4 load_streamed(const void* p, bool valid) {
#ifdef INGRAIN_SIMT
  return valid ? *static_cast<const uint4*>(p) : make_uint4(0, 0, 0, 0);
#else
  uint4 v;
  asm volatile("{.reg .pred p; setp.ne.u32 p, %5, 0; mov.u32 %0, 0; mov.u32 %1, 0; mov.u32 %2, 0; mov.u32 %3, 0;\n"
               "@p ld.global.nc.L1::no_allocate.v4.u32 {%0,%1,%2,%3}, [%4];}"
               : "=&r"(v.x), "=&r"(v.y), "=&r"(v.z), "=&r"(v.w) : "l"(p), "r"(static_cast<unsigned>(valid)));
  return v;
#endif
}

// Splits `low` and `high` into three bf16 terms each. The sum of the three terms approximates the value. `terms[i]`
// contains term i of `low` in its lower 16 bits and term i of `high` in its upper 16 bits.
__device__ __forceinline__ void split(unsigned (&terms)[3], float low, float high) {
#pragma unroll
  for (int i = 0; i < 3; ++i) {
    terms[i] = pack_bf16(low, high);
    low -= __uint_as_float(terms[i] << 16);
    high -= __uint_as_float(terms[i] & 0xffff0000u);
  }
}

// Sets element j of the eight bf16 values in v to zero if bit j of `kept` is 0.
__device__ __forceinline__ void keep(uint4& v, unsigned kept) {
  const auto pair = [kept](int j) { return (kept >> j & 1 ? 0xffffu : 0u) | (kept >> j & 2 ? 0xffff0000u : 0u); };
  v.x &= pair(0), v.y &= pair(2), v.z &= pair(4), v.w &= pair(6);
}

// y += s·(mask∘(u·qᵀ)) for y (T, columns) with row distance ld and u (T, R), where s is the same factor as in `Add` of
// low_rank.h. q is (columns, R), or (R, columns) if `transposed` is true.
struct Update {
  bf16* y;
  int64_t ld, columns, T;
  const float *u, *q;
  int64_t adapter;            // q of adapter s begins at q + s·adapter
  int R;
  const float* scaling;  // one factor per adapter, or null
  const int32_t* slots;       // (T) or null, as in Shape
  Dropout mask;
};

constexpr int u_stride = narrow + 8;  // 48 bytes, so that the eight rows of a matrix load are in eight bank groups
constexpr int update_columns = 64;  // columns per warp
constexpr size_t update_shared(int rows) {
  return static_cast<size_t>(rows) * (3 * u_stride * sizeof(bf16) + sizeof(int32_t));
}

// Stores u of the block's rows, split into terms (term, row, k), and the adapter of each row. Indices beyond the end of
// u are clamped, so that the loads need no branch.
__device__ __forceinline__ void stage_rows(bf16* terms, int32_t* row_slots, const Update& a, int64_t row0, int rows) {
  const int last = static_cast<int>(min(a.T - row0, static_cast<int64_t>(rows))) - 1,
            threads_of_block = static_cast<int>(blockDim.x);
#pragma unroll 4
  for (int at = threadIdx.x; at < rows * (narrow / 2); at += threads_of_block) {
    const int r = at / (narrow / 2), k = at % (narrow / 2) * 2;
    const float* const from = a.u + (row0 + min(r, last)) * a.R;
    const float low = from[min(k, a.R - 1)], high = from[min(k + 1, a.R - 1)];
    unsigned parts[3];
    split(parts, k < a.R ? low : 0, k + 1 < a.R ? high : 0);
#pragma unroll
    for (int i = 0; i < 3; ++i) *reinterpret_cast<unsigned*>(terms + (i * rows + r) * u_stride + k) = parts[i];
  }
  for (int r = threadIdx.x; r < rows; r += blockDim.x)
    row_slots[r] = row0 + r >= a.T ? no_row : a.slots ? a.slots[row0 + r] : 0;
}

// Loads the fragments of q for a warp's 64 columns. Column n of tile j of half h is column
// 32·h + 8·(n / 2) + 2·j + n % 2 of the 64 columns.
template <bool transposed>
__device__ __forceinline__ void read_narrow(unsigned (&b)[2][4][3][2], const Update& a, int64_t slot, int64_t column,
                                            int g, int t) {
  const float* const q = a.q + slot * a.adapter;
  float raw[2][4][2][2];  // all elements are read before the first one is split
#pragma unroll
  for (int i = 0; i < 32; ++i) {
    const int k = 2 * t + 8 * (i / 2 % 2) + i % 2, j = i / 4 % 4;
    const int64_t n = min(column + 32 * (i / 16) + 8 * (g / 2) + 2 * j + g % 2, a.columns - 1);
    raw[i / 16][j][i / 2 % 2][i % 2] = transposed ? q[min(k, a.R - 1) * a.columns + n] : q[n * a.R + min(k, a.R - 1)];
  }
#pragma unroll
  for (int i = 0; i < 16; ++i) {
    const int k = 2 * t + 8 * (i % 2);
    const float (&two)[2] = raw[i / 8][i / 2 % 4][i % 2];
    unsigned terms[3];
    split(terms, k < a.R ? two[0] : 0, k + 1 < a.R ? two[1] : 0);
#pragma unroll
    for (int term = 0; term < 3; ++term) b[i / 8][i / 2 % 4][term][i % 2] = terms[term];
  }
}

// Loads 16 bytes of global memory. Returns zeros if `valid` is false. The load is predicated instead of being in a
// branch, so that several loads can be in flight.
__device__ __forceinline__ uint4 load16(const void* p, bool valid) {
#ifdef INGRAIN_SIMT
  return valid ? *static_cast<const uint4*>(p) : make_uint4(0, 0, 0, 0);
#else
  uint4 v = make_uint4(0, 0, 0, 0);
  asm volatile("{.reg .pred p; setp.ne.u32 p, %5, 0; @p ld.global.v4.u32 {%0,%1,%2,%3}, [%4];}"
               : "+r"(v.x), "+r"(v.y), "+r"(v.z), "+r"(v.w) : "l"(p), "r"(static_cast<unsigned>(valid)) : "memory");
  return v;
#endif
}

// The grid is (column blocks, row blocks). A warp computes 64 columns; a lane has eight adjacent columns of two rows.
template <bool transposed> __global__ void __launch_bounds__(wide_threads, 2) update(Update a, int rows) {
  bf16* const terms = dynamic_shared<bf16>();
  int32_t* const row_slots = reinterpret_cast<int32_t*>(terms + 3 * rows * u_stride);
  const int lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
  const int64_t row0 = static_cast<int64_t>(blockIdx.y) * rows;
  const int64_t column = (static_cast<int64_t>(blockIdx.x) * (blockDim.x / 32) + threadIdx.x / 32) * update_columns;
  bf16* const corner = a.y + (row0 + g) * a.ld + column + 8 * t;
  stage_rows(terms, row_slots, a, row0, rows);
  __syncthreads();
  for (int32_t slot = a.slots ? next_slot(row_slots, INT64_MIN, rows) : 0; slot != no_row;
       slot = a.slots ? next_slot(row_slots, slot, rows) : no_row) {
    if (slot < 0 || column >= a.columns) continue;
    uint4 before[2][2];
    const auto valid = [&](int row, int h) { return row_slots[row] == slot && column + 32 * h + 8 * t < a.columns; };
    const auto prefetch = [&](const bf16* from, int row, int h) {
#pragma unroll
      for (int half = 0; half < 2; ++half)
        before[half][h] = load16(from + half * 8 * a.ld + 32 * h, row < rows && valid(row + 8 * half + g, h));
    };
    prefetch(corner, 0, 0);
    prefetch(corner, 0, 1);
    unsigned b[2][4][3][2];
    read_narrow<transposed>(b, a, slot, column, g, t);
    const float scale = (a.scaling ? a.scaling[slot] : 1) * a.mask.scale;
    bf16* to = corner;
    for (int row = 0; row < rows; row += 16, to += 16 * a.ld) {
      unsigned left[3][4];
#pragma unroll
      for (int i = 0; i < 3; ++i)
        load_matrices(left[i], terms + (i * rows + row + lane % 16) * u_stride + lane / 16 * 8);
#pragma unroll
      for (int h = 0; h < 2; ++h) {
        float sum[4][4] = {};
#pragma unroll
        for (int both = 2; both >= 0; --both)
#pragma unroll
          for (int i = 0; i <= both; ++i)
#pragma unroll
            for (int j = 0; j < 4; ++j) mma(sum[j], left[i], b[h][j][both - i]);
#pragma unroll
        for (int half = 0; half < 2; ++half) {
          if (!valid(row + 8 * half + g, h)) continue;
          bf16* const at = to + half * 8 * a.ld + 32 * h;
          const unsigned kept = transposed && a.mask.on ? a.mask.kept<8, true>(at - a.y) : 0xffu;
          Vec<bf16, 8> out;
          memcpy(&out, &before[half][h], sizeof out);
#pragma unroll
          for (int j = 0; j < 8; ++j)
            if (kept >> j & 1) out.v[j] = from_float<bf16>(to_float(out.v[j]) + scale * sum[j / 2][2 * half + j % 2]);
          store(at, out);
        }
        prefetch(to + 16 * a.ld, row + 16, h);
      }
    }
  }
}

inline bool aligned16(const void* p) { return reinterpret_cast<uintptr_t>(p) % 16 == 0; }
inline bool streams(const Update& a) { return a.R <= narrow && a.columns % 8 == 0 && a.ld % 8 == 0 && aligned16(a.y); }

// Chooses rows and warps per block so that the blocks fill the device. The result does not depend on the choice.
template <bool transposed> ingrain_status launch_update(ingrain_context* ctx, const Update& a) {
  constexpr int64_t enough = 256;
  int rows = 128, warps = wide_threads / 32;
  const auto blocks = [&] { return int64_t{blocks_for(a.columns, warps * update_columns)} * blocks_for(a.T, rows); };
  while (rows > 16 && blocks() < enough) rows /= 2;
  while (warps > 2 && blocks() < enough) warps /= 2;
  const dim3 grid(blocks_for(a.columns, warps * update_columns), blocks_for(a.T, rows));
  return launch(update<transposed>, grid, 32 * warps, update_shared(rows), ctx, a, rows);
}

}  // namespace low_rank
