// matmul_plain: the products that cuBLASLt does not support (odd sizes, unaligned rows or f32 operands).
//   d = beta·d + a · b    partial: d[k] = a[:, chunk k] · b[chunk k, :]
// Shapes   a (M, K), b (K, N), each may be stored transposed · d (M, N) or (K / chunk, M, N)
// Types    a f32|bf16, b f32|bf16|f8e4m3, d f32|bf16, sums f32
// Needs    nothing, scratch 0   Mapping  one block per tile of 64 × 64; a thread computes 4 × 4 elements
// Bound    2·M·N·K flops without the tensor core                   Oracle libtorch linear  Test MatmulParityTest
#include "dtype.h"
#include "product.h"

namespace {

constexpr int threads = 256, tile = 64, depth = 16, each = 4;

// An operand whose element (i, k) is data[i·step + k·k_step].
template <class E> struct Walk {
  const E* data;
  int64_t rows, step, k_step;
};

// Copies rows [first, first + 64) and columns [k, k + 16) of an operand to shared memory (16, 64), with zeros outside
// the operand. Adjacent threads read adjacent addresses.
template <class E>
__device__ __forceinline__ void read_tile(float (*out)[tile + 4], const Walk<E>& walk, int64_t first, int64_t k,
                                          int64_t end, const float* k_scales) {
#pragma unroll
  for (int part = 0; part < tile * depth / threads; ++part) {
    const int index = part * threads + static_cast<int>(threadIdx.x);
    const int i = walk.k_step == 1 ? index / depth : index % tile, j = walk.k_step == 1 ? index % depth : index / tile;
    float value = 0;
    if (first + i < walk.rows && k + j < end) {
      value = to_float(walk.data[(first + i) * walk.step + (k + j) * walk.k_step]);
      if (k_scales) value *= k_scales[k + j];
    }
    out[j][i] = value;
  }
}

template <class A, class B> __global__ void multiply(Product p, Walk<A> a, Walk<B> b) {
  __shared__ float a_tile[depth][tile + 4], b_tile[depth][tile + 4];
  const int64_t m0 = static_cast<int64_t>(blockIdx.y) * tile, n0 = static_cast<int64_t>(blockIdx.x) * tile;
  const int row = threadIdx.x / (tile / each) * each, column = threadIdx.x % (tile / each) * each;
  const int64_t chunk = p.chunk > 0 ? p.chunk : p.K, begin = blockIdx.z * chunk, last = p.partial ? begin + chunk : p.K;
  float total[each][each] = {};
  for (int64_t from = begin; from < last; from += chunk) {
    float sums[each][each] = {};
    for (int64_t k = from; k < from + chunk; k += depth) {
      read_tile(a_tile, a, m0, k, from + chunk, nullptr);
      read_tile(b_tile, b, n0, k, from + chunk, p.k_scales);
      __syncthreads();
#pragma unroll
      for (int j = 0; j < depth; ++j)
#pragma unroll
        for (int y = 0; y < each; ++y)
#pragma unroll
          for (int x = 0; x < each; ++x) sums[y][x] += a_tile[j][row + y] * b_tile[j][column + x];
      __syncthreads();
    }
#pragma unroll
    for (int y = 0; y < each; ++y)
#pragma unroll
      for (int x = 0; x < each; ++x) total[y][x] = from == begin ? sums[y][x] : total[y][x] + sums[y][x];
  }
  for (int y = 0; y < each; ++y)
    for (int x = 0; x < each; ++x) {
      const int64_t m = m0 + row + y, n = n0 + column + x;
      if (m >= p.M || n >= p.N) continue;
      const int64_t at = (blockIdx.z * p.M + m) * ldd_of(p) + n;
      float value = total[y][x];
      if (p.b_scales) value *= p.b_scales[n];
      float* const d32 = static_cast<float*>(p.d);
      bf16* const d16 = static_cast<bf16*>(p.d);
      if (p.beta != 0)
        value = __fadd_rn(__fmul_rn(p.beta, p.d_dtype == INGRAIN_F32 ? d32[at] : to_float(d16[at])), value);
      if (p.d_dtype == INGRAIN_F32) d32[at] = value;
      else d16[at] = from_float<bf16>(value);
    }
}

template <class A, class B> ingrain_status start(ingrain_context* ctx, const Product& p) {
  const dim3 grid(blocks_for(p.N, tile), blocks_for(p.M, tile), static_cast<unsigned>(p.partial ? chunks_of(p) : 1));
  if (grid.y > 65535 || grid.z > 65535)
    return refuse(ctx, INGRAIN_UNSUPPORTED, "matmul of %ld rows in %ld chunks: expected at most 4194240 and 65535",
                  static_cast<long>(p.M), static_cast<long>(chunks_of(p)));
  const Walk<A> a{static_cast<const A*>(p.a), p.M, p.a_transposed ? 1 : p.lda, p.a_transposed ? p.lda : 1};
  const Walk<B> b{static_cast<const B*>(p.b), p.N, p.b_transposed ? p.ldb : 1, p.b_transposed ? 1 : p.ldb};
  return launch(multiply<A, B>, grid, threads, 0, ctx, p, a, b);
}

}  // namespace

ingrain_status multiply_plainly(ingrain_context* ctx, const Product& p) {
  return with_dtype(ctx, p.a_dtype, [&]<class A>() {
    if (p.b_dtype == INGRAIN_F8E4M3) return start<A, fp8>(ctx, p);
    return with_dtype(ctx, p.b_dtype, [&]<class B>() { return start<A, B>(ctx, p); });
  });
}
