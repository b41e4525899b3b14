// A vec has sixteen f32 lanes on every instruction set, so that sums have the same order. With AVX-512 a vec is one zmm
// register, and with AVX2 two ymm registers. The tail of a row is loaded with load_some and stored with store_some. It
// uses the same arithmetic as the main loop, so that it is rounded in the same way.
#pragma once
#include "dtype.h"

namespace ingrain::INGRAIN_ISA {

constexpr int64_t lanes = 16;

#if defined(__AVX512F__)
struct vec { __m512 v; };
inline vec splat(float x) { return {_mm512_set1_ps(x)}; }
inline vec load(const float* p) { return {_mm512_loadu_ps(p)}; }
inline void store(float* p, vec a) { _mm512_storeu_ps(p, a.v); }
inline vec operator+(vec a, vec b) { return {_mm512_add_ps(a.v, b.v)}; }
inline vec operator-(vec a, vec b) { return {_mm512_sub_ps(a.v, b.v)}; }
inline vec operator*(vec a, vec b) { return {_mm512_mul_ps(a.v, b.v)}; }
inline vec operator/(vec a, vec b) { return {_mm512_div_ps(a.v, b.v)}; }
inline vec fma(vec a, vec b, vec c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }  // a·b + c, rounded once
inline vec max(vec a, vec b) { return {_mm512_max_ps(a.v, b.v)}; }
inline vec min(vec a, vec b) { return {_mm512_min_ps(a.v, b.v)}; }
inline vec sqrt(vec a) { return {_mm512_sqrt_ps(a.v)}; }
inline vec round(vec a) { return {_mm512_roundscale_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)}; }
inline vec scale_by_power(vec a, vec n) {  // a·2ⁿ for integer n in [-126, 127]
  const __m512i e = _mm512_slli_epi32(_mm512_add_epi32(_mm512_cvtps_epi32(n.v), _mm512_set1_epi32(127)), 23);
  return {_mm512_mul_ps(a.v, _mm512_castsi512_ps(e))};
}
inline vec load(const bf16* p) {
  const __m256i h = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(h), 16))};
}
inline vec load(const f16* p) { return {_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)))}; }
inline void store(bf16* p, vec a) {
  const __m512i u = _mm512_castps_si512(a.v);
  const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(u, 16), _mm512_set1_epi32(1));
  const __m512i rounded = _mm512_srli_epi32(_mm512_add_epi32(u, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff))), 16);
  const __m512i quiet = _mm512_or_si512(_mm512_srli_epi32(u, 16), _mm512_set1_epi32(0x40));
  const __m512i bits = _mm512_mask_blend_epi32(_mm512_cmp_ps_mask(a.v, a.v, _CMP_UNORD_Q), rounded, quiet);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvtepi32_epi16(bits));
}
#else
struct vec { __m256 lo, hi; };
inline vec splat(float x) { return {_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
inline vec load(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
inline void store(float* p, vec a) { _mm256_storeu_ps(p, a.lo); _mm256_storeu_ps(p + 8, a.hi); }
inline vec operator+(vec a, vec b) { return {_mm256_add_ps(a.lo, b.lo), _mm256_add_ps(a.hi, b.hi)}; }
inline vec operator-(vec a, vec b) { return {_mm256_sub_ps(a.lo, b.lo), _mm256_sub_ps(a.hi, b.hi)}; }
inline vec operator*(vec a, vec b) { return {_mm256_mul_ps(a.lo, b.lo), _mm256_mul_ps(a.hi, b.hi)}; }
inline vec operator/(vec a, vec b) { return {_mm256_div_ps(a.lo, b.lo), _mm256_div_ps(a.hi, b.hi)}; }
inline vec fma(vec a, vec b, vec c) { return {_mm256_fmadd_ps(a.lo, b.lo, c.lo), _mm256_fmadd_ps(a.hi, b.hi, c.hi)}; }
inline vec max(vec a, vec b) { return {_mm256_max_ps(a.lo, b.lo), _mm256_max_ps(a.hi, b.hi)}; }
inline vec min(vec a, vec b) { return {_mm256_min_ps(a.lo, b.lo), _mm256_min_ps(a.hi, b.hi)}; }
inline vec sqrt(vec a) { return {_mm256_sqrt_ps(a.lo), _mm256_sqrt_ps(a.hi)}; }
inline vec round(vec a) {
  constexpr int mode = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
  return {_mm256_round_ps(a.lo, mode), _mm256_round_ps(a.hi, mode)};
}
inline __m256 scale_by_power(__m256 a, __m256 n) {
  const __m256i e = _mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23);
  return _mm256_mul_ps(a, _mm256_castsi256_ps(e));
}
inline vec scale_by_power(vec a, vec n) { return {scale_by_power(a.lo, n.lo), scale_by_power(a.hi, n.hi)}; }
inline __m256 widen(__m128i h) { return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(h), 16)); }
inline vec load(const bf16* p) {
  const __m128i* q = reinterpret_cast<const __m128i*>(p);
  return {widen(_mm_loadu_si128(q)), widen(_mm_loadu_si128(q + 1))};
}
inline vec load(const f16* p) {
  const __m128i* q = reinterpret_cast<const __m128i*>(p);
  return {_mm256_cvtph_ps(_mm_loadu_si128(q)), _mm256_cvtph_ps(_mm_loadu_si128(q + 1))};
}
inline __m256i narrow(__m256 a) {
  const __m256i u = _mm256_castps_si256(a);
  const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(u, 16), _mm256_set1_epi32(1));
  const __m256i rounded = _mm256_srli_epi32(_mm256_add_epi32(u, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff))), 16);
  const __m256i quiet = _mm256_or_si256(_mm256_srli_epi32(u, 16), _mm256_set1_epi32(0x40));
  return _mm256_blendv_epi8(rounded, quiet, _mm256_castps_si256(_mm256_cmp_ps(a, a, _CMP_UNORD_Q)));
}
inline void store(bf16* p, vec a) {
  const __m256i packed = _mm256_permute4x64_epi64(_mm256_packus_epi32(narrow(a.lo), narrow(a.hi)), 0xd8);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), packed);
}
#endif

