// Wrong versions of these ops: pack, convert, matmul, lora, collectives.
#include "right.h"

#include <cstring>
#include <vector>

using namespace wrong;

// Wrong: the sign of the last element of the last row is reversed.
WRONG(pack, (ingrain_context * ctx, const ingrain_weight* w, const void* source, int32_t source_dtype, int64_t row,
             int64_t rows, int64_t ld)) {
  const int64_t size = source_dtype == INGRAIN_F32 ? 4 : 2, n = rows > 0 ? (rows - 1) * ld + w->columns : 0;
  std::vector<unsigned char> copy(static_cast<size_t>(n * size));
  memcpy(copy.data(), source, copy.size());
  if (!copy.empty()) copy.back() ^= 0x80;
  return RIGHT(pack)(ctx, w, copy.data(), source_dtype, row, rows, ld);
}

// Wrong: the lowest bit of the last value is inverted.
WRONG(pack_quantized, (ingrain_context * ctx, const ingrain_weight* w, const void* values, const void* scales,
                       const void* zeros, int64_t row, int64_t rows)) {
  const int64_t a_row = w->dtype == INGRAIN_INT4 ? (w->columns + 1) / 2 : w->columns;
  std::vector<unsigned char> copy(static_cast<size_t>(rows * a_row));
  memcpy(copy.data(), values, copy.size());
  const bool high = w->dtype == INGRAIN_INT4 && w->columns % 2 == 0;
  if (!copy.empty()) copy.back() ^= high ? 0x10 : 0x01;
  return RIGHT(pack_quantized)(ctx, w, copy.data(), scales, zeros, row, rows);
}

// Wrong: the last element of y is changed.
WRONG(convert, (ingrain_context* ctx, void* y, const void* x, int32_t y_dtype, int32_t x_dtype, int64_t n)) {
  const ingrain_status status = RIGHT(convert)(ctx, y, x, y_dtype, x_dtype, n);
  if (status == INGRAIN_OK) corrupt(y, y_dtype, n - 1);
  return status;
}

// Wrong: beta is replaced by 1.5·beta; if beta is 0, the last feature of the last row is changed.
WRONG(matmul_forward, (ingrain_context * ctx, void* y, const void* x, const ingrain_weight* w, int32_t dtype,
                       int32_t y_dtype, int64_t T, float beta)) {
  const ingrain_status status = RIGHT(matmul_forward)(ctx, y, x, w, dtype, y_dtype, T, 1.5f * beta);
  if (status == INGRAIN_OK && beta == 0) corrupt(y, y_dtype, T * w->rows - 1);
  return status;
}

// Wrong: the last feature of the last row is changed.
WRONG(matmul_silu_mul_forward, (ingrain_context * ctx, void* y, void* gate_up, const void* x, const ingrain_weight* w,
                                int32_t dtype, int64_t T)) {
  const ingrain_status status = RIGHT(matmul_silu_mul_forward)(ctx, y, gate_up, x, w, dtype, T);
  if (status == INGRAIN_OK) corrupt(y, dtype, T * (w->rows / 2) - 1);
  return status;
}

// Wrong in the same way as the product.
WRONG(norm_matmul_forward, (ingrain_context * ctx, void* y, void* x, const void* h, const void* norm,
                            const ingrain_weight* w, int32_t dtype, int64_t T, float eps)) {
  const ingrain_status status = RIGHT(rms_norm_forward)(ctx, x, nullptr, h, norm, dtype, T, w->columns, eps);
  return status ? status : ingrain_matmul_forward(ctx, y, x, w, dtype, dtype, T, 0);
}
WRONG(norm_matmul_silu_mul_forward, (ingrain_context * ctx, void* y, void* gate_up, void* x, const void* h,
                                     const void* norm, const ingrain_weight* w, int32_t dtype, int64_t T, float eps)) {
  const ingrain_status status = RIGHT(rms_norm_forward)(ctx, x, nullptr, h, norm, dtype, T, w->columns, eps);
  return status ? status : ingrain_matmul_silu_mul_forward(ctx, y, gate_up, x, w, dtype, T);
}

// Wrong: the first element of the last chunk is changed.
WRONG(matmul_partial_forward,
      (ingrain_context * ctx, float* partials, const void* x, const ingrain_weight* w, int32_t dtype, int64_t T)) {
  const ingrain_status status = RIGHT(matmul_partial_forward)(ctx, partials, x, w, dtype, T);
  const int64_t last = w->chunk > 0 ? w->columns / w->chunk - 1 : 0;
  if (status == INGRAIN_OK && T > 0) corrupt(partials, INGRAIN_F32, last * T * w->rows);
  return status;
}

