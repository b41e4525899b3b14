// Quantizes a group of a row to INT8 or INT4 by the rules that ingrain.h states for ingrain_pack.
#pragma once
#include "quantized.h"

#include <cmath>

namespace ingrain::INGRAIN_ISA {

// Returns round(x), clamped to [low, high], or low if x is NaN.
inline int32_t rounded_within(float x, float low, float high) {
  const float r = __builtin_rintf(x);
  return static_cast<int32_t>(r > low ? (r < high ? r : high) : low);
}
inline f16 to_scale(float x) {
  constexpr float most = 65504;
  return from_float<f16>(x < most ? (x > -most ? x : -most) : most);
}

// Quantizes the n elements of w and writes them to `to`. n <= group.
inline void quantize_group(row_group& to, const quantized_format& format, const float* w, int64_t n) {
  float low = 0, high = 0;
  for (int64_t i = 0; i < n; ++i) low = w[i] < low ? w[i] : low;
  for (int64_t i = 0; i < n; ++i) high = w[i] > high ? w[i] : high;
  to = {};
  to.zero = format.usual_zero();
  float least = -127, most = 127, step = std::max(high, -low) / 127;
  if (format.dtype == INGRAIN_INT4) {
    least = -8, most = 7, step = high / -8;
    if (-low >= high) {
      step = low / -8;
      if (-low == high)
        for (int64_t i = 0; i < n; ++i)
          if (w[i] == low || w[i] == high) {
            step = w[i] / -8;
            break;
          }
    }
    if (format.zeros) step = (high - low) / 15;
  }
  to.scale = to_scale(step);
  const float scale = to_float(to.scale);
  if (format.zeros) {
    to.zero = scale > 0 ? static_cast<uint8_t>(rounded_within(-low / scale, 0, 15)) : 0;
    least = -static_cast<float>(to.zero), most = 15 + least;
  }
  for (int64_t i = 0; i < n; ++i)
    to.values[i] = static_cast<uint8_t>((scale == 0 ? 0 : rounded_within(w[i] / scale, least, most)) + to.zero);
}

}  // namespace ingrain::INGRAIN_ISA