template <class T>
vec load_some(const T* p, int64_t n, float rest = 0.0f) {  // lanes i < n from p, the other lanes `rest`
  float buffer[lanes];
  for (int64_t i = 0; i < lanes; ++i) buffer[i] = i < n ? to_float(p[i]) : rest;
  return load(buffer);
}
template <class T>
void store_some(T* p, vec a, int64_t n) {
  float buffer[lanes];
  store(buffer, a);
  for (int64_t i = 0; i < n; ++i) p[i] = from_float<T>(buffer[i]);
}

// Sums and maxima combine the lanes in a tree of depth four: first lanes i and i + 8, then i and i + 4, then i and i +
// 2, then i and i + 1.
inline __m256 low_half(vec a) {
#if defined(__AVX512F__)
  return _mm512_castps512_ps256(a.v);
#else
  return a.lo;
#endif
}
inline __m256 high_half(vec a) {
#if defined(__AVX512F__)
  return _mm512_extractf32x8_ps(a.v, 1);
#else
  return a.hi;
#endif
}
inline float sum(vec a) {
  const __m256 b = _mm256_add_ps(low_half(a), high_half(a));
  const __m128 c = _mm_add_ps(_mm256_castps256_ps128(b), _mm256_extractf128_ps(b, 1));
  const __m128 d = _mm_add_ps(c, _mm_movehl_ps(c, c));
  return _mm_cvtss_f32(_mm_add_ss(d, _mm_movehdup_ps(d)));
}
inline float maximum(vec a) {
  const __m256 b = _mm256_max_ps(low_half(a), high_half(a));
  const __m128 c = _mm_max_ps(_mm256_castps256_ps128(b), _mm256_extractf128_ps(b, 1));
  const __m128 d = _mm_max_ps(c, _mm_movehl_ps(c, c));
  return _mm_cvtss_f32(_mm_max_ss(d, _mm_movehdup_ps(d)));
}

// Computes eˣ with an error of about 1 ulp; the result is 0 below -87.3. With x = n·ln 2 + r and |r| <= ln 2 / 2, a
// polynomial of degree 6 (coefficients of Cephes expf) computes eʳ. If an operand is NaN, `min` and `max` return their
// second operand. Here x is the second operand, so that a NaN in x stays NaN.
inline vec exp(vec x) {
  x = min(splat(88.3762626647949f), x);
  const vec clamped = max(splat(-87.33654475f), x);
  const vec n = round(clamped * splat(1.44269504088896341f));
  vec r = fma(n, splat(-0.693359375f), clamped);
  r = fma(n, splat(2.12194440e-4f), r);
  vec p = splat(1.9875691500e-4f);
  p = fma(p, r, splat(1.3981999507e-3f));
  p = fma(p, r, splat(8.3334519073e-3f));
  p = fma(p, r, splat(4.1665795894e-2f));
  p = fma(p, r, splat(1.6666665459e-1f));
  p = fma(p, r, splat(5.0000001201e-1f));
  p = fma(p, r * r, r) + splat(1.0f);
#if defined(__AVX512F__)
  const __mmask16 tiny = _mm512_cmp_ps_mask(x.v, _mm512_set1_ps(-87.33654475f), _CMP_LT_OQ);
  return {_mm512_mask_blend_ps(tiny, scale_by_power(p, n).v, _mm512_setzero_ps())};
#else
  const vec e = scale_by_power(p, n);
  const __m256 limit = _mm256_set1_ps(-87.33654475f);
  return {_mm256_andnot_ps(_mm256_cmp_ps(x.lo, limit, _CMP_LT_OQ), e.lo),
          _mm256_andnot_ps(_mm256_cmp_ps(x.hi, limit, _CMP_LT_OQ), e.hi)};
#endif
}

}  // namespace ingrain::INGRAIN_ISA
