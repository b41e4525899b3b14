// The factors of the products in attention and attention_backward: f32, or bf16 pairs for vdpbf16ps (attention_bf16.h).
// Products of f32 factors are summed by FMAs in ascending order, and products of bf16 factors in ascending pairs. Sums
// are f32.
#pragma once
#include "attention_bf16.h"

namespace ingrain::INGRAIN_ISA {

// The type of the factors for the parameter `operands` of the ops. CPUs with AMX compute as many f32 products per cycle
// by FMAs as bf16 products by vdpbf16ps, so f32 is used there.
#if defined(__AVX512BF16__) && !defined(__AMX_TILE__)
template <class P>
using Operand = P;
#else
template <class P>
using Operand = float;
#endif

constexpr float ones[lanes] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};

// 16 vectors of E elements, as operands of dots (read_columns), of add_products (read_rows) or of both (read). The
// vectors from n on are zero.
template <class P>
struct Vectors;

template <>
struct Vectors<float> {
  alignas(64) float t[lanes * max_head_dim];     // (E, 16)
  alignas(64) float rows[lanes * max_head_dim];  // (16, width)

  template <class X>
  void read_columns(const X* x, int64_t ld, int64_t n, int64_t E) {
    pack_transposed(t, x, ld, n, E);
  }
  template <class X>
  void read_rows(const X* x, int64_t ld, int64_t n, int64_t E) {
    pack_rows(rows, x, ld, n, E, padded(E));
  }
  template <class X>
  void read(const X* x, int64_t ld, int64_t n, int64_t E) {
    read_columns(x, ld, n, E);
    read_rows(x, ld, n, E);
  }
};

template <class X>
void read_operands(float* row, const X* x, int64_t E) {
  load_row(row, x, E, E);
}

// dots[i][lane] = a[i] · vector `lane`: a (R, E).
template <int R>
void dots(vec (&sums)[R], const float* a, int64_t E, const Vectors<float>& x) {
  dot_tile<R>(sums, a, E, x.t, E);
}

// o[i] += Σ_j p[i][j]·vector j for j < n: o (R, width), p (R, 16). p must be finite.
template <int R>
void add_products(float* o, const float* p, const Vectors<float>& x, int64_t n, int64_t width) {
  accumulate_tile<R>(o, p, ones, x.rows, 0, n, width);
}

#if defined(__AVX512BF16__) && !defined(__AMX_TILE__)
// Rounds n elements to bf16. f32 denormals become zeros; no product changes, because products read them as zeros.
template <class X>
void read_operands(bf16* row, const X* x, int64_t n) {
  if constexpr (std::is_same_v<X, bf16>) {
    copy_row(row, x, n);
  } else {
    for (int64_t e = 0; e < n; e += lanes) {
      const auto inside = static_cast<__mmask16>(n - e < lanes ? (1u << (n - e)) - 1 : 0xffff);
      _mm256_mask_storeu_epi16(row + e, inside, (__m256i)_mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(inside, x + e)));
    }
  }
}

template <>
struct Vectors<bf16> {
  alignas(64) bf16 t[lanes * max_head_dim];     // (E / 2, 16, 2): pairs of adjacent elements of a vector
  alignas(64) bf16 rows[lanes * max_head_dim];  // (width / 16, 8, 16, 2): the same element of two adjacent vectors

  template <class X>
  void read_columns(const X* x, int64_t ld, int64_t n, int64_t E) {
    alignas(64) bf16 plain[lanes * max_head_dim];
    round(plain, x, ld, n, E);
    transpose(plain, padded(E));
  }
  template <class X>
  void read_rows(const X* x, int64_t ld, int64_t n, int64_t E) {
    alignas(64) bf16 plain[lanes * max_head_dim];
    round(plain, x, ld, n, E);
    pair_rows(plain, padded(E));
  }
  template <class X>
  void read(const X* x, int64_t ld, int64_t n, int64_t E) {
    alignas(64) bf16 plain[lanes * max_head_dim];
    round(plain, x, ld, n, E);
    transpose(plain, padded(E));
    pair_rows(plain, padded(E));
  }

 private:
  // plain (16, width) = x, padded with zeros.
  template <class X>
  static void round(bf16* plain, const X* x, int64_t ld, int64_t n, int64_t E) {
    const int64_t width = padded(E);
    for (int64_t j = 0; j < n; ++j) {
      read_operands(plain + j * width, x + j * ld, E);
      std::fill(plain + j * width + E, plain + (j + 1) * width, bf16{0});
    }
    std::fill(plain + n * width, plain + lanes * width, bf16{0});
  }
  void pair_rows(const bf16* plain, int64_t width) {
    for (int64_t e = 0; e < width; e += lanes)
      for (int64_t j = 0; j < lanes; j += 2)
        _mm512_store_si512(rows + (e + j) * lanes,
                           interleave(two_rows(plain + j * width + e, plain + (j + 1) * width + e)));
  }
  // A pair moves like one f32.
  void transpose(const bf16* plain, int64_t width) {
    const auto* from = reinterpret_cast<const float*>(plain);
    auto* to = reinterpret_cast<float*>(t);
    for (int64_t e = 0; e < width / 2; e += 8)
      for (int64_t j = 0; j < lanes; j += 8) transpose8(to + e * lanes + j, lanes, from + j * width / 2 + e, width / 2);
  }
};

template <int R>
void dots(vec (&sums)[R], const bf16* a, int64_t E, const Vectors<bf16>& x) {
  dot_pairs_tile<R>(sums, a, E, E, [&](int64_t e) { return _mm512_load_si512(x.t + e * lanes); });
}

template <int R>
void add_products(float* o, const float* p, const Vectors<bf16>& x, int64_t, int64_t width) {
  alignas(64) bf16 rounded[R * lanes];
  read_operands(rounded, p, R * lanes);
  accumulate_pairs_tile<R>(o, rounded, ones, width,
                           [&](int64_t j, int64_t e) { return _mm512_load_si512(x.rows + (e + 2 * j) * lanes); });
}
#endif

}  // namespace ingrain::INGRAIN_ISA
