// Matrix products by NVIDIA's cuBLASLt (CUDA 12 or 13). The library is opened with dlopen when a context is made and
// is never linked. The emulated GPU has its own cuBLASLt (cuda/simt/cublas_lt).
#pragma once
#include "fallback.h"
#include "product.h"

namespace ingrain {

// Returns whether the context is deterministic. In a deterministic context the bits of a row do not depend on the other
// rows of a product.
bool deterministic(const ingrain_context* ctx);

// Returns whether the device's tensor cores multiply fp8 values (compute capability 8.9 or more).
bool multiplies_fp8(const ingrain_context* ctx);

// Opens cuBLASLt for this context, before any capture. If cuBLASLt is not installed, the first product reports this.
void open_blas(ingrain_context* ctx);

// Sets *scales to true if blas_gemm applies the a_scales and b_scales of this product of fp8 operands. Otherwise the
// caller must pass null for a_scales and b_scales and scale the result.
ingrain_status blas_scales_rows(ingrain_context* ctx, const Product& p, bool* scales);

// Enqueues the product: one sum over K, or one sum per chunk if p.partial is true. The operands may be two bf16
// matrices with 16-byte aligned rows, or two fp8 matrices. For fp8 matrices, operand `a` must be stored as (M, K) and
// operand `b` as (N, K), and N and K must be multiples of 16. In deterministic mode each weight has one algorithm for
// every M, and this algorithm does not split K. If cuBLASLt has no algorithm, the function sets *taken to false and
// enqueues nothing.
ingrain_status blas_gemm(ingrain_context* ctx, const Product& p, bool* taken);

}  // namespace ingrain
