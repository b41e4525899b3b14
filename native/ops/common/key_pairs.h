// Queries, and the keys and values of a tile of 16 keys, as operands of bf16 products. See attention_bf16.h.
#pragma once
#include "attention.h"

#if defined(__AVX512BF16__)
namespace ingrain::INGRAIN_ISA {

// AMX multiplies 32 elements at once, so a query is padded with zeros.
constexpr int64_t query_width(int64_t E) { return (E + 31) / 32 * 32; }

// in has two rows of sixteen elements; the result has the pair of element i of both rows in its 32-bit lane i.
inline __m512i interleave(__m512i in) {
  alignas(64) static constexpr struct Indices {
    int16_t of[32];
    constexpr Indices() : of() {
      for (int i = 0; i < 32; ++i) of[i] = static_cast<int16_t>(i / 2 + i % 2 * 16);
    }
  } indices;
  return _mm512_permutexvar_epi16(_mm512_load_si512(indices.of), in);
}
inline __m512i two_rows(const bf16* first, const bf16* second) {
  return _mm512_inserti64x4(_mm512_castsi256_si512(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(first))),
                            _mm256_loadu_si256(reinterpret_cast<const __m256i*>(second)), 1);
}

// The keys and values of a tile of 16 keys as pairs. In k, a pair has two adjacent elements of one key. In v, a pair
// has the same element of the values of two adjacent keys. The values of keys from `count` on are set to zero.
struct KeyPairs {
  alignas(64) bf16 k[max_head_dim * lanes];  // (E / 2, 16, 2), padded with zeros to query_width elements
  alignas(64) bf16 v[lanes * max_head_dim];  // (width / 16, 8, 16, 2)
  bool finite;                               // whether all values are finite

  void read(const bf16* keys, const bf16* values, int64_t E, int64_t count) {
    static constexpr bf16 zeros[lanes] = {};
    int64_t e = 0;
    for (; e < E; e += 2) _mm512_store_si512(k + e * lanes, interleave(_mm512_loadu_si512(keys + e * lanes)));
    for (; e < query_width(E); e += 2) _mm512_store_si512(k + e * lanes, _mm512_setzero_si512());
    const int64_t width = padded(E);
    const __m512i exponent = _mm512_set1_epi16(0x7f80);
    __mmask32 special = 0;
    for (int64_t j = 0; j < lanes; j += 2)
      for (e = 0; e < width; e += lanes) {
        const auto row = [&](int64_t i) { return i < count ? values + i * width + e : zeros; };
        const __m512i pair = two_rows(row(j), row(j + 1));
        special |= _mm512_cmpeq_epi16_mask(_mm512_and_si512(pair, exponent), exponent);
        _mm512_store_si512(v + e * lanes + j * lanes, interleave(pair));
      }
    finite = special == 0;
  }
};

// The queries of the rows, stored in a.q as bf16 (count, query_width(E)). They fill at most half of a.q. So a load of a
// tile of 16 rows, beginning at any row, stays within a.q even if fewer than 16 rows are left.
inline bf16* bf16_queries(AttentionRows& a) { return reinterpret_cast<bf16*>(a.q); }

template <class X>
void add_bf16(AttentionRows& a, const X* query, int64_t keys) {
  bf16* q = bf16_queries(a) + a.count * query_width(a.E);
  copy_row(q, query, a.E);
  std::fill(q + a.E, q + query_width(a.E), bf16{0});
  a.open(keys);
}

}  // namespace ingrain::INGRAIN_ISA
#endif
