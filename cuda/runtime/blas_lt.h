// Matrix products by NVIDIA's cuBLASLt, which is opened by name when a context is made (CUDA 12 or 13) and never
// linked. The emulated GPU has a cuBLASLt of its own (cuda/simt/cublas_lt).
#pragma once
#include "fallback.h"
#include "product.h"

namespace ingrain {

// Whether a row's bits may not depend on the rows beside it.
bool deterministic(const ingrain_context* ctx);

// Opens the library for this context before anything is captured; where there is none, the first product says so.
void open_blas(ingrain_context* ctx);

// Whether gemm applies the a_scales and b_scales of this product of fp8 operands; if not, they must be null and the
// caller scales.
ingrain_status blas_scales_rows(ingrain_context* ctx, const Product& p, bool* scales);

// Enqueues the product. bf16 · bf16, rows 16-byte aligned; or fp8 · fp8, a as stored (M, K), b as stored (N, K), N and
// K multiples of 16. One sum over K, or partial. Deterministic: one algorithm per weight whatever M, without a split of
// K. taken: false where the library has no algorithm for it; then nothing was enqueued.
ingrain_status blas_gemm(ingrain_context* ctx, const Product& p, bool* taken);

}  // namespace ingrain
