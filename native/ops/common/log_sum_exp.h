// The steps of log Σ exp(x) over a row of logits, shared by cross_entropy and top_tokens.
#pragma once
#include "strips.h"

#include <cfloat>
#include <cmath>

namespace ingrain::INGRAIN_ISA {

// Returns the greatest element of a row. NaNs are ignored.
inline float max_of(const float* x, int64_t V) {
  vec m = splat(-INFINITY);
  strips(V, [&](int64_t i, auto n) { m = max(load(x + i, n, -INFINITY), m); });
  return maximum(m);
}

// Returns Σ exp(x − shift) over a row, or NaN if an element is NaN. Blocks of 4096 terms are summed in f32, and the
// sums of the blocks are added in f64.
inline double sum_exp(const float* x, int64_t V, float shift) {
  constexpr int64_t block = 4096;
  double total = 0.0;
  for (int64_t first = 0; first < V; first += block) {
    const float* row = x + first;
    total += sum_strips(V - first < block ? V - first : block, [&](int64_t i, auto n, vec a) {
      const vec d = load(row + i, n, -INFINITY) - splat(shift);
      return a + fma(splat(0.0f), max(splat(-FLT_MAX), d), exp(d));  // adds 0·d, so that a NaN stays NaN
    });
  }
  return total;
}

}  // namespace ingrain::INGRAIN_ISA
