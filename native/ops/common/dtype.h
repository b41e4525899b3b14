// Element types: bf16 as 16 bits, the conversion between bf16 and f32 (rounding to nearest even), and the dispatch by
// dtype.
#pragma once
#include "op.h"

#include <bit>
#include <cstdint>
#include <immintrin.h>

namespace ingrain::INGRAIN_ISA {

struct bf16 { uint16_t bits; };
struct f16 { uint16_t bits; };

inline float to_float(float x) { return x; }
inline float to_float(bf16 x) { return std::bit_cast<float>(static_cast<uint32_t>(x.bits) << 16); }
inline float to_float(f16 x) { return _cvtsh_ss(x.bits); }

inline bf16 to_bf16(float x) {
  const uint32_t u = std::bit_cast<uint32_t>(x);
  if ((u & 0x7fffffff) > 0x7f800000) return {static_cast<uint16_t>((u >> 16) | 0x40)};  // NaN stays NaN
  return {static_cast<uint16_t>((u + 0x7fff + ((u >> 16) & 1)) >> 16)};
}
template <class T> T from_float(float x);
template <> inline float from_float<float>(float x) { return x; }
template <> inline bf16 from_float<bf16>(float x) { return to_bf16(x); }
template <> inline f16 from_float<f16>(float x) { return {_cvtss_sh(x, _MM_FROUND_TO_NEAREST_INT)}; }

// with_dtype(ctx, dtype, [&]<class T>() { ... return INGRAIN_OK; }): T is float or bf16; any other dtype is refused.
template <class Body>
ingrain_status with_dtype(ingrain_context* ctx, int32_t dtype, const Body& body) {
  if (dtype == INGRAIN_F32) return body.template operator()<float>();
  if (dtype == INGRAIN_BF16) return body.template operator()<bf16>();
  return ctx->fail(INGRAIN_UNSUPPORTED, "dtype %d is not supported here: expected F32 (0) or BF16 (1)", dtype);
}

}  // namespace ingrain::INGRAIN_ISA
