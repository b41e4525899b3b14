// The tile of a product with an INT8 or INT4 weight. x is rounded to 8 bits in blocks of 32 columns, each with a scale:
//   scale = max |x| / 127    q = round(x / scale), computed as x·(127 / max |x|)
// The products of a block are added exactly, in int32. Then a lane adds the sums of the blocks to y in f32, in
// ascending order, with one multiplication and one fused multiply-add for each block:
//   y += (Σ q_x·(stored - zero)·scale_x)·scale_w
// So the bits of y are the same for every instruction set, tile and number of threads. If a block of x contains a NaN
// or an infinity, its scale is not finite, and no result of this row is finite. If all magnitudes in a block are below
// 2⁻¹²⁰, its elements count as zeros.
//
// vpdpbusd multiplies unsigned bytes (the stored values) by signed bytes (x). To subtract the zero point, an integer
// sum starts at -zero·Σ q_x. Without this instruction, pairs of 16-bit integers are multiplied: bytes 0 and 2 of a lane
// form one pair, and bytes 1 and 3 the other pair.
#pragma once
#include "amx.h"
#include "quantized.h"

namespace ingrain::INGRAIN_ISA {

#if defined(__AVX512F__)
struct ivec { __m512i v; };
inline ivec splat(int32_t x) { return {_mm512_set1_epi32(x)}; }
inline ivec load_bytes(const uint8_t* p) { return {_mm512_loadu_si512(p)}; }
inline ivec widen_bytes(const uint8_t* p) {  // sixteen bytes to int32
  return {_mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)))};
}
inline ivec bits(vec a) { return {_mm512_castps_si512(a.v)}; }
inline ivec operator&(ivec a, ivec b) { return {_mm512_and_si512(a.v, b.v)}; }
inline ivec operator+(ivec a, ivec b) { return {_mm512_add_epi32(a.v, b.v)}; }
inline ivec operator*(ivec a, ivec b) { return {_mm512_mullo_epi32(a.v, b.v)}; }
inline ivec max(ivec a, ivec b) { return {_mm512_max_epi32(a.v, b.v)}; }
inline ivec shift_right(ivec a, int n) { return {_mm512_srli_epi16(a.v, static_cast<unsigned>(n))}; }
inline ivec multiply_pairs(ivec a, ivec b) { return {_mm512_madd_epi16(a.v, b.v)}; }
inline vec to_float(ivec a) { return {_mm512_cvtepi32_ps(a.v)}; }
inline ivec to_int(vec a) { return {_mm512_cvtps_epi32(a.v)}; }  // to nearest even; a NaN is the least int32
inline __m256i low_half(ivec a) { return _mm512_castsi512_si256(a.v); }
inline __m256i high_half(ivec a) { return _mm512_extracti64x4_epi64(a.v, 1); }
#else
struct ivec { __m256i lo, hi; };
inline ivec splat(int32_t x) { return {_mm256_set1_epi32(x), _mm256_set1_epi32(x)}; }
inline ivec load_bytes(const uint8_t* p) {
  const __m256i* q = reinterpret_cast<const __m256i*>(p);
  return {_mm256_loadu_si256(q), _mm256_loadu_si256(q + 1)};
}
inline ivec widen_bytes(const uint8_t* p) {
  return {_mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))),
          _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p + 8)))};
}
inline ivec bits(vec a) { return {_mm256_castps_si256(a.lo), _mm256_castps_si256(a.hi)}; }
inline ivec operator&(ivec a, ivec b) { return {_mm256_and_si256(a.lo, b.lo), _mm256_and_si256(a.hi, b.hi)}; }
inline ivec operator+(ivec a, ivec b) { return {_mm256_add_epi32(a.lo, b.lo), _mm256_add_epi32(a.hi, b.hi)}; }
inline ivec operator*(ivec a, ivec b) { return {_mm256_mullo_epi32(a.lo, b.lo), _mm256_mullo_epi32(a.hi, b.hi)}; }
inline ivec max(ivec a, ivec b) { return {_mm256_max_epi32(a.lo, b.lo), _mm256_max_epi32(a.hi, b.hi)}; }
inline ivec shift_right(ivec a, int n) { return {_mm256_srli_epi16(a.lo, n), _mm256_srli_epi16(a.hi, n)}; }
inline ivec multiply_pairs(ivec a, ivec b) { return {_mm256_madd_epi16(a.lo, b.lo), _mm256_madd_epi16(a.hi, b.hi)}; }
inline vec to_float(ivec a) { return {_mm256_cvtepi32_ps(a.lo), _mm256_cvtepi32_ps(a.hi)}; }
inline ivec to_int(vec a) { return {_mm256_cvtps_epi32(a.lo), _mm256_cvtps_epi32(a.hi)}; }
inline __m256i low_half(ivec a) { return a.lo; }
inline __m256i high_half(ivec a) { return a.hi; }
#endif
inline int32_t maximum(ivec a) {
  const __m256i b = _mm256_max_epi32(low_half(a), high_half(a));
  const __m128i c = _mm_max_epi32(_mm256_castsi256_si128(b), _mm256_extracti128_si256(b, 1));
  const __m128i d = _mm_max_epi32(c, _mm_unpackhi_epi64(c, c));
  return _mm_cvtsi128_si32(_mm_max_epi32(d, _mm_shuffle_epi32(d, 1)));
}
inline int32_t sum(ivec a) {
  const __m256i b = _mm256_add_epi32(low_half(a), high_half(a));
  const __m128i c = _mm_add_epi32(_mm256_castsi256_si128(b), _mm256_extracti128_si256(b, 1));
  const __m128i d = _mm_add_epi32(c, _mm_unpackhi_epi64(c, c));
  return _mm_cvtsi128_si32(_mm_add_epi32(d, _mm_shuffle_epi32(d, 1)));
}

