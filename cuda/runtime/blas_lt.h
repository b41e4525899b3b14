// Matrix products by NVIDIA's cuBLASLt (CUDA 12 or 13). The library is opened with dlopen when a context is made and
// is never linked. The emulated GPU has its own cuBLASLt (cuda/simt/cublas_lt).
#pragma once
#include "fallback.h"
#include "product.h"

namespace ingrain {

// Returns whether the context is deterministic: the bits of a row then do not depend on the other rows of a product.
bool deterministic(const ingrain_context* ctx);

// Opens cuBLASLt for this context, before any capture. If cuBLASLt is not installed, the first product reports this.
void open_blas(ingrain_context* ctx);

// Sets *scales to whether blas_gemm applies the a_scales and b_scales of this product of fp8 operands. If it does not,
// the caller must pass null for both and scale the result.
ingrain_status blas_scales_rows(ingrain_context* ctx, const Product& p, bool* scales);

// Enqueues the product, with one sum over K or partial. It supports two bf16 operands with 16-byte aligned rows, and
// two fp8 operands with a stored as (M, K), b stored as (N, K), and N and K multiples of 16. In deterministic mode
// there is one algorithm per weight for every M, which does not split K. If cuBLASLt has no algorithm, *taken becomes
// false and nothing is enqueued.
ingrain_status blas_gemm(ingrain_context* ctx, const Product& p, bool* taken);

}  // namespace ingrain
