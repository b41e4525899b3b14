// The dropout mask. Element e uses word e mod 4 of the Philox4x32-10 block with counter e div 4. The element is kept if
// this word is at least dropout·2³², and is then scaled by 1 / (1 − dropout). Forward and backward derive the same mask
// from the same seed. A matrix may be a band, that is, a range of adjacent columns of a larger matrix (the whole
// matrix). The mask of a band is the same range of columns of the whole matrix's mask.
#pragma once
#include "philox.h"

#include <algorithm>

struct Dropout {
  bool on = false;
  uint32_t threshold = 0;
  float scale = 1;
  int64_t seed = 0;
  int64_t first = 0;  // index in the whole matrix of the first row's first element
  int64_t distance = 0;  // elements per row of the whole matrix

  Dropout() = default;
  // The mask of a band that begins at `column` of a whole matrix with `columns` columns.
  Dropout(float dropout, int64_t seed, int64_t column, int64_t columns)
      : on(dropout > 0),
        threshold(static_cast<uint32_t>(std::min(static_cast<double>(dropout) * 0x1p32, 0x1p32 - 1.0))),
        scale(dropout < 1 ? 1 / (1 - dropout) : 0.0f), seed(seed), first(column), distance(columns) {}

  void skip(int64_t rows) { first += rows * distance; }

  // Returns N bits: bit j is set if element inner + j of `row` is kept. If `aligned` is true, the caller guarantees
  // that first, distance and inner are multiples of 4.
  template <int N, bool aligned> __device__ __forceinline__ unsigned kept(int64_t row, int64_t inner) const {
    const int64_t e = first + row * distance + inner;
    unsigned bits = 0;
    if constexpr (aligned) {
#pragma unroll
      for (int j = 0; j < N; j += 4) {
        const philox_block block = philox(seed, (e + j) >> 2);
#pragma unroll
        for (int i = 0; i < 4; ++i) bits |= (block.x[i] >= threshold ? 1u : 0u) << (j + i);
      }
    } else {
      for (int j = 0; j < N; ++j) {
        const philox_block block = philox(seed, (e + j) >> 2);
        const int i = static_cast<int>((e + j) & 3);
        const uint32_t word = i == 0 ? block.x[0] : i == 1 ? block.x[1] : i == 2 ? block.x[2] : block.x[3];
        bits |= (word >= threshold ? 1u : 0u) << j;
      }
    }
    return bits;
  }
};
