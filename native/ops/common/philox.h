// Philox4x32-10 is a counter-based generator: 128 random bits are a function of (key, counter) only, so no draw depends
// on another draw. Source: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3". Known answers are in the
// file kat_vectors of Random123.
#pragma once
#include <cmath>
#include <cstdint>

namespace ingrain::INGRAIN_ISA {

struct philox_block { uint32_t x[4]; };

// key: the low word of seed, then the high word. counter: four words, the lowest first.
inline philox_block philox(int64_t seed, uint32_t c0, uint32_t c1, uint32_t c2, uint32_t c3) {
  uint32_t k0 = static_cast<uint32_t>(seed), k1 = static_cast<uint32_t>(static_cast<uint64_t>(seed) >> 32);
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = uint64_t{0xD2511F53} * c0, p1 = uint64_t{0xCD9E8D57} * c2;
    c0 = static_cast<uint32_t>(p1 >> 32) ^ c1 ^ k0;
    c1 = static_cast<uint32_t>(p1);
    c2 = static_cast<uint32_t>(p0 >> 32) ^ c3 ^ k1;
    c3 = static_cast<uint32_t>(p0);
    k0 += 0x9E3779B9;
    k1 += 0xBB67AE85;
  }
  return {{c0, c1, c2, c3}};
}
inline philox_block philox(int64_t seed, int64_t counter) {
  return philox(seed, static_cast<uint32_t>(counter), static_cast<uint32_t>(static_cast<uint64_t>(counter) >> 32), 0,
                0);
}

// Returns (k + ½)·2⁻²³ for the upper 23 bits k of the word. The value is exact in f32 and strictly between 0 and 1.
inline float uniform(uint32_t word) { return (static_cast<float>(word >> 9) + 0.5f) * 0x1p-23f; }

// Returns a standard normal value from two words (Box & Muller 1958): √(−2 ln u₀)·cos 2πu₁, u = uniform(word).
inline float normal(uint32_t a, uint32_t b) {
  return std::sqrt(-2.0f * std::log(uniform(a))) * std::cos(6.28318530717958648f * uniform(b));
}

}  // namespace ingrain::INGRAIN_ISA
