// Matrix products with one small dimension, on the tensor core with the accuracy of f32:
//   out (rows, columns) = Σ over depth of p (rows, depth)·q (columns, depth)
//
// A bf16 operand is one term. An f32 operand is split into three bf16 terms of 8 bits each. The products of term i of p
// and term j of q are added up for i + j < 3; each omitted product is smaller than 2⁻²⁴ times the exact product. So
// bf16 times f32 needs three matrix products, and f32 times f32 needs six.
//
// A block computes a 64 × 64 tile of out over one span of the depth. The block divides the span into pieces of `piece`
// values of k, sums each piece and adds the sums of the pieces in order. If there are several spans, a later launch
// adds the sums of the spans in order. So the order of summation depends only on the depth. If the rows of a tile use
// several adapters, the block processes one adapter after another and reads the rows of all other adapters as 0.
#pragma once
#include "dropout.h"
#include "mma.h"

namespace low_rank {

constexpr int tile = 64, threads = 256;
constexpr int warp_rows = 16, warp_columns = 32;  // a warp's part of the tile; the warps form a grid of 4 × 2
constexpr int stride = tile + 8;  // 144 bytes, so that the eight rows of a matrix load are in eight bank groups
constexpr int plane = tile * stride;
constexpr int staged_stride = tile + 4;
constexpr int32_t no_row = INT32_MAX;

// Element (row, k) is data[row·ld + k], or data[k·ld + row] if rows_inner is true. For q, the operand of adapter s
// begins at data + s·adapter.
template <class E_, bool rows_inner_> struct Operand {
  using E = E_;
  static constexpr bool rows_inner = rows_inner_;
  static constexpr int terms = sizeof(E) == 2 ? 1 : 3;
  const E* data;
  int64_t ld;
  int64_t adapter = 0;
  Dropout mask = {};  // the mask of the matrix as stored
  bool fits(int64_t inner) const {
    return inner % 8 == 0 && ld % 8 == 0 && reinterpret_cast<uintptr_t>(data) % 16 == 0;
  }
};

struct Shape {
  int64_t rows, columns, depth;
  int64_t span, piece;  // values of k per block and per partial sum; both are multiples of the tile
  const int32_t* slots;  // (rows) adapter of each row; null: adapter 0 for all rows
};

template <class P, class Q> constexpr size_t shared_bytes() {
  return static_cast<size_t>(P::terms + Q::terms) * plane * sizeof(bf16);
}

// Reads eight adjacent elements; those with an index of at least `count` become 0.
template <bool wide, class E> __device__ __forceinline__ void read(E (&v)[8], const E* p, int64_t count) {
  if constexpr (wide) {
    if (count > 0) {
#pragma unroll
      for (int j = 0; j < 8; j += vec_width<E>) {
        const Vec<E, vec_width<E>> part = load<vec_width<E>>(p + j);
#pragma unroll
        for (int i = 0; i < vec_width<E>; ++i) v[j + i] = part.v[i];
      }
      return;
    }
  }
#pragma unroll
  for (int j = 0; j < 8; ++j) v[j] = !wide && j < count ? p[j] : from_float<E>(0);
}

template <int terms, class E> __device__ __forceinline__ void put(bf16* to, const E (&v)[8], unsigned kept) {
  Vec<bf16, 8> part[terms];
#pragma unroll
  for (int j = 0; j < 8; ++j) {
    const bool keep = kept >> j & 1;
    if constexpr (terms == 1) {
      part[0].v[j] = keep ? v[j] : from_float<bf16>(0);
    } else {
      float rest = keep ? v[j] : 0;
#pragma unroll
      for (int i = 0; i < terms; ++i) {
        part[i].v[j] = from_float<bf16>(rest);
        rest -= to_float(part[i].v[j]);
      }
    }
  }
#pragma unroll
  for (int i = 0; i < terms; ++i) store_shared(to + i * plane, part[i]);
}

// A thread's part of the next tile, prefetched into registers. `commit` stores this part in shared memory.
template <class O> struct Prefetched {
  static constexpr int each = tile * 8 / threads;
  typename O::E v[each][8];
};
__device__ __forceinline__ int outer_of(int i) { return (static_cast<int>(threadIdx.x) + i * threads) / 8; }
__device__ __forceinline__ int inner_of() { return static_cast<int>(threadIdx.x) % 8 * 8; }

// Loads the tile of o that begins at (row, k) into registers. A row whose entry of row_slots differs from `slot` is
// read as zeros. If row_slots is null, all rows are read.
template <bool wide, class O>
__device__ __forceinline__ void prefetch(Prefetched<O>& regs, const O& o, int64_t row, int64_t rows, int64_t k,
                                         int64_t end, const int32_t* row_slots, int32_t slot) {
  const int64_t outer0 = O::rows_inner ? k : row, inner = (O::rows_inner ? row : k) + inner_of();
  const int64_t outers = O::rows_inner ? end : rows, inners = O::rows_inner ? rows : end;
#pragma unroll
  for (int i = 0; i < Prefetched<O>::each; ++i) {
    const int outer = outer_of(i);
    const bool present = outer0 + outer < outers && (O::rows_inner || !row_slots || row_slots[outer] == slot);
    read<wide>(regs.v[i], o.data + (outer0 + outer) * o.ld + inner, present ? inners - inner : 0);
  }
}

// Stores the prefetched tile in shared memory in the order of global memory, with zeros beyond the last row and beyond
// the end of the depth.
template <bool wide, class O>
__device__ __forceinline__ void commit(bf16* shared, const Prefetched<O>& regs, const O& o, int64_t row, int64_t rows,
                                       int64_t k, int64_t end) {
  const int64_t outer0 = O::rows_inner ? k : row, inner0 = O::rows_inner ? row : k;
  const int64_t outers = (O::rows_inner ? end : rows) - outer0, inners = (O::rows_inner ? rows : end) - inner0;
#pragma unroll
  for (int i = 0; i < Prefetched<O>::each; ++i) {
    const int outer = outer_of(i), inner = inner_of();
    if (outer >= ((outers + 15) & ~15) || inner >= ((inners + 15) & ~15)) continue;
    const unsigned kept = o.mask.on ? o.mask.template kept<8, wide>(outer0 + outer, inner0 + inner) : 0xffu;
    put<O::terms>(shared + outer * stride + inner, regs.v[i], kept);
  }
}

// Adds the product of the two tiles over `depth` values of k (a multiple of 16) to sum, which is the warp's part of the
// result tile. The products of the smallest terms are added first.
template <class P, class Q>
__device__ __forceinline__ void multiply(float (&sum)[4][4], const bf16* p, const bf16* q, int depth, int64_t columns) {
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, low = lane % 8, second = lane / 8 % 2, third = lane / 16;
  const int y = warp % 4 * warp_rows, x = warp / 4 * warp_columns;
  if (x >= columns) return;
  for (int k = 0; k < depth; k += 16) {
    unsigned a[P::terms][4];
    const int at = P::rows_inner ? (k + low + 8 * third) * stride + y + 8 * second
                                 : (y + low + 8 * second) * stride + k + 8 * third;
#pragma unroll
    for (int i = 0; i < P::terms; ++i) load_matrices<P::rows_inner>(a[i], p + i * plane + at);
#pragma unroll
    for (int n = 0; n < warp_columns / 16; ++n) {
      const int column = x + 16 * n;
      if (column >= columns) break;
      unsigned b[Q::terms][4];
      const int from = Q::rows_inner ? (k + low + 8 * second) * stride + column + 8 * third
                                     : (column + low + 8 * third) * stride + k + 8 * second;
#pragma unroll
      for (int j = 0; j < Q::terms; ++j) load_matrices<Q::rows_inner>(b[j], q + j * plane + from);
#pragma unroll
      for (int both = 2; both >= 0; --both)
#pragma unroll
        for (int i = 0; i < P::terms; ++i) {
          const int j = both - i;
          if (j < 0 || j >= Q::terms) continue;
          mma(sum[2 * n], a[i], {b[j][0], b[j][1]});
          mma(sum[2 * n + 1], a[i], {b[j][2], b[j][3]});
        }
    }
  }
}

// Returns the smallest adapter index greater than `slot` among the block's rows, or no_row if there is none. All lanes
// of a warp must call this function together.
__device__ __forceinline__ int32_t next_slot(const int32_t* row_slots, int64_t slot, int rows = tile) {
  int32_t next = no_row;
  for (int r = threadIdx.x % 32; r < rows; r += 32)
    if (row_slots[r] > slot) next = min(next, row_slots[r]);
#pragma unroll
  for (int distance = 16; distance > 0; distance /= 2) next = min(next, __shfl_xor_sync(0xffffffffu, next, distance));
  return next;
}

#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 900
constexpr int resident_products = 1;  // blocks per multiprocessor; with two, the kernel would spill registers
#else
constexpr int resident_products = 2;
#endif

// The grid is (row tiles, column tiles, spans). Out::write<wide>(row, column, span, slot, v) receives eight adjacent
// sums v: eight rows of one column if Out::along_rows is true, else eight columns of one row. Out::write must ignore
// sums beyond the rows and columns of shape.
template <class P, class Q, class Out, bool wide>
__global__ void __launch_bounds__(threads, resident_products) product(P p, Q q, Out out, Shape shape) {
  __shared__ int32_t row_slots[tile];
  bf16* const p_tile = dynamic_shared<bf16>();
  bf16* const q_tile = p_tile + P::terms * plane;
  float* const staged = dynamic_shared<float>();
  const int64_t row = static_cast<int64_t>(blockIdx.x) * tile, column = static_cast<int64_t>(blockIdx.y) * tile;
  const int64_t begin = blockIdx.z * shape.span, end = min(begin + shape.span, shape.depth);
  const int r = threadIdx.x, lane = r % 32, warp = r / 32, y = warp % 4 * warp_rows, x = warp / 4 * warp_columns;
  if (r < tile) row_slots[r] = row + r >= shape.rows ? no_row : shape.slots ? shape.slots[row + r] : 0;
  __syncthreads();
  for (int32_t slot = next_slot(row_slots, INT64_MIN); slot != no_row; slot = next_slot(row_slots, slot)) {
    float total[4][4] = {}, sum[4][4] = {};
    const int tiles_per_chain = static_cast<int>(shape.piece / tile);
    int tiles_in_chain = 0;
    Q of = q;
    of.data += slot * q.adapter;
    Prefetched<P> next_p;
    Prefetched<Q> next_q;
    const auto prefetch_from = [&](int64_t k) {
      prefetch<wide>(next_p, p, row, shape.rows, k, end, row_slots, slot);
      prefetch<wide>(next_q, of, column, shape.columns, k, end, nullptr, slot);
    };
    if (slot >= 0) prefetch_from(begin);
    for (int64_t k = begin; slot >= 0 && k < end; k += tile) {
      __syncthreads();
      commit<wide>(p_tile, next_p, p, row, shape.rows, k, end);
      commit<wide>(q_tile, next_q, of, column, shape.columns, k, end);
      __syncthreads();
      if (k + tile < end) prefetch_from(k + tile);
      multiply<P, Q>(sum, p_tile, q_tile, static_cast<int>(min(end - k, int64_t{tile}) + 15) & ~15,
                     shape.columns - column);
      if (++tiles_in_chain < tiles_per_chain && k + tile < end) continue;
      tiles_in_chain = 0;
#pragma unroll
      for (int n = 0; n < 4; ++n)
#pragma unroll
        for (int i = 0; i < 4; ++i) total[n][i] += sum[n][i], sum[n][i] = 0;
    }
    __syncthreads();
#pragma unroll
    for (int n = 0; n < 4; ++n)
#pragma unroll
      for (int i = 0; i < 4; ++i)
        staged[(y + lane / 4 + i / 2 * 8) * staged_stride + x + 8 * n + 2 * (lane % 4) + i % 2] = total[n][i];
    __syncthreads();
    for (int at = threadIdx.x; at < tile * 8; at += threads) {
      const int i = Out::along_rows ? at % 8 * 8 : at / 8, c = Out::along_rows ? at / 8 : at % 8 * 8;
      if (row_slots[i] != slot || column + c >= shape.columns) continue;
      float v[8];
#pragma unroll
      for (int j = 0; j < 8; ++j)
        v[j] = Out::along_rows ? staged[(i + j) * staged_stride + c] : staged[i * staged_stride + c + j];
      out.template write<wide>(row + i, column + c, blockIdx.z, slot, v);
    }
    __syncthreads();
  }
}

// Stores the sums of a span in partials (spans, rows, columns), or (spans, columns, rows) if along_rows is true.
template <bool along_rows_> struct Partial {
  static constexpr bool along_rows = along_rows_;
  float* data;
  int64_t rows, columns;
  template <bool wide>
  __device__ __forceinline__ void write(int64_t row, int64_t column, int64_t span, int32_t, const float (&v)[8]) const {
    const int64_t width = along_rows ? rows : columns, inner = along_rows ? row : column,
                  outer = along_rows ? column : row;
    float* const to = data + (span * (along_rows ? columns : rows) + outer) * width + inner;
    if (width % 8 == 0) {
      store(to, Vec<float, 4>{v[0], v[1], v[2], v[3]});
      store(to + 4, Vec<float, 4>{v[4], v[5], v[6], v[7]});
      return;
    }
#pragma unroll
    for (int j = 0; j < 8; ++j)
      if (inner + j < width) to[j] = v[j];
  }
};

// y += s·(mask∘sum) for y (rows, columns) with row distance ld. s is the product of mask.scale and the adapter's entry
// of scaling (G), or mask.scale alone if scaling is null.
template <class E> struct Add {
  static constexpr bool along_rows = false;
  E* y;
  int64_t ld, columns;
  const float* scaling;
  Dropout mask;
  template <bool wide>
  __device__ __forceinline__ void write(int64_t row, int64_t column, int64_t, int32_t slot, const float (&v)[8]) const {
    if (slot < 0) return;
    const float scale = (scaling ? scaling[slot] : 1) * mask.scale;
    const int64_t at = row * ld + column;
    const unsigned kept = mask.on ? mask.kept<8, wide>(row, column) : 0xffu;
    constexpr int N = wide ? vec_width<E> : 1;
#pragma unroll
    for (int j = 0; j < 8; j += N) {
      if (!wide && column + j >= columns) break;
      Vec<E, N> out = load<N>(y + at + j);
#pragma unroll
      for (int i = 0; i < N; ++i)
        if (kept >> (j + i) & 1) out.v[i] = from_float<E>(to_float(out.v[i]) + scale * v[j + i]);
      store(y + at + j, out);
    }
  }
};

}  // namespace low_rank
