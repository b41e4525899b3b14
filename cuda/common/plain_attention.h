// Attention without the tensor core, for f32 and for head sizes that the tensor core kernels do not support. One warp
// computes a query row. Keys are read in tiles of 32, which start at multiples of 32. For the scores each lane handles
// one key; for the weighted sum of the values each lane handles every 32nd column.
#pragma once
#include "kv_cache.h"
#include "reduce.h"

constexpr int plain_warps = 4;
constexpr int plain_columns = max_head_dim / 32;  // elements of a row per lane

// Returns Σ_e a[e]·b[e]; a is in shared memory.
template <class B> __device__ __forceinline__ float plain_dot(const float* a, const B* b, int E) {
  float sum = 0;
  for (int e = 0; e < E; ++e) sum = fmaf(a[e], to_float(b[e]), sum);
  return sum;
}

// One warp copies a row of E elements to shared memory, as f32.
template <class X> __device__ __forceinline__ void plain_copy(float* to, const X* from, int E) {
  for (int e = threadIdx.x % 32; e < E; e += 32) to[e] = to_float(from[e]);
  __syncwarp();
}

struct PlainRow {
  float m = -INFINITY, l = 0, o[plain_columns] = {};  // a lane has elements lane + 32·i of o

  // Adds keys [0, visible) and their values to the row's softmax. q (E) is in shared memory. key(j) and value(j) return
  // the addresses of key j and value j.
  template <class Key, class Value>
  __device__ void attend(const float* q, int visible, int E, float scale, const Key& key, const Value& value) {
    const int lane = threadIdx.x % 32;
    for (int first = 0; first < visible; first += 32) {
      const float s = first + lane < visible ? plain_dot(q, key(first + lane), E) * scale : -INFINITY;
      const float before = m;
      m = fmaxf(m, warp_reduce<Max>(s));
      const float factor = expf(before - m), p = expf(s - m);
      l = fmaf(l, factor, p);  // the sum over this lane's keys
#pragma unroll
      for (int i = 0; i < plain_columns; ++i) o[i] *= factor;
      for (int j = 0; j < min(32, visible - first); ++j) add(__shfl_sync(0xffffffffu, p, j), value(first + j), E);
    }
    l = warp_reduce<Sum>(l);
  }
  template <class V> __device__ __forceinline__ void add(float weight, const V* v, int E) {
#pragma unroll
    for (int i = 0; i < plain_columns; ++i) {
      const int e = threadIdx.x % 32 + 32 * i;
      if (e < E) o[i] = fmaf(weight, to_float(v[e]), o[i]);
    }
  }
  template <class X> __device__ __forceinline__ void store_scaled(X* y, float factor, int E) const {
#pragma unroll
    for (int i = 0; i < plain_columns; ++i) {
      const int e = threadIdx.x % 32 + 32 * i;
      if (e < E) y[e] = from_float<X>(o[i] * factor);
    }
  }
};
