// A matrix product that a matmul op requests. The plain kernel (cuda/matmul/matmul_plain.cu) or cuBLASLt
// (cuda/runtime/blas_lt.h) computes it.
#pragma once
#include "groups.h"

// d (M, N) = beta·d + a (M, K) · b (K, N), with d row-major. If `partial` is true, d has shape (K / chunk, M, N) and
// contains one product per chunk of K; beta is then 0.
struct Product {
  void* d;
  int32_t d_dtype;             // F32 or BF16
  const void* a;
  int32_t a_dtype;             // F32, BF16 or F8E4M3
  bool a_transposed;  // stored as (K, M) row-major instead of (M, K)
  int64_t lda;  // row distance of a as stored, in elements
  const void* b;
  int32_t b_dtype;
  bool b_transposed;  // stored as (N, K) row-major instead of (K, N), like a weight of y = x·Wᵀ
  int64_t ldb;
  int64_t M, N, K;
  int64_t ldd = 0;  // row distance of d, in elements; 0: N
  float beta = 0;
  int64_t chunk = 0;           // 0: one sum over K
  bool partial = false;
  const float* a_scales = nullptr;  // (M) factors of the rows of a, or null
  const float* b_scales = nullptr;  // (N) factors of the columns of b, or null
  const float* k_scales = nullptr;  // (K) factors of the rows of b, or null; only the plain kernel supports them
  bool fast_accumulate = false;  // fp8 only: sums may keep only 14 bits of mantissa, as is usual in forward passes
  void* scratch = nullptr;  // for cuBLASLt, 256-byte aligned
  int64_t scratch_bytes = 0;
};

constexpr int64_t ldd_of(const Product& p) { return p.ldd > 0 ? p.ldd : p.N; }
inline int64_t chunks_of(const Product& p) { return p.chunk > 0 ? p.K / p.chunk : 1; }
inline int64_t element_bytes(int32_t dtype) { return dtype == INGRAIN_F32 ? 4 : dtype == INGRAIN_F8E4M3 ? 1 : 2; }

// Computes the product with multiply-adds on unrounded operands, for every size and alignment. Each element of d is a
// sum over ascending k. If there are chunks, each chunk is summed over ascending k and the sums of the chunks are added
// in order. Defined in cuda/matmul/matmul_plain.cu.
ingrain_status multiply_plainly(ingrain_context* ctx, const Product& p);

// Checks the arguments that all products with a weight have in common.
inline ingrain_status check_product(ingrain_context* ctx, const ingrain_weight* w, int32_t x_dtype, int32_t y_dtype) {
  for (const int32_t dtype : {x_dtype, y_dtype})
    if (dtype != INGRAIN_F32 && dtype != INGRAIN_BF16)
      return refuse(ctx, INGRAIN_UNSUPPORTED, "matmul of dtype %d: expected %d (F32) or %d (BF16)", dtype, INGRAIN_F32,
                    INGRAIN_BF16);
  if (w->dtype != INGRAIN_F32 && w->dtype != INGRAIN_BF16 && w->dtype != INGRAIN_F8E4M3 &&
      !quantized_dtype(w->dtype))
    return refuse(ctx, INGRAIN_UNSUPPORTED,
                  "matmul: a weight of dtype %d: expected F32 (0), BF16 (1), F8E4M3 (5), INT8 (6) or INT4 (7)",
                  w->dtype);
  if (ingrain_status status = check_groups(ctx, w)) return status;
  if (w->dtype == INGRAIN_F8E4M3 && !w->scales)
    return refuse(ctx, INGRAIN_INVALID_ARGUMENT, "matmul: scales of an F8E4M3 weight: null, expected %ld floats",
                  static_cast<long>(w->rows));
  if (w->columns < 1 || w->chunk < 0 || (w->chunk > 0 && w->columns % w->chunk != 0))
    return refuse(ctx, INGRAIN_INVALID_ARGUMENT, "matmul: chunk %ld of %ld columns: expected a divisor, or 0",
                  static_cast<long>(w->chunk), static_cast<long>(w->columns));
  return INGRAIN_OK;
}

// Returns whether cuBLASLt can compute the product. Operand a must be bf16, and all operands must be 16-byte aligned.
// lda, ldb, ldd, N and chunk must be multiples of 8 if b is bf16, and of 16 if b is fp8 (quantized.h).
inline bool fits_library(const Product& p) {
  if (p.a_dtype != INGRAIN_BF16 || (p.b_dtype != INGRAIN_BF16 && p.b_dtype != INGRAIN_F8E4M3)) return false;
  const int64_t piece = p.b_dtype == INGRAIN_BF16 ? 8 : 16;
  return p.lda % piece == 0 && p.ldb % piece == 0 && p.N % piece == 0 && ldd_of(p) % piece == 0 &&
         p.chunk % piece == 0 &&
         (reinterpret_cast<uintptr_t>(p.a) | reinterpret_cast<uintptr_t>(p.b) | reinterpret_cast<uintptr_t>(p.d)) %
                 16 ==
             0;
}
