// expanded: products with INT8 and INT4 weights, and with fp8 weights on devices whose tensor cores do not multiply fp8
// values (sm_80, sm_86). The weight is processed in slabs. Each slab is converted to bf16 in the workspace and then
// multiplied like a bf16 weight. A slab is the part of the weight that is needed for some columns of the product: rows
// of the weight (output features) or, for dX, columns of the weight (input features). The bits of a result do not
// depend on the size of the slabs, except where cuBLASLt chooses different algorithms for different sizes.
#pragma once
#include "blas_lt.h"
#include "groups.h"

namespace expanded {

constexpr int threads = 256;
// Bytes of the workspace: for cuBLASLt, and at most for a slab.
constexpr int64_t library_bytes = 32 << 20, most_bytes = 256 << 20, most_fp8_bytes = 64 << 20;

struct Fp8Rows {
  const fp8* values;    // (rows, columns)
  const float* scales;  // (rows)
  int64_t columns;

  __device__ __forceinline__ float element(int64_t row, int64_t c) const {
    return to_float(values[row * columns + c]) * scales[row];
  }
};

// out (rows, columns) = the part of w that starts at element (row, column). One block per 256 columns of a row.
template <class E, class W>
__global__ void __launch_bounds__(threads) expand(E* out, W w, int64_t row, int64_t column, int64_t columns) {
  const int64_t c = static_cast<int64_t>(blockIdx.y) * threads + threadIdx.x;
  if (c < columns) out[blockIdx.x * columns + c] = from_float<E>(w.element(row + blockIdx.x, column + c));
}

inline int64_t scratch_bytes(int64_t rows, int64_t columns, int64_t most = most_bytes) {
  const int64_t bytes = (2 * rows * columns + 255) / 256 * 256;
  return library_bytes + (bytes < most ? bytes : most);
}

// Computes the product p, where b is the weight w. w has shape (N, K) if p.b_transposed is true, else (K, N).
template <class W> ingrain_status multiply(ingrain_context* ctx, const Product& p, const W& w) {
  char* scratch = nullptr;
  int64_t bytes = 0;
  if (ingrain_status status = ingrain_workspace(ctx, reinterpret_cast<void**>(&scratch), &bytes)) return status;
  const int64_t fit = (bytes - library_bytes) / (2 * p.K), most = fit < p.N ? fit / 16 * 16 : p.N;
  if (bytes < library_bytes || most < 1)
    return refuse(ctx, INGRAIN_INVALID_ARGUMENT,
                  "matmul with a weight of dtype %d: workspace of %ld bytes, expected %ld "
                  "(ingrain_matmul_workspace_bytes)",
                  p.b_dtype, static_cast<long>(bytes), static_cast<long>(scratch_bytes(p.N, p.K)));
  for (int64_t n = 0; n < p.N; n += most) {
    Product part = p;
    part.N = p.N - n < most ? p.N - n : most;
    part.ldd = p.N;
    part.d = static_cast<char*>(p.d) + n * element_bytes(p.d_dtype);
    part.b = scratch;
    part.b_dtype = INGRAIN_BF16;
    part.b_scales = part.k_scales = nullptr;
    part.ldb = p.b_transposed ? p.K : part.N;
    part.scratch = scratch + (bytes - library_bytes) / 256 * 256;
    part.scratch_bytes = library_bytes;
    const int64_t rows = p.b_transposed ? part.N : p.K, columns = p.b_transposed ? p.K : part.N;
    const dim3 grid(static_cast<unsigned>(rows), blocks_for(columns, threads));
    if (ingrain_status status =
            launch(expand<bf16, W>, grid, threads, 0, ctx, reinterpret_cast<bf16*>(scratch), w,
                   p.b_transposed ? n : 0, p.b_transposed ? 0 : n, columns))
      return status;
    bool taken = false;
    if (fits_library(part))
      if (ingrain_status status = ingrain::blas_gemm(ctx, part, &taken)) return status;
    if (!taken)
      if (ingrain_status status = multiply_plainly(ctx, part)) return status;
  }
  return INGRAIN_OK;
}

}  // namespace expanded
