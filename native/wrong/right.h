// The library that is right, and the ways to be wrong. Ops here compute in host memory, as the CPU backend does.
#pragma once
#include "ingrain.h"

#include <bit>
#include <cmath>
#include <type_traits>

namespace wrong {

void* find(const char* symbol);  // in the libingrain_cpu.so beside this library, or null

// The right function of that name, or one that says INGRAIN_UNSUPPORTED.
template <class R, class... A>
auto right(const char* symbol, R (*)(A...)) {
  using Function = R (*)(A...);
  const auto found = reinterpret_cast<Function>(find(symbol));
  return found ? found : Function{[](A...) -> R {
    if constexpr (std::is_same_v<R, ingrain_status>) return INGRAIN_UNSUPPORTED;
    else return R{};
  }};
}
#define RIGHT(name) wrong::right("ingrain_" #name, &ingrain_##name)

// Defines an op, with its signature tag.
#define WRONG(op, parameters) \
  INGRAIN_EXPORT_OP(op)       \
  ingrain_status ingrain_##op parameters

inline float get(const void* p, int32_t dtype, int64_t i) {
  if (dtype == INGRAIN_F32) return static_cast<const float*>(p)[i];
  return std::bit_cast<float>(uint32_t{static_cast<const uint16_t*>(p)[i]} << 16);
}
inline void set(void* p, int32_t dtype, int64_t i, float x) {
  if (dtype == INGRAIN_F32) static_cast<float*>(p)[i] = x;
  else static_cast<uint16_t*>(p)[i] = static_cast<uint16_t>(std::bit_cast<uint32_t>(x) >> 16);
}

// Element i becomes a number that no tolerance takes for the right one, whether that is large, small or zero. None
// where i < 0.
inline void spoil(void* p, int32_t dtype, int64_t i) {
  if (p && i >= 0) set(p, dtype, i, 1.25f * get(p, dtype, i) + std::copysign(0.25f, get(p, dtype, i)));
}
// A gradient loses what it held, so that the right op sets where it is to add.
inline void forget(float* gradient, int64_t n) {
  for (int64_t i = 0; gradient && i < n; ++i) gradient[i] = 0.0f;
}

}  // namespace wrong
