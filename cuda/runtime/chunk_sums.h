// Sums of the ranks' partial sums in a fixed order: the ranks in ascending order, and the chunks of a rank in ascending
// order.
#pragma once
#include "rank_barrier.h"
#include "dtype.h"

namespace {

constexpr int rank_threads = 256;  // threads per block of a collective
constexpr int in_flight = 8;       // loads in flight per thread

// Loads from L2 or from another device. The load bypasses L1, which may hold the data of an earlier round.
template <class T> __device__ __forceinline__ T load_shown(const T* p) {
  using Bits = std::conditional_t<sizeof(T) == 16, uint4, std::conditional_t<sizeof(T) == 4, unsigned, unsigned char>>;
  static_assert(sizeof(Bits) == sizeof(T));
#ifdef INGRAIN_SIMT
  simt::require_access(p);
#endif
  const Bits bits = __ldcg(reinterpret_cast<const Bits*>(p));
  T x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

// Returns the sum of `parts` vectors, added in the order of k. `part(k)` loads vector k. Up to `in_flight` loads are
// outstanding at the same time.
template <int W, class Part> __device__ __forceinline__ Vec<float, W> sum_in_order(int parts, const Part& part) {
  Vec<float, W> total, next[in_flight];
  for (int k = 0; k < parts; k += in_flight) {
#pragma unroll
    for (int j = 0; j < in_flight; ++j)
      if (k + j < parts) next[j] = part(k + j);
#pragma unroll
    for (int j = 0; j < in_flight; ++j)
      if (k + j < parts)
#pragma unroll
        for (int i = 0; i < W; ++i) total.v[i] = k + j == 0 ? next[j].v[i] : total.v[i] + next[j].v[i];
  }
  return total;
}

template <class E, int W> __device__ __forceinline__ void put(E* y, const Vec<float, W>& x) {
  Vec<E, W> out;
#pragma unroll
  for (int i = 0; i < W; ++i) out.v[i] = from_float<E>(x.v[i]);
#ifdef INGRAIN_SIMT
  simt::require_access(y);
#endif
  store(y, out);
}

}  // namespace
