// quantized: the products with fp8 weights that few_rows.h and mid_rows.h do not compute, from sm_89 on. The
// activations (or gradients) are quantized to fp8 with one scale per token. The tensor core multiplies these fp8 values
// by the fp8 weights, and the scales of the tokens and of the weight's rows are applied to the f32 sums.
//
// cuBLASLt before CUDA 12.9 cannot apply a scale per row. With these versions, cuBLASLt writes f32 sums to scratch,
// some rows at a time, and a kernel scales the sums. The product for dX sums over the rows of the weight. So dy is
// multiplied by the scales of these rows before dy is quantized. Each call for dX also transposes the weight into
// scratch, because Hopper's tensor core needs fp8 operands that are contiguous along k.
#pragma once
#include "dtype.h"
#include "expanded.h"
#include "reduce.h"

namespace quantized {

constexpr int threads = 256, tile = 64;
constexpr float largest_fp8 = 448;
constexpr int64_t library_bytes = 32 << 20, slice_rows = 128;

constexpr int held = 4;  // vectors of 8 elements that a thread keeps in registers between the two passes over its row

// Quantizes x (M, K) to q[m, k] = x[m, k]·column_scales[k] / scales[m]. scales[m] is the largest magnitude in row m of
// the product x·column_scales, divided by 448, or 1 if this row is zero. If `scaled` is false, all column scales are 1.
// The kernel has one block of quantize_threads(K) threads per row.
template <bool scaled, class X>
__global__ void __launch_bounds__(1024)
    quantize(fp8* q, float* scales, const X* x, const float* column_scales, int64_t K) {
  __shared__ float scratch[32];
  const X* const in = x + blockIdx.x * K;
  const int64_t first = static_cast<int64_t>(threadIdx.x) * 8, step = static_cast<int64_t>(blockDim.x) * 8;
  const auto values = [&](const Vec<X, 8>& v, int64_t k) {
    Vec<float, 4> low{}, high{};
    if constexpr (scaled) low = load<4>(column_scales + k), high = load<4>(column_scales + k + 4);
    Vec<float, 8> out;
#pragma unroll
    for (int j = 0; j < 8; ++j)
      out.v[j] = scaled ? to_float(v.v[j]) * (j < 4 ? low.v[j % 4] : high.v[j % 4]) : to_float(v.v[j]);
    return out;
  };
  float largest = 0;
  const auto look = [&](const Vec<X, 8>& v, int64_t k) {
    const Vec<float, 8> x8 = values(v, k);
#pragma unroll
    for (int j = 0; j < 8; ++j) largest = fmaxf(largest, fabsf(x8.v[j]));
  };
  Vec<X, 8> kept[held];
#pragma unroll
  for (int i = 0; i < held; ++i)
    if (first + i * step < K) kept[i] = load<8>(in + first + i * step);
#pragma unroll
  for (int i = 0; i < held; ++i)
    if (first + i * step < K) look(kept[i], first + i * step);
  for (int64_t k = first + held * step; k < K; k += step) look(load<8>(in + k), k);
  largest = block_reduce<Max>(largest, scratch);
  const float scale = largest > 0 ? largest / largest_fp8 : 1;
  if (threadIdx.x == 0) scales[blockIdx.x] = scale;
  const auto write = [&](const Vec<X, 8>& v, int64_t k) {
    const Vec<float, 8> x8 = values(v, k);
    Vec<fp8, 8> out;
#pragma unroll
    for (int j = 0; j < 8; ++j) out.v[j] = from_float<fp8>(x8.v[j] / scale);
    store(q + blockIdx.x * K + k, out);
  };
#pragma unroll
  for (int i = 0; i < held; ++i)
    if (first + i * step < K) write(kept[i], first + i * step);
  for (int64_t k = first + held * step; k < K; k += step) write(load<8>(in + k), k);
}
// Returns the number of threads whose registers together can hold a row of K elements, but at most 1024.
inline unsigned quantize_threads(int64_t K) {
  const int64_t wanted = (K + 8 * held - 1) / (8 * held);
  return static_cast<unsigned>(wanted >= 1024 ? 1024 : (wanted + 31) / 32 * 32);
}

// out (C, N) = the transpose of in (N, C); N and C are multiples of 16. One block per tile of 64 × 64.
template <class Byte> __global__ void transpose(Byte* out, const Byte* in, int64_t N, int64_t C) {
  __shared__ Byte bytes[tile][tile + 4];
  const int64_t n0 = static_cast<int64_t>(blockIdx.y) * tile, c0 = static_cast<int64_t>(blockIdx.x) * tile;
  const int row = threadIdx.x / 4, piece = threadIdx.x % 4 * 16;
  if (n0 + row < N && c0 + piece < C) {
    const Vec<Byte, 16> v = load<16>(in + (n0 + row) * C + c0 + piece);
#pragma unroll
    for (int j = 0; j < 16; ++j) bytes[row][piece + j] = v.v[j];
  }
  __syncthreads();
  if (c0 + row < C && n0 + piece < N) {
    Vec<Byte, 16> v;
#pragma unroll
    for (int j = 0; j < 16; ++j) v.v[j] = bytes[piece + j][row];
    store(out + (c0 + row) * N + n0 + piece, v);
  }
}

template <class E> __global__ void fill(E* x, E value, int64_t n) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * threads + threadIdx.x;
  if (i < n) x[i] = value;
}

