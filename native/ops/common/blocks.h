// Copies blocks of matrices between memory (f32 or bf16, row-major) and the f32 scratch of a matrix product.
#pragma once
#include "simd.h"

#include <algorithm>
#include <cstring>

namespace ingrain::INGRAIN_ISA {

struct matrix {  // row-major; consecutive rows start ld elements apart
  void* data;
  int32_t dtype;  // F32 or BF16
  int64_t ld;
};

inline ingrain_status check_dtype(ingrain_context* ctx, int32_t dtype) {
  return with_dtype(ctx, dtype, []<class E>() { return INGRAIN_OK; });
}

template <class Out, class In>
void copy_row(Out* out, const In* in, int64_t n) {
  if constexpr (sizeof(Out) == sizeof(In)) {
    memcpy(out, in, static_cast<size_t>(n) * sizeof(In));
  } else {
    int64_t i = 0;
    for (; i + lanes <= n; i += lanes) store(out + i, load(in + i));
    for (; i < n; ++i) out[i] = from_float<Out>(to_float(in[i]));
  }
}

// out (rows, ld) = x[row .., column ..] (rows, columns), padded with zeros. Out is float or bf16.
template <class Out>
void read_block(Out* out, int64_t ld, const matrix& x, int64_t row, int64_t rows, int64_t column, int64_t columns) {
  for (int64_t r = 0; r < rows; ++r, out += ld) {
    const int64_t from = (row + r) * x.ld + column;
    if (x.dtype == INGRAIN_F32) copy_row(out, static_cast<const float*>(x.data) + from, columns);
    else copy_row(out, static_cast<const bf16*>(x.data) + from, columns);
    for (int64_t i = columns; i < ld; ++i) out[i] = from_float<Out>(0.0f);
  }
}

// y (rows, columns) = beta·y + sums (rows, ld), rounded to y's type. With beta 0, y is not read.
template <class Y>
void write_rows(Y* y, int64_t y_ld, int64_t rows, int64_t columns, const float* sums, int64_t ld, float beta) {
  for (int64_t r = 0; r < rows; ++r, y += y_ld, sums += ld) {
    int64_t i = 0;
    for (; i + lanes <= columns; i += lanes)
      store(y + i, beta == 0 ? load(sums + i) : fma(splat(beta), load(y + i), load(sums + i)));
    const int64_t rest = columns - i;
    if (rest > 0)
      store_some(
          y + i,
          beta == 0 ? load_some(sums + i, rest) : fma(splat(beta), load_some(y + i, rest), load_some(sums + i, rest)),
          rest);
  }
}
inline void write_block(const matrix& y, int64_t row, int64_t rows, int64_t column, int64_t columns, const float* sums,
                        int64_t ld, float beta) {
  const int64_t to = row * y.ld + column;
  if (y.dtype == INGRAIN_F32) write_rows(static_cast<float*>(y.data) + to, y.ld, rows, columns, sums, ld, beta);
  else write_rows(static_cast<bf16*>(y.data) + to, y.ld, rows, columns, sums, ld, beta);
}

// `pairs` contains sixteen pairs of bf16, each in a 32-bit lane. `even` returns the lower element of each pair as f32,
// and `odd` returns the upper element.
#if defined(__AVX512F__)
inline vec even(vec pairs) { return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_castps_si512(pairs.v), 16))}; }
inline vec odd(vec pairs) {
  return {_mm512_castsi512_ps(
      _mm512_and_si512(_mm512_castps_si512(pairs.v), _mm512_set1_epi32(static_cast<int>(0xffff0000))))};
}
#else
inline __m256 even(__m256 pairs) { return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_castps_si256(pairs), 16)); }
inline __m256 odd(__m256 pairs) {
  return _mm256_and_ps(pairs, _mm256_castsi256_ps(_mm256_set1_epi32(static_cast<int>(0xffff0000))));
}
inline vec even(vec pairs) { return {even(pairs.lo), even(pairs.hi)}; }
inline vec odd(vec pairs) { return {odd(pairs.lo), odd(pairs.hi)}; }
#endif
inline vec load_pairs(const bf16* x) { return load(reinterpret_cast<const float*>(x)); }

inline __m256 load8(const float* x) { return _mm256_loadu_ps(x); }
inline __m256 load8(const bf16* x) {
  return _mm256_castsi256_ps(
      _mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(x))), 16));
}

// out[j][i] = x[i][j] for eight rows and eight columns.
template <class X>
void transpose8(float* out, int64_t ld, const X* x, int64_t x_ld) {
  __m256 a[8], b[8];
  for (int i = 0; i < 8; ++i) a[i] = load8(x + i * x_ld);
  for (int i = 0; i < 8; i += 2) {
    b[i] = _mm256_unpacklo_ps(a[i], a[i + 1]);
    b[i + 1] = _mm256_unpackhi_ps(a[i], a[i + 1]);
  }
  for (int i = 0; i < 8; i += 4)
    for (int j = 0; j < 2; ++j) {
      a[i + 2 * j] = _mm256_shuffle_ps(b[i + j], b[i + j + 2], 0x44);
      a[i + 2 * j + 1] = _mm256_shuffle_ps(b[i + j], b[i + j + 2], 0xee);
    }
  for (int i = 0; i < 4; ++i) {
    _mm256_storeu_ps(out + i * ld, _mm256_permute2f128_ps(a[i], a[i + 4], 0x20));
    _mm256_storeu_ps(out + (i + 4) * ld, _mm256_permute2f128_ps(a[i], a[i + 4], 0x31));
  }
}

// out (columns, ld) = the transpose of x[row .., column ..] (rows, columns), padded with zeros.
template <class X>
void transpose_rows(float* out, int64_t ld, const X* x, int64_t x_ld, int64_t rows, int64_t columns) {
  int64_t i = 0;
  for (; i + 8 <= rows; i += 8) {
    int64_t j = 0;
    for (; j + 8 <= columns; j += 8) transpose8(out + j * ld + i, ld, x + i * x_ld + j, x_ld);
    for (; j < columns; ++j)
      for (int64_t k = i; k < i + 8; ++k) out[j * ld + k] = to_float(x[k * x_ld + j]);
  }
  for (; i < rows; ++i)
    for (int64_t j = 0; j < columns; ++j) out[j * ld + i] = to_float(x[i * x_ld + j]);
  for (; i < ld; ++i)
    for (int64_t j = 0; j < columns; ++j) out[j * ld + i] = 0.0f;
}
inline void read_transposed(float* out, int64_t ld, const matrix& x, int64_t row, int64_t rows, int64_t column,
                            int64_t columns) {
  const int64_t from = row * x.ld + column;
  if (x.dtype == INGRAIN_F32) transpose_rows(out, ld, static_cast<const float*>(x.data) + from, x.ld, rows, columns);
  else transpose_rows(out, ld, static_cast<const bf16*>(x.data) + from, x.ld, rows, columns);
}

}  // namespace ingrain::INGRAIN_ISA
