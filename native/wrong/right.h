// Access to the correct library, and functions that make a result wrong. They access results directly, because all
// memory is host memory, as in the CPU backend.
#pragma once
#include "ingrain.h"

#include <bit>
#include <cmath>
#include <type_traits>

namespace wrong {

void* find(const char* symbol);  // searches the libingrain_cpu.so beside this library; null if not found

// Returns the correct function named `symbol`, or a function that returns INGRAIN_UNSUPPORTED if there is none.
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

// Defines an op and exports its signature tag (see INGRAIN_EXPORT_OP in ingrain.h).
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

// Changes element i by more than any tolerance allows, even if the correct value is small or zero. Does nothing if p is
// null or i < 0.
inline void corrupt(void* p, int32_t dtype, int64_t i) {
  if (p && i >= 0) set(p, dtype, i, 1.25f * get(p, dtype, i) + std::copysign(0.25f, get(p, dtype, i)));
}
// Sets a gradient to zero. If the correct op then accumulates into it, the previous gradient is lost.
inline void clear(float* gradient, int64_t n) {
  for (int64_t i = 0; gradient && i < n; ++i) gradient[i] = 0.0f;
}

}  // namespace wrong