// d (M, N) = beta·d + sums·row_scales·column_scales. If column_scales is null, all column scales are 1. One block per
// 256 columns of a row.
template <class D>
__global__ void scale(D* d, const float* sums, const float* row_scales, const float* column_scales, int64_t N,
                      float beta) {
  const int64_t n = static_cast<int64_t>(blockIdx.y) * threads + threadIdx.x, at = blockIdx.x * N + n;
  if (n >= N) return;
  float value = sums[at] * row_scales[blockIdx.x] * (column_scales ? column_scales[n] : 1);
  if (beta != 0) value += beta * to_float(d[at]);
  d[at] = from_float<D>(value);
}

// Allocates 256-byte aligned parts of the workspace.
struct Scratch {
  char* next;
  int64_t left;
  template <class E> E* take(int64_t elements) {
    E* const piece = reinterpret_cast<E*>(next);
    const int64_t bytes = (elements * static_cast<int64_t>(sizeof(E)) + 255) / 256 * 256;
    next += bytes;
    left -= bytes;
    return piece;
  }
};

inline int64_t scratch_bytes(int64_t M, int64_t N, int64_t K, bool transposes) {
  auto rounded = [](int64_t bytes) { return (bytes + 255) / 256 * 256; };
  return rounded(M * K) + rounded(4 * M) + (transposes ? rounded(N * K) + rounded(4 * N) : 0) +
         4 * N * (M < slice_rows ? M : slice_rows) + library_bytes;
}

inline ingrain_status take_workspace(ingrain_context* ctx, Scratch* scratch, int64_t needed) {
  void* pointer = nullptr;
  if (ingrain_status status = ingrain_workspace(ctx, &pointer, &scratch->left)) return status;
  scratch->next = static_cast<char*>(pointer);
  if (scratch->left < needed)
    return refuse(ctx, INGRAIN_INVALID_ARGUMENT,
                  "matmul with an F8E4M3 weight: workspace of %ld bytes, expected %ld (ingrain_matmul_workspace_bytes)",
                  static_cast<long>(scratch->left), static_cast<long>(needed));
  return INGRAIN_OK;
}

// Returns the product for chunk s of p, or p itself if p.partial is false.
inline Product part_of(const Product& p, int64_t s) {
  Product part = p;
  part.K = p.partial ? p.chunk : p.K;
  part.a = static_cast<const char*>(p.a) + s * part.K * element_bytes(p.a_dtype);
  part.b = static_cast<const char*>(p.b) + s * part.K * element_bytes(p.b_dtype);
  part.d = static_cast<char*>(p.d) + s * p.M * p.N * element_bytes(p.d_dtype);
  part.partial = false;
  if (p.partial) part.chunk = 0;
  return part;
}

// Returns the product for rows [first, first + rows) of the result of p.
inline Product rows_of(const Product& p, int64_t first, int64_t rows) {
  Product part = p;
  part.M = rows;
  part.a = static_cast<const char*>(p.a) + first * p.lda * element_bytes(p.a_dtype);
  part.d = static_cast<char*>(p.d) + first * p.N * element_bytes(p.d_dtype);
  if (p.a_scales) part.a_scales = p.a_scales + first;
  return part;
}

inline void note_plain(ingrain_context* ctx, const Product& p) {
  char what[256];
  snprintf(what, sizeof what,
           "matmul of (%ld, %ld) by (%ld, %ld), weight dtype %d: cuBLASLt has no algorithm for it, "
           "a plain kernel computes it",
           static_cast<long>(p.M), static_cast<long>(p.K), static_cast<long>(p.K), static_cast<long>(p.N), p.b_dtype);
  ingrain::note_fallback(ctx, what);
}

