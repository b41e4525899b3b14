// The products of low_rank.h for one case: the narrow operand has at most 64 rows, and the wide operand is bf16. The
// wide operand is loaded from global memory directly into fragment registers: the next part is prefetched while the
// current part is multiplied. The narrow operand is split into three bf16 terms once per block.
//
// The columns of the operands may be assigned to the indices k of an mma instruction in any order, as long as both
// operands use the same order. So a lane loads 16 contiguous bytes and uses them as its own elements of the
// instruction, and the narrow operand is permuted accordingly. Each partial sum covers 128 values of k; the partial
// sums are added in the order of low_rank.h.
#pragma once
#include "device_limits.h"
#include "low_rank.h"

namespace low_rank {

constexpr int narrow = 16;  // rows of a group of rows of the narrow operand; its last group is padded
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

// y += s·(mask∘(u·qᵀ)) for y (T, columns) with row distance ld and u (T, R) with row distance ldu, where s is the same
// factor as in `Add` of low_rank.h. q is (columns, R), or (R, columns) if `transposed` is true.
struct Update {
  bf16* y;
  int64_t ld, columns, T;
  const float* u;
  int64_t ldu;
  const float* q;
  int64_t adapter;            // q of adapter s begins at q + s·adapter
  int R;
  const float* scaling;  // one factor per adapter, or null
  const int32_t* slots;       // (T) or null, as in Shape
  Dropout mask;
};

// Distance of the rows of u in shared memory, which have 16·groups elements: an odd multiple of 16 bytes, so that the
// eight rows of a matrix load are in eight bank groups.
constexpr int u_stride_of(int groups) { return groups * narrow + 8; }
constexpr int u_stride = u_stride_of(1);

// The tile of a warp in an iteration of `update`, for R <= 16·groups. It has two parts. For one group, these are the
// halves of 64 columns; for more groups, the halves of 32 rows, so that the fragments of q need fewer registers.
template <int groups_> struct Tile {
  static constexpr int groups = groups_;
  static constexpr bool wide = groups == 1;
  static constexpr int columns = wide ? 64 : 32, rows = wide ? 16 : 32;
  static constexpr int part_columns = wide ? 32 : 0, part_rows = wide ? 0 : 16;  // distance of the parts
  static constexpr int fragments = wide ? 2 : groups;  // one for each part or each group
  static constexpr int stride = u_stride_of(groups);
  static constexpr int resident = groups > 2 ? 1 : 2;  // blocks per multiprocessor

  static constexpr size_t shared(int rows_of_block) {
    return static_cast<size_t>(rows_of_block) * (3 * stride * sizeof(bf16) + sizeof(int32_t));
  }
};

// Stores u of the block's rows, split into terms (term, row, k), and the adapter of each row. Indices beyond the end of
// u are clamped, so that the loads need no branch.
template <class S>
__device__ __forceinline__ void stage_rows(bf16* terms, int32_t* row_slots, const Update& a, int64_t row0, int rows) {
  constexpr int pairs = S::groups * narrow / 2;
  const int last = static_cast<int>(min(a.T - row0, static_cast<int64_t>(rows))) - 1,
            threads_of_block = static_cast<int>(blockDim.x);
#pragma unroll 4
  for (int at = threadIdx.x; at < rows * pairs; at += threads_of_block) {
    const int r = at / pairs, k = at % pairs * 2;
    const float* const from = a.u + (row0 + min(r, last)) * a.ldu;
    const float low = from[min(k, a.R - 1)], high = from[min(k + 1, a.R - 1)];
    unsigned parts[3];
    split(parts, k < a.R ? low : 0, k + 1 < a.R ? high : 0);
#pragma unroll
    for (int i = 0; i < 3; ++i) *reinterpret_cast<unsigned*>(terms + (i * rows + r) * S::stride + k) = parts[i];
  }
  for (int r = threadIdx.x; r < rows; r += blockDim.x)
    row_slots[r] = row0 + r >= a.T ? no_row : a.slots ? a.slots[row0 + r] : 0;
}

// Loads a fragment of q: 32 columns of 16 of the R rows, from row `first_k` on. Column n of tile j is column
// 8·(n / 2) + 2·j + n % 2 of the 32 columns.
template <bool transposed>
__device__ __forceinline__ void read_narrow(unsigned (&b)[4][3][2], const Update& a, int64_t slot, int64_t column,
                                            int first_k, int g, int t) {
  const float* const q = a.q + slot * a.adapter;
  float raw[4][2][2];  // all elements are read before the first one is split
#pragma unroll
  for (int i = 0; i < 16; ++i) {
    const int k = first_k + 2 * t + 8 * (i / 2 % 2) + i % 2, j = i / 4;
    const int64_t n = min(column + 8 * (g / 2) + 2 * j + g % 2, a.columns - 1);
    raw[j][i / 2 % 2][i % 2] = transposed ? q[min(k, a.R - 1) * a.columns + n] : q[n * a.R + min(k, a.R - 1)];
  }
#pragma unroll
  for (int i = 0; i < 8; ++i) {
    const int k = first_k + 2 * t + 8 * (i % 2);
    unsigned terms[3];
    split(terms, k < a.R ? raw[i / 2][i % 2][0] : 0, k + 1 < a.R ? raw[i / 2][i % 2][1] : 0);
#pragma unroll
    for (int term = 0; term < 3; ++term) b[i / 2][term][i % 2] = terms[term];
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

// Adds the products of one group to sum. The products of the smallest terms are added first.
__device__ __forceinline__ void multiply(float (&sum)[4][4], const unsigned (&left)[3][4],
                                         const unsigned (&b)[4][3][2]) {
#pragma unroll
  for (int both = 2; both >= 0; --both)
#pragma unroll
    for (int i = 0; i <= both; ++i)
#pragma unroll
      for (int j = 0; j < 4; ++j) mma(sum[j], left[i], b[j][both - i]);
}

// Sets the eight elements of y at `to` to `before` plus scale·sum, the latter only for elements whose bit in `kept` is
// set. The lane's sums are those of its first row if `half` is 0, else of its second row.
__device__ __forceinline__ void add_row(bf16* to, const uint4& before, const float (&sum)[4][4], int half, float scale,
                                        unsigned kept) {
  Vec<bf16, 8> out;
  memcpy(&out, &before, sizeof out);
#pragma unroll
  for (int j = 0; j < 8; ++j)
    if (kept >> j & 1) out.v[j] = from_float<bf16>(to_float(out.v[j]) + scale * sum[j / 2][2 * half + j % 2]);
  store(to, out);
}

// The grid is (column blocks, row blocks). A lane has eight adjacent columns of two rows of each part of a tile.
template <bool transposed, class S>
__global__ void __launch_bounds__(wide_threads, S::resident) update(Update a, int rows) {
  bf16* const terms = dynamic_shared<bf16>();
  int32_t* const row_slots = reinterpret_cast<int32_t*>(terms + 3 * rows * S::stride);
  const int lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
  const int64_t row0 = static_cast<int64_t>(blockIdx.y) * rows;
  const int64_t column = (static_cast<int64_t>(blockIdx.x) * (blockDim.x / 32) + threadIdx.x / 32) * S::columns;
  bf16* const corner = a.y + (row0 + g) * a.ld + column + 8 * t;
  stage_rows<S>(terms, row_slots, a, row0, rows);
  __syncthreads();
  for (int32_t slot = a.slots ? next_slot(row_slots, INT64_MIN, rows) : 0; slot != no_row;
       slot = a.slots ? next_slot(row_slots, slot, rows) : no_row) {
    if (slot < 0 || column >= a.columns) continue;
    uint4 before[2][2];
    const auto valid = [&](int row, int h) {
      return row_slots[row] == slot && column + S::part_columns * h + 8 * t < a.columns;
    };
    const auto prefetch = [&](const bf16* from, int row, int h) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const int below = S::part_rows * h + 8 * half;
        before[half][h] = load16(from + below * a.ld + S::part_columns * h, row < rows && valid(row + below + g, h));
      }
    };
    prefetch(corner, 0, 0);
    prefetch(corner, 0, 1);
    unsigned b[S::fragments][4][3][2];
#pragma unroll
    for (int i = 0; i < S::fragments; ++i)
      read_narrow<transposed>(b[i], a, slot, column + S::part_columns * i, S::wide ? 0 : narrow * i, g, t);
    const float scale = (a.scaling ? a.scaling[slot] : 1) * a.mask.scale;
    bf16* to = corner;
    for (int row = 0; row < rows; row += S::rows, to += S::rows * a.ld) {
      unsigned left[3][4];
#pragma unroll
      for (int h = 0; h < 2; ++h) {
        float sum[4][4] = {};
#pragma unroll
        for (int group = 0; group < S::groups; ++group) {
#pragma unroll
          for (int i = 0; i < 3 && (!S::wide || h == 0); ++i)
            load_matrices(left[i], terms + (i * rows + row + S::part_rows * h + lane % 16) * S::stride +
                                       narrow * group + lane / 16 * 8);
          multiply(sum, left, b[S::wide ? h : group]);
        }
#pragma unroll
        for (int half = 0; half < 2; ++half) {
          const int below = S::part_rows * h + 8 * half;
          if (!valid(row + below + g, h)) continue;
          bf16* const at = to + below * a.ld + S::part_columns * h;
          const unsigned kept = transposed && a.mask.on
                                    ? a.mask.kept<8, true>(row0 + row + below + g, column + S::part_columns * h + 8 * t)
                                    : 0xffu;
          add_row(at, before[half][h], sum, half, scale, kept);
        }
        prefetch(to + S::rows * a.ld, row + S::rows, h);
      }
    }
  }
}

inline bool aligned16(const void* p) { return reinterpret_cast<uintptr_t>(p) % 16 == 0; }
inline bool streams(const Update& a) {
  return a.R <= 4 * narrow && a.columns % 8 == 0 && a.ld % 8 == 0 && aligned16(a.y);
}

// Returns the number of rows per block, a multiple of `step`, for `column_blocks` blocks side by side. `resident`
// blocks run at a time. A block takes time for its rows, and as much as for 16 rows to load u and q.
inline int rows_of_update(const Update& a, int64_t column_blocks, int64_t resident, int step) {
  int best = step;
  int64_t least = INT64_MAX;
  for (int rows = step; rows <= (a.slots || a.R > 2 * narrow ? 128 : 256); rows += step) {
    const int64_t time = (column_blocks * blocks_for(a.T, rows) + resident - 1) / resident * (rows + 16);
    if (time < least) least = time, best = rows;
  }
  return best;
}

// Chooses rows and warps per block so that the blocks fill the device. The result does not depend on the choice.
template <bool transposed, class S> ingrain_status launch_update(ingrain_context* ctx, const Update& a) {
  DeviceLimits device;
  if (ingrain_status status = device_limits(ctx, &device)) return status;
  constexpr int64_t enough = 256;
  int warps = wide_threads / 32;
  const int rows =
      rows_of_update(a, blocks_for(a.columns, warps * S::columns), S::resident * device.multiprocessors, S::rows);
  const auto blocks = [&] { return int64_t{blocks_for(a.columns, warps * S::columns)} * blocks_for(a.T, rows); };
  while (warps > 2 && blocks() < enough) warps /= 2;
  const dim3 grid(blocks_for(a.columns, warps * S::columns), blocks_for(a.T, rows));
  return launch(update<transposed, S>, grid, 32 * warps, S::shared(rows), ctx, a, rows);
}
template <bool transposed> ingrain_status launch_update(ingrain_context* ctx, const Update& a) {
  switch ((a.R + narrow - 1) / narrow) {
    case 1: return launch_update<transposed, Tile<1>>(ctx, a);
    case 2: return launch_update<transposed, Tile<2>>(ctx, a);
    case 3: return launch_update<transposed, Tile<3>>(ctx, a);
    default: return launch_update<transposed, Tile<4>>(ctx, a);
  }
}

}  // namespace low_rank