// One step of an integer product. stored_columns contains four columns of sixteen rows of W, and x_columns four columns
// of a row of x. add_products adds their products to the sums of the sixteen rows.
#if defined(__AVX512VNNI__)
using stored_columns = ivec;
inline stored_columns columns_from(ivec bytes) { return bytes; }
using x_columns = int8_t[4];
inline void store_columns(x_columns* out, ivec q) {  // sixteen columns
  _mm_storeu_si128(reinterpret_cast<__m128i*>(out), _mm512_cvtsepi32_epi8(q.v));
}
// In assembly language, because gcc 12 generates a load and two copies of registers for each product from intrinsics.
// The instruction itself broadcasts the four bytes.
inline ivec add_products(ivec sum, stored_columns w, const x_columns& x) {
  asm("vpdpbusd %2%{1to16%}, %1, %0" : "+v"(sum.v) : "v"(w.v), "m"(x));
  return sum;
}
#else
struct stored_columns { ivec even, odd; };
inline stored_columns columns_from(ivec bytes) { return {bytes & splat(0x00ff00ff), shift_right(bytes, 8)}; }
using x_columns = int16_t[4];  // columns 0, 2, 1, 3
inline void store_columns(x_columns* out, ivec q) {
  const __m256i packed = _mm256_permute4x64_epi64(_mm256_packs_epi32(low_half(q), high_half(q)), 0xd8);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(out),
                      _mm256_shufflehi_epi16(_mm256_shufflelo_epi16(packed, 0xd8), 0xd8));
}
inline ivec add_products(ivec sum, const stored_columns& w, const x_columns& x) {
  int32_t pair[2];
  memcpy(pair, x, sizeof pair);
  return sum + multiply_pairs(w.even, splat(pair[0])) + multiply_pairs(w.odd, splat(pair[1]));
}
#endif

struct x_block {  // 32 columns of a row of x
  x_columns values[x_block_size / 4];
  float scale;
  int32_t start;  // initial value of the integer sum; if W has zero points, to be multiplied by the zero point
};

// The element types of a packed quantized panel. W::start is the negative zero point, or -1 if each group has its own
// zero point. W::loads is the number of 64-byte loads for a block of 32 columns.
struct int8 { uint8_t bits; static constexpr int32_t start = -128, loads = 8; static constexpr bool zeros = false; };
struct int4 { uint8_t bits; static constexpr int32_t start = -8, loads = 4; static constexpr bool zeros = false; };
struct int4_zeros { uint8_t bits; static constexpr int32_t start = -1, loads = 4; static constexpr bool zeros = true; };
template <class W> concept quantized_element = requires { W::loads; };

