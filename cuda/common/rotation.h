// The rotation of rope.cu and rope_cache.cu.
#pragma once
#include "dtype.h"

// Rotates N pairs (low[j], high[j]). `cosine` points to the cosines of their angles in a row of the table, and `half`
// elements further are the sines. `direction` is -1 for the inverse rotation, otherwise 1.
template <class X, int N>
__device__ __forceinline__ void rotate(Vec<X, N>& low, Vec<X, N>& high, const float* cosine, int half,
                                       float direction) {
#pragma unroll
  for (int j = 0; j < N; ++j) {
    const float x = to_float(low.v[j]), y = to_float(high.v[j]), c = cosine[j], s = cosine[half + j] * direction;
    low.v[j] = from_float<X>(fmaf(x, c, -y * s));
    high.v[j] = from_float<X>(fmaf(y, c, x * s));
  }
}
