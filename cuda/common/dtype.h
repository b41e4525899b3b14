// The element types of ingrain.h and their conversions. Every conversion rounds to nearest even.
#pragma once
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_fp8.h>

#include "launch.h"

using bf16 = __nv_bfloat16;
using f16 = __half;
using fp8 = __nv_fp8_e4m3;

__device__ __forceinline__ float to_float(float x) { return x; }
__device__ __forceinline__ float to_float(bf16 x) { return __bfloat162float(x); }
__device__ __forceinline__ float to_float(f16 x) { return __half2float(x); }
__device__ __forceinline__ float to_float(fp8 x) { return static_cast<float>(x); }

template <class T> __device__ __forceinline__ T from_float(float x);
template <> __device__ __forceinline__ float from_float<float>(float x) { return x; }
template <> __device__ __forceinline__ bf16 from_float<bf16>(float x) { return __float2bfloat16_rn(x); }
template <> __device__ __forceinline__ f16 from_float<f16>(float x) { return __float2half_rn(x); }
template <> __device__ __forceinline__ fp8 from_float<fp8>(float x) { return fp8(x); }  // saturates at ±448

// Runs body.template operator()<T>() with T = float or bf16, according to `dtype`.
template <class Body> ingrain_status with_dtype(ingrain_context* ctx, int32_t dtype, const Body& body) {
  if (dtype == INGRAIN_F32) return body.template operator()<float>();
  if (dtype == INGRAIN_BF16) return body.template operator()<bf16>();
  return refuse(ctx, INGRAIN_UNSUPPORTED, "dtype %d: expected %d (F32) or %d (BF16)", dtype, INGRAIN_F32, INGRAIN_BF16);
}

// N elements that are loaded or stored by one access.
template <class T, int N> struct alignas(N * sizeof(T)) Vec {
  T v[N];
};
// Returns word i of x, with words of type W.
template <class W, class V> __device__ __forceinline__ W word(const V& x, size_t i) {
  W w;
  memcpy(&w, reinterpret_cast<const char*>(&x) + i * sizeof(W), sizeof w);
  return w;
}
template <int N, class T> __device__ __forceinline__ Vec<T, N> load(const T* p) {
  return *reinterpret_cast<const Vec<T, N>*>(p);
}
// Stores x to global memory, with one access per word of up to 16 bytes. In some kernels, the compiler would turn the
// assignment of a Vec into one store per element.
template <class T, int N> __device__ __forceinline__ void store(T* p, const Vec<T, N>& x) {
  if constexpr (sizeof(x) % 16 == 0) {
#pragma unroll
    for (size_t i = 0; i < sizeof(x) / 16; ++i) __stwb(reinterpret_cast<uint4*>(p) + i, word<uint4>(x, i));
  } else if constexpr (sizeof(x) == 8) {
    __stwb(reinterpret_cast<uint2*>(p), word<uint2>(x, 0));
  } else {
    *reinterpret_cast<Vec<T, N>*>(p) = x;
  }
}

// Stores x to shared memory.
template <class T, int N> __device__ __forceinline__ void store_shared(T* p, const Vec<T, N>& x) {
  *reinterpret_cast<Vec<T, N>*>(p) = x;
}

// Number of elements of T in the widest access, which has 16 bytes.
template <class T> constexpr int vec_width = 16 / sizeof(T);

// Returns whether rows of `columns` elements of T at these pointers can be read 16 bytes at a time. Null pointers are
// ignored.
template <class T, class... P> bool fits_vectors(int64_t columns, const P*... pointers) {
  return columns % vec_width<T> == 0 && (... && (reinterpret_cast<uintptr_t>(pointers) % 16 == 0));
}

// Runs body.template operator()<N>(), where N is the number of elements per access. An access has 16 bytes if the
// pointers and the number of columns allow this. Otherwise an access has one element.
template <class T, class Body, class... P>
ingrain_status with_width(int64_t columns, const Body& body, const P*... pointers) {
  return fits_vectors<T>(columns, pointers...) ? body.template operator()<vec_width<T>>()
                                               : body.template operator()<1>();
}