// out (⌈n / 32⌉ blocks) = the n values of x, rounded to 8 bits. x is float or bf16. `start` is W::start.
template <class E>
void round_row(x_block* out, const E* x, int64_t n, int32_t start) {
  for (int64_t c = 0; c < n; c += x_block_size, ++out) {
    const int64_t inside = std::min(x_block_size, n - c), second = inside - lanes;
    const vec a = inside >= lanes ? load(x + c) : load_some(x + c, inside);
    const vec b = second >= lanes ? load(x + c + lanes) : load_some(x + c + lanes, std::max<int64_t>(0, second));
    const ivec sign = splat(0x7fffffff);
    const float largest = std::bit_cast<float>(maximum(max(bits(a) & sign, bits(b) & sign)));
    const bool zeros = largest < 0x1p-120f;
    const vec factor = splat(zeros ? 0.0f : 127 / largest);
    const ivec p = to_int(a * factor), q = to_int(b * factor);
    store_columns(out->values, p);
    store_columns(out->values + 4, q);
    out->scale = zeros ? 0.0f : largest / 127;
    out->start = start * sum(p + q);
  }
}

// sums (R, 16·P) += x (R, n) · W (16·P, n)ᵀ. x_ld is in blocks. n is a multiple of 32. w is the address of the start of
// a group. Consecutive panels are w_ld bytes apart.
static_assert(prefetch_columns == x_block_size);
template <int R, int P, class W>
void quantized_tile(float* sums, int64_t sums_ld, const x_block* x, int64_t x_ld, const W* w, int64_t w_ld, int64_t n,
                    int64_t group, WeightAhead ahead) {
  constexpr int64_t header = W::zeros ? 48 : 32;
  vec s[R][P];
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
    for (int p = 0; p < P; ++p) s[r][p] = load(sums + r * sums_ld + p * panel_rows);
  const uint8_t* at = reinterpret_cast<const uint8_t*>(w);
  for (int64_t c = 0; c < n; c += group) {
    vec scales[P];
    ivec zeros[P];
#pragma GCC unroll 4
    for (int p = 0; p < P; ++p) {
      scales[p] = load(reinterpret_cast<const f16*>(at + p * w_ld));
      if constexpr (W::zeros) zeros[p] = widen_bytes(at + p * w_ld + 32);
    }
    at += header;
    for (int64_t b = c; b < std::min(c + group, n); b += x_block_size, at += W::loads * 64, ++x) {
      ahead.prefetch();
      // One panel is a single stream of loads, which would not saturate DRAM without this prefetch.
      if constexpr (P == 1)
        for (int i = 0; i < W::loads; ++i)
          _mm_prefetch(reinterpret_cast<const char*>(at) + 1024 + 64 * i, _MM_HINT_T0);
      ivec q[R][P];
#pragma GCC unroll 16
      for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
        for (int p = 0; p < P; ++p) {
          q[r][p] = splat(x[r * x_ld].start);
          if constexpr (W::zeros) q[r][p] = q[r][p] * zeros[p];
        }
#pragma GCC unroll 2
      for (int i = 0; i < W::loads; ++i)
#pragma GCC unroll 2
        for (int half = 0; half < 8 / W::loads; ++half)
#pragma GCC unroll 4
          for (int p = 0; p < P; ++p) {
            ivec bytes = load_bytes(at + p * w_ld + i * 64);
            if constexpr (W::loads == 4)
              bytes = (half == 0 ? bytes : shift_right(bytes, 4)) & splat(0x0f0f0f0f);
            const stored_columns columns = columns_from(bytes);
#pragma GCC unroll 16
            for (int r = 0; r < R; ++r)
              q[r][p] = add_products(q[r][p], columns, x[r * x_ld].values[half * W::loads + i]);
          }
#pragma GCC unroll 16
      for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
        for (int p = 0; p < P; ++p) s[r][p] = fma(to_float(q[r][p]) * splat(x[r * x_ld].scale), scales[p], s[r][p]);
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
    for (int p = 0; p < P; ++p) store(sums + r * sums_ld + p * panel_rows, s[r][p]);
}

#if defined(__AMX_TILE__)
// Computes the same as quantized_tile<16, 1, W>, but one instruction (tdpbsud) computes all integer products of a
// block. The thread must have an AmxTiles(quantized_amx_columns). The integer sums are the same, so the bits of the
// result are the same. Data move between tiles and vector registers through memory, which has a long latency. So INT4
// values are unpacked for up to 16 blocks in advance, and the integer sums of a block are used three blocks later.
constexpr int64_t quantized_amx_columns = x_block_size / 2;
template <class W>
void quantized_amx_tile(float* sums, int64_t sums_ld, const x_block* x, int64_t x_ld, const W* w, int64_t, int64_t n,
                        int64_t group, WeightAhead) {
  constexpr int R = amx_rows;
  constexpr int64_t header = W::zeros ? 48 : 32, delay = 3, most = 16;  // blocks
  constexpr int64_t stored = W::loads * 64, block_bytes = x_block_size * panel_rows;
  alignas(64) int32_t products[delay + 1][R][panel_rows];
  alignas(64) uint8_t unpacked[W::loads == 4 ? most * block_bytes : 1];
  const int64_t together = group / x_block_size, group_bytes = header + together * stored;
  const auto stride = static_cast<size_t>(x_ld) * sizeof(x_block);
  vec s[R];
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) s[r] = load(sums + r * sums_ld);
  for (int64_t blocks = n / x_block_size, now; blocks > 0; blocks -= now, x += now, w += now / together * group_bytes) {
    now = std::min(blocks, most);
    const uint8_t *scale_of[most], *values[most];  // of each block
    for (int64_t b = 0; b < now; ++b) {
      scale_of[b] = reinterpret_cast<const uint8_t*>(w) + b / together * group_bytes;
      values[b] = scale_of[b] + header + b % together * stored;
    }
    if constexpr (W::loads == 4)
      for (int64_t i = 0; i < now * 4; ++i) {
        const ivec bytes = load_bytes(values[i / 4] + i % 4 * 64);
        uint8_t* out = unpacked + i / 4 * block_bytes + i % 4 * 64;
        _mm512_store_si512(out, (bytes & splat(0x0f0f0f0f)).v);
        _mm512_store_si512(out + 4 * 64, (shift_right(bytes, 4) & splat(0x0f0f0f0f)).v);
      }
    for (int64_t b = 0; b < now + delay; ++b) {
      if (b < now) {
        const uint8_t* from = W::loads == 4 ? unpacked + b * block_bytes : values[b];
        for (int i = 0; i < W::loads; ++i)
          _mm_prefetch(reinterpret_cast<const char*>(values[b]) + 1024 + 64 * i, _MM_HINT_T0);
        __asm__ volatile("" ::: "memory");  // see amx_tile
        _tile_zero(0);
        _tile_loadd(4, x + b, stride);
        _tile_loadd(6, from, 64);
        _tile_dpbsud(0, 4, 6);
        _tile_stored(0, products[b % (delay + 1)], 64);
      }
      const int64_t done = b - delay;
      if (done < 0) continue;
      const vec scales = load(reinterpret_cast<const f16*>(scale_of[done]));
      ivec zeros{};
      if constexpr (W::zeros) zeros = widen_bytes(scale_of[done] + 32);
#pragma GCC unroll 16
      for (int r = 0; r < R; ++r) {
        const x_block& block = x[r * x_ld + done];
        ivec start = splat(block.start);
        if constexpr (W::zeros) start = start * zeros;
        const ivec q{_mm512_add_epi32(_mm512_load_si512(products[done % (delay + 1)][r]), start.v)};
        s[r] = fma(to_float(q) * splat(block.scale), scales, s[r]);
      }
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) store(sums + r * sums_ld, s[r]);
}
#endif

}  // namespace ingrain::INGRAIN_ISA
