// fp8 E4M3 with CUDA's names (arXiv:2209.05433): 4 exponent bits with bias 7, 3 bits of mantissa, no infinity, largest
// number 448.
#pragma once
#include "cuda_runtime.h"

struct __nv_fp8_e4m3 {
  uint8_t __x;
  __nv_fp8_e4m3() = default;
  // Rounds to nearest even and saturates at ±448. NaN stays NaN.
  explicit __nv_fp8_e4m3(float x) {
    const uint8_t sign = std::signbit(x) ? 0x80 : 0;
    const float size = fabsf(x);
    if (size != size) {
      __x = sign | 0x7f;
    } else if (size >= 448) {
      __x = sign | 0x7e;
    } else if (size < 0x1p-6f) {  // subnormal: steps of 2^-9
      __x = sign | static_cast<uint8_t>(nearbyintf(size * 0x1p9f));
    } else {
      const uint32_t bits = __builtin_bit_cast(uint32_t, size), rounded = bits + 0x7ffff + (bits >> 20 & 1);
      __x = sign | static_cast<uint8_t>((rounded >> 20) - (120 << 3));
    }
  }
  explicit operator float() const {
    const int exponent = __x >> 3 & 15, mantissa = __x & 7;
    if ((__x & 0x7f) == 0x7f) return NAN;
    const float size =
        exponent ? ldexpf(static_cast<float>(8 + mantissa), exponent - 10) : ldexpf(static_cast<float>(mantissa), -9);
    return __x & 0x80 ? -size : size;
  }
};
