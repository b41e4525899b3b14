// Matrix products by NVIDIA's cuBLASLt (CUDA 12 or 13). The library is opened with dlopen when a context is made and
// is never linked. The emulated GPU has its own cuBLASLt (cuda/simt/cublas_lt).
#pragma once
#include "fallback.h"
#include "product.h"

namespace ingrain {

// Whether the context is deterministic: the bits of a row then do not depend on the other rows of a product.
bool deterministic(const ingrain_context* ctx);

// Opens the library for this context before any capture. If there is none, the first product reports it.
void open_blas(ingrain_context* ctx);

// Whether blas_gemm applies the a_scales and b_scales of this product of fp8 operands. If not, they must be null and
// the caller scales the result.
ingrain_status blas_scales_rows(ingrain_context* ctx, const Product& p, bool* scales);

// Enqueues the product. Supported: bf16 · bf16 with 16-byte aligned rows; or fp8 · fp8 with a stored as (M, K), b
// stored as (N, K), and N and K multiples of 16. One sum over K, or partial. Deterministic mode: one algorithm per
// weight for every M, without splitting K. taken: false where the library has no algorithm; then nothing was enqueued.
ingrain_status blas_gemm(ingrain_context* ctx, const Product& p, bool* taken);

}  // namespace ingrain
