// One row of RMSNorm, forward and backward, shared by rms_norm.cc and qk_norm.cc.
#pragma once
#include "strips.h"

#include <cmath>

namespace ingrain::INGRAIN_ISA {

// y (D) = x·rstd·w. y may be x. rstd may be null.
template <class E>
inline void norm_row(E* y, float* rstd, const E* x, const E* w, int64_t D, float eps) {
  const float squares = sum_strips(D, [&](int64_t i, auto n, vec a) {
    const vec v = load(x + i, n);
    return fma(v, v, a);
  });
  const float r = 1.0f / std::sqrt(squares / static_cast<float>(D) + eps);
  if (rstd) *rstd = r;
  strips(D, [&](int64_t i, auto n) { store(y + i, load(x + i, n) * splat(r) * load(w + i, n), n); });
}

// dx (D) = dresidual + the gradient of x. dx may be dy or dresidual; dresidual may be null.
template <class E>
inline void norm_row_backward(E* dx, const E* dy, const E* dresidual, const E* x, const E* w, float rstd, int64_t D) {
  const vec r = splat(rstd);
  const float dot = sum_strips(D, [&](int64_t i, auto n, vec a) {
    return fma(load(w + i, n) * load(dy + i, n), load(x + i, n) * r, a);
  });
  const vec mean = splat(dot / static_cast<float>(D));
  strips(D, [&](int64_t i, auto n) {
    const vec normed = load(x + i, n) * r;
    const vec d = r * (load(w + i, n) * load(dy + i, n) - normed * mean);
    store(dx + i, dresidual ? d + load(dresidual + i, n) : d, n);
  });
}

}  // namespace ingrain::INGRAIN_ISA
