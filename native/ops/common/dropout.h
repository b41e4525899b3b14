// The dropout mask. Element e uses word e mod 4 of the Philox4x32-10 block with counter e div 4. The element is kept,
// and scaled by 1 / (1 − dropout), if this word is at least dropout·2³². Forward and backward derive the same mask from
// the same seed. A matrix may be a band, that is, a range of adjacent columns of a larger matrix (the whole matrix).
// The mask of a band is the same range of columns of the whole matrix's mask.
#pragma once
#include "simd.h"

#include <algorithm>

namespace ingrain::INGRAIN_ISA {

class Dropout {
 public:
  // The position of a band: it consists of columns [column, column + ld) of a whole matrix with `columns` columns.
  struct Band { int64_t ld, column, columns; };

  Dropout(float dropout, int64_t seed, Band band = Band{0, 0, 0})
      : on_(dropout > 0.0f),
        threshold_(static_cast<uint32_t>(std::min(static_cast<double>(dropout) * 0x1p32, 0x1p32 - 1.0))),
        scale_(dropout < 1.0f ? 1.0f / (1.0f - dropout) : 0.0f), seed_(seed), band_(band) {}

  bool off() const { return !on_; }

  // Multiplies x[i] by the mask's factor for element `first + i` of the matrix. All n elements must be in one row.
  void apply(float* x, int64_t first, int64_t n) const {
    if (off()) return;
    if (band_.ld != band_.columns) first += first / band_.ld * (band_.columns - band_.ld) + band_.column;
    for (int64_t i = -(first & 3); i < n; i += lanes) {
      const Factors f = factors(static_cast<uint64_t>(first + i) >> 2);
      if (i >= 0 && i + lanes <= n) {
        _mm256_storeu_ps(x + i, _mm256_mul_ps(_mm256_loadu_ps(x + i), f.lo));
        _mm256_storeu_ps(x + i + 8, _mm256_mul_ps(_mm256_loadu_ps(x + i + 8), f.hi));
        continue;
      }
      float factor[lanes];
      _mm256_storeu_ps(factor, f.lo);
      _mm256_storeu_ps(factor + 8, f.hi);
      const int64_t begin = i < 0 ? -i : 0, end = n - i < lanes ? n - i : lanes;
      for (int64_t j = begin; j < end; ++j) x[i + j] *= factor[j];
    }
  }

 private:
  struct Factors { __m256 lo, hi; };

  __m256 factor(__m256i words) const {
    const __m256i kept =
        _mm256_cmpeq_epi32(_mm256_max_epu32(words, _mm256_set1_epi32(static_cast<int>(threshold_))), words);
    return _mm256_and_ps(_mm256_castsi256_ps(kept), _mm256_set1_ps(scale_));
  }

  // Returns the factors for the sixteen words of four Philox blocks. Computes philox() of philox.h for the four blocks
  // at once, one block per 64-bit lane.
  Factors factors(uint64_t block) const {
    const __m256i counter =
        _mm256_add_epi64(_mm256_set1_epi64x(static_cast<int64_t>(block)), _mm256_set_epi64x(3, 2, 1, 0));
    uint32_t k0 = static_cast<uint32_t>(seed_), k1 = static_cast<uint32_t>(static_cast<uint64_t>(seed_) >> 32);
    __m256i c0 = counter, c1 = _mm256_srli_epi64(counter, 32), c2 = _mm256_setzero_si256(), c3 = c2;
    for (int round = 0; round < 10; ++round) {
      const __m256i p0 = _mm256_mul_epu32(c0, _mm256_set1_epi64x(0xD2511F53)),
                    p1 = _mm256_mul_epu32(c2, _mm256_set1_epi64x(0xCD9E8D57));
      c0 = _mm256_xor_si256(_mm256_xor_si256(_mm256_srli_epi64(p1, 32), c1), _mm256_set1_epi64x(k0));
      c2 = _mm256_xor_si256(_mm256_xor_si256(_mm256_srli_epi64(p0, 32), c3), _mm256_set1_epi64x(k1));
      c1 = p1;  // the upper halves are never read
      c3 = p0;
      k0 += 0x9E3779B9;
      k1 += 0xBB67AE85;
    }
    const __m256i front = _mm256_blend_epi32(c0, _mm256_slli_epi64(c1, 32), 0xaa),
                  back = _mm256_blend_epi32(c2, _mm256_slli_epi64(c3, 32), 0xaa);
    // `even` contains blocks 0 and 2, `odd` contains blocks 1 and 3.
    const __m256i even = _mm256_unpacklo_epi64(front, back), odd = _mm256_unpackhi_epi64(front, back);
    return {factor(_mm256_permute2x128_si256(even, odd, 0x20)), factor(_mm256_permute2x128_si256(even, odd, 0x31))};
  }

  bool on_;
  uint32_t threshold_;
  float scale_;
  int64_t seed_;
  Band band_;
};

}  // namespace ingrain::INGRAIN_ISA
