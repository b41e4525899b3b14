// Philox4x32-10 is a counter-based generator: 128 random bits are a function of (key, counter) alone, so a draw depends
// on no other draw. native/ops/common/philox.h computes the same words.
// Source: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"
#pragma once
#include <cuda_runtime.h>

#include <cstdint>

struct philox_block { uint32_t x[4]; };

// Returns the 64-bit product. From plain C++ the compiler generates an additional instruction, which adds 0.
__device__ __forceinline__ uint64_t multiply_wide(uint32_t a, uint32_t b) {
#ifdef INGRAIN_SIMT
  return uint64_t{a} * b;
#else
  uint64_t product;
  asm("mul.wide.u32 %0, %1, %2;" : "=l"(product) : "r"(a), "r"(b));
  return product;
#endif
}

// The key is the low word of `seed`, then the high word. The counter has four words, the lowest first.
__device__ __forceinline__ philox_block philox(int64_t seed, uint32_t c0, uint32_t c1, uint32_t c2, uint32_t c3) {
  uint32_t k0 = static_cast<uint32_t>(seed), k1 = static_cast<uint32_t>(static_cast<uint64_t>(seed) >> 32);
#pragma unroll
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = multiply_wide(0xD2511F53, c0), p1 = multiply_wide(0xCD9E8D57, c2);
    c0 = static_cast<uint32_t>(p1 >> 32) ^ c1 ^ k0;
    c1 = static_cast<uint32_t>(p1);
    c2 = static_cast<uint32_t>(p0 >> 32) ^ c3 ^ k1;
    c3 = static_cast<uint32_t>(p0);
    k0 += 0x9E3779B9;
    k1 += 0xBB67AE85;
  }
  return {{c0, c1, c2, c3}};
}
__device__ __forceinline__ philox_block philox(int64_t seed, int64_t counter) {
  return philox(seed, static_cast<uint32_t>(counter), static_cast<uint32_t>(static_cast<uint64_t>(counter) >> 32), 0,
                0);
}

// Returns (k + ½)·2⁻²³ for the upper 23 bits k of the word. The value is exact in f32 and strictly between 0 and 1.
__device__ __forceinline__ float uniform(uint32_t word) { return (static_cast<float>(word >> 9) + 0.5f) * 0x1p-23f; }

// Returns a standard normal value from two words (Box & Muller 1958): √(−2 ln u₀)·cos 2πu₁, u = uniform(word).
__device__ __forceinline__ float normal(uint32_t a, uint32_t b) {
  return sqrtf(-2 * logf(uniform(a))) * cospif(2 * uniform(b));
}
