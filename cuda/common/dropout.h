// The dropout mask. Element e uses word e mod 4 of the Philox4x32-10 block with counter e div 4. It is kept where that
// word is at least dropout·2³², and a kept element is scaled by 1 / (1 − dropout). Forward and backward derive the
// same mask from the same seed.
#pragma once
#include "philox.h"

#include <algorithm>

struct Dropout {
  bool on = false;
  uint32_t threshold = 0;
  float scale = 1;
  int64_t seed = 0;
  int64_t first = 0;  // index in the whole tensor of the element that callers number e = 0

  Dropout() = default;
  Dropout(float dropout, int64_t seed)
      : on(dropout > 0),
        threshold(static_cast<uint32_t>(std::min(static_cast<double>(dropout) * 0x1p32, 0x1p32 - 1.0))),
        scale(dropout < 1 ? 1 / (1 - dropout) : 0.0f), seed(seed) {}

  // Bit j: whether element e + j is kept. aligned: e and first are multiples of 4.
  template <int N, bool aligned> __device__ __forceinline__ unsigned kept(int64_t e) const {
    unsigned bits = 0;
    if constexpr (aligned) {
#pragma unroll
      for (int j = 0; j < N; j += 4) {
        const philox_block block = philox(seed, (first + e + j) >> 2);
#pragma unroll
        for (int i = 0; i < 4; ++i) bits |= (block.x[i] >= threshold ? 1u : 0u) << (j + i);
      }
    } else {
      for (int j = 0; j < N; ++j) {
        const philox_block block = philox(seed, (first + e + j) >> 2);
        const int i = static_cast<int>((first + e + j) & 3);
        const uint32_t word = i == 0 ? block.x[0] : i == 1 ? block.x[1] : i == 2 ? block.x[2] : block.x[3];
        bits |= (word >= threshold ? 1u : 0u) << j;
      }
    }
    return bits;
  }
};
