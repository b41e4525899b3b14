// The dropout mask: element e is kept where word e mod 4 of the Philox4x32-10 block with counter e div 4 is at least
// dropout·2³², and is then scaled by 1 / (1 − dropout). Forward and backward make the same mask from the same seed. A
// band of columns has the elements that it has in the whole matrix.
#pragma once
#include "philox.h"

#include <algorithm>

struct Dropout {
  bool on = false;
  uint32_t threshold = 0;
  float scale = 1;
  int64_t seed = 0;
  int64_t first = 0;  // the element that e = 0 is
  int64_t ld = 0;     // of a band of columns, from `column` on, of a matrix `columns` wide; 0 for the whole
  int64_t column = 0, columns = 0;

  Dropout() = default;
  Dropout(float dropout, int64_t seed)
      : on(dropout > 0),
        threshold(static_cast<uint32_t>(std::min(static_cast<double>(dropout) * 0x1p32, 0x1p32 - 1.0))),
        scale(dropout < 1 ? 1 / (1 - dropout) : 0.0f), seed(seed) {}
  Dropout(float dropout, int64_t seed, int64_t ld, int64_t column, int64_t columns) : Dropout(dropout, seed) {
    if (ld != columns) this->ld = ld, this->column = column, this->columns = columns;
  }

  // The element of the whole matrix that element e of the band is.
  __device__ __forceinline__ int64_t whole(int64_t e) const {
    if (ld == 0) return e;
    const int64_t row = static_cast<uint64_t>(e) >> 32 ? e / ld : static_cast<uint32_t>(e) / static_cast<uint32_t>(ld);
    return e + row * (columns - ld) + column;
  }

  // Bit j: whether element e + j is kept. aligned: e is a multiple of 4 and so are first, column and columns, and all
  // N are of one row.
  template <int N, bool aligned> __device__ __forceinline__ unsigned kept(int64_t e) const {
    unsigned bits = 0;
    if constexpr (aligned) {
      const int64_t begin = whole(first + e);
#pragma unroll
      for (int j = 0; j < N; j += 4) {
        const philox_block block = philox(seed, (begin + j) >> 2);
#pragma unroll
        for (int i = 0; i < 4; ++i) bits |= (block.x[i] >= threshold ? 1u : 0u) << (j + i);
      }
    } else {
      for (int j = 0; j < N; ++j) {
        const int64_t element = whole(first + e + j);
        const philox_block block = philox(seed, element >> 2);
        const int i = static_cast<int>(element & 3);
        const uint32_t word = i == 0 ? block.x[0] : i == 1 ? block.x[1] : i == 2 ? block.x[2] : block.x[3];
        bits |= (word >= threshold ? 1u : 0u) << j;
      }
    }
    return bits;
  }
};