// Computes the product that p describes, some rows at a time. Operand a is already fp8. cuBLASLt multiplies without the
// scales, and then a kernel applies the scales. If cuBLASLt does not support the product at all, the plain kernel
// computes `plain`, which is the same product with the unquantized operand a.
inline ingrain_status multiply_and_scale(ingrain_context* ctx, const Product& p, const Product& plain,
                                         Scratch scratch) {
  const int64_t most = (scratch.left - library_bytes) / (4 * p.N);
  for (int64_t m = 0; m < p.M; m += most) {
    const Product in_fp8 = rows_of(p, m, p.M - m < most ? p.M - m : most);
    Product part = in_fp8;
    part.d = scratch.next;
    part.d_dtype = INGRAIN_F32;
    part.beta = 0;
    part.a_scales = part.b_scales = nullptr;
    part.scratch = scratch.next + 4 * p.N * most / 256 * 256 + 256;
    part.scratch_bytes = library_bytes - (1 << 20);
    bool taken = false;
    if (ingrain_status status = ingrain::blas_gemm(ctx, part, &taken)) return status;
    if (!taken) {
      note_plain(ctx, plain);
      return multiply_plainly(ctx, rows_of(plain, m, p.M - m));
    }
    const dim3 grid(static_cast<unsigned>(part.M), blocks_for(p.N, threads));
    const float* const sums = static_cast<const float*>(part.d);
    const ingrain_status status = with_dtype(ctx, p.d_dtype, [&]<class D>() {
      return launch(scale<D>, grid, threads, 0, ctx, static_cast<D*>(in_fp8.d), sums, in_fp8.a_scales, p.b_scales, p.N,
                    p.beta);
    });
    if (status) return status;
  }
  return INGRAIN_OK;
}

// Computes the product that p describes. Operand a is bf16 (M, K). Operand b is fp8 and is stored as (N, K) with
// b_scales or, for dX, as (K, N) with k_scales.
inline ingrain_status multiply(ingrain_context* ctx, const Product& p) {
  const bool transposes = !p.b_transposed;
  Scratch scratch;
  if (ingrain_status status = take_workspace(ctx, &scratch, scratch_bytes(p.M, p.N, p.K, transposes))) return status;
  fp8* const q = scratch.take<fp8>(p.M * p.K);
  float* const row_scales = scratch.take<float>(p.M);
  auto* const turned = scratch.take<unsigned char>(transposes ? p.N * p.K : 0);
  float* const ones = scratch.take<float>(transposes ? p.N : 0);

  Product in_fp8 = p;
  in_fp8.a = q;
  in_fp8.a_dtype = INGRAIN_F8E4M3;
  in_fp8.lda = in_fp8.ldb = p.K;
  in_fp8.a_scales = row_scales;
  in_fp8.b = transposes ? turned : p.b;
  in_fp8.b_transposed = true;
  in_fp8.b_scales = transposes ? ones : p.b_scales;
  in_fp8.k_scales = nullptr;
  in_fp8.scratch = scratch.next;
  in_fp8.scratch_bytes = scratch.left;
  bool scales = false;
  if (ingrain_status status = ingrain::blas_scales_rows(ctx, part_of(in_fp8, 0), &scales)) return status;
  if (!scales && transposes) in_fp8.b_scales = nullptr;

  const auto* const x = static_cast<const bf16*>(p.a);
  if (ingrain_status status =
          launch(p.k_scales ? quantize<true, bf16> : quantize<false, bf16>, static_cast<unsigned>(p.M),
                 quantize_threads(p.K), 0, ctx, q, row_scales, x, p.k_scales, p.K))
    return status;
  if (transposes) {
    const dim3 grid(blocks_for(p.N, tile), blocks_for(p.K, tile));
    const auto* const in = static_cast<const unsigned char*>(p.b);
    if (ingrain_status status = launch(transpose<unsigned char>, grid, threads, 0, ctx, turned, in, p.K, p.N))
      return status;
    if (scales)
      if (ingrain_status status = launch(fill<float>, blocks_for(p.N, threads), threads, 0, ctx, ones, 1.0f, p.N))
        return status;
  }
  for (int64_t s = 0; s < (p.partial ? chunks_of(p) : 1); ++s) {
    const Product part = part_of(in_fp8, s);
    bool taken = false;
    if (scales)
      if (ingrain_status status = ingrain::blas_gemm(ctx, part, &taken)) return status;
    if (!taken)
      if (ingrain_status status = multiply_and_scale(ctx, part, part_of(p, s), scratch)) return status;
  }
  return INGRAIN_OK;
}

}  // namespace quantized

// Computes the product with cuBLASLt, or with the plain kernel if cuBLASLt does not support it.
inline ingrain_status multiply(ingrain_context* ctx, Product p) {
  if (!fits_library(p)) return multiply_plainly(ctx, p);
  if (p.b_dtype == INGRAIN_F8E4M3) {
    if (ingrain::multiplies_fp8(ctx)) return quantized::multiply(ctx, p);
    return expanded::multiply(ctx, p, expanded::Fp8Rows{static_cast<const fp8*>(p.b),
                                                        p.b_transposed ? p.b_scales : p.k_scales, p.ldb});
  }
  if (ingrain_status status = ingrain_workspace(ctx, &p.scratch, &p.scratch_bytes)) return status;
  bool taken = false;
  if (ingrain_status status = ingrain::blas_gemm(ctx, p, &taken)) return status;
  if (taken) return INGRAIN_OK;
  quantized::note_plain(ctx, p);
  return multiply_plainly(ctx, p);
}