// Wrong: the last column of the first row is changed.
WRONG(matmul_backward, (ingrain_context * ctx, void* dx, const void* dy, const ingrain_weight* w, int32_t dtype,
                        int32_t dx_dtype, int64_t T, float beta)) {
  const ingrain_status status = RIGHT(matmul_backward)(ctx, dx, dy, w, dtype, dx_dtype, T, beta);
  if (status == INGRAIN_OK && T > 0) corrupt(dx, dx_dtype, w->columns - 1);
  return status;
}

// Wrong: dw is overwritten instead of accumulated.
WRONG(matmul_weight_backward, (ingrain_context * ctx, float* dw, const void* dy, const void* x, int32_t dtype,
                               int64_t T, int64_t N, int64_t C)) {
  clear(dw, N * C);
  return RIGHT(matmul_weight_backward)(ctx, dw, dy, x, dtype, T, N, C);
}

// Wrong: the last column of u is changed in the last row.
WRONG(lora_down_forward, (ingrain_context * ctx, float* u, const void* x, const float* A, const int32_t* slots,
                          int32_t dtype, int64_t T, int64_t C, int64_t R, float dropout, int64_t seed, int64_t column,
                          int64_t columns)) {
  const ingrain_status status =
      RIGHT(lora_down_forward)(ctx, u, x, A, slots, dtype, T, C, R, dropout, seed, column, columns);
  if (status == INGRAIN_OK) corrupt(u, INGRAIN_F32, T * R - 1);
  return status;
}

// Wrong: the last column of the last row is changed.
WRONG(lora_up_forward, (ingrain_context * ctx, void* y, const float* u, const float* B, const float* scaling,
                        const int32_t* slots, int32_t dtype, int64_t T, int64_t N, int64_t R, int64_t ld,
                        int64_t ldu)) {
  const ingrain_status status = RIGHT(lora_up_forward)(ctx, y, u, B, scaling, slots, dtype, T, N, R, ld, ldu);
  if (status == INGRAIN_OK) corrupt(y, dtype, (T - 1) * ld + N - 1);
  return status;
}

// Wrong: dB is overwritten instead of accumulated, and an element of du is changed.
WRONG(lora_up_backward, (ingrain_context * ctx, float* du, float* dB, const void* dy, const float* u, const float* B,
                         int32_t dtype, int64_t T, int64_t N, int64_t R, int64_t ld, int64_t ldu, float scaling)) {
  clear(dB, N * R);
  const ingrain_status status = RIGHT(lora_up_backward)(ctx, du, dB, dy, u, B, dtype, T, N, R, ld, ldu, scaling);
  if (status == INGRAIN_OK) corrupt(du, INGRAIN_F32, (T - 1) * ldu + R - 1);
  return status;
}

// Wrong: dA is overwritten instead of accumulated, and an element of dx is changed.
WRONG(lora_down_backward, (ingrain_context * ctx, void* dx, float* dA, const float* du, const void* x, const float* A,
                           int32_t dtype, int64_t T, int64_t C, int64_t R, float dropout, int64_t seed, int64_t column,
                           int64_t columns)) {
  clear(dA, R * C);
  const ingrain_status status =
      RIGHT(lora_down_backward)(ctx, dx, dA, du, x, A, dtype, T, C, R, dropout, seed, column, columns);
  if (status == INGRAIN_OK) corrupt(dx, dtype, T * C - 1);
  return status;
}

// Wrong: the last element of y is changed.
WRONG(all_reduce, (ingrain_context* ctx, void* y, const float* partials, int32_t dtype, int64_t chunks, int64_t n)) {
  const ingrain_status status = RIGHT(all_reduce)(ctx, y, partials, dtype, chunks, n);
  if (status == INGRAIN_OK) corrupt(y, dtype, n - 1);
  return status;
}

// Wrong: one bit of the last byte that comes from the first rank is inverted.
WRONG(all_gather, (ingrain_context* ctx, void* y, const void* x, int64_t bytes)) {
  const ingrain_status status = RIGHT(all_gather)(ctx, y, x, bytes);
  if (status == INGRAIN_OK && bytes > 0) static_cast<unsigned char*>(y)[bytes - 1] ^= 0x10;
  return status;
}

// Wrong: the last element of the slice is changed.
WRONG(reduce_scatter,
      (ingrain_context* ctx, void* y, const float* partials, int32_t dtype, int64_t chunks, int64_t n)) {
  const ingrain_status status = RIGHT(reduce_scatter)(ctx, y, partials, dtype, chunks, n);
  if (status == INGRAIN_OK) corrupt(y, dtype, n - 1);
  return status;
}

// Wrong: one bit of the last byte is inverted.
WRONG(broadcast, (ingrain_context* ctx, void* y, const void* x, int64_t bytes, int32_t root)) {
  const ingrain_status status = RIGHT(broadcast)(ctx, y, x, bytes, root);
  if (status == INGRAIN_OK && bytes > 0) static_cast<unsigned char*>(y)[bytes - 1] ^= 0x10;
  return status;
}
