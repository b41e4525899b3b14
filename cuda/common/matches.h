// Finds the positions of an index in a list, in ascending order. The callers add up rows in this order, so the order of
// summation is fixed and no atomics are needed.
#pragma once
#include <cuda_runtime.h>

#include <cstdint>

// Threads per block of a kernel that uses each_match.
constexpr int match_threads = 256;
constexpr int match_reach = 4;  // loads in flight per thread
constexpr int match_words = match_reach * match_threads / 32;

// Every thread of the block calls body(i) for each i in [begin, n) with list[i] == wanted, in ascending order. masks:
// match_words words of shared memory, which may be reused after the caller's next barrier.
template <class Body>
__device__ __forceinline__ void each_match(const int32_t* list, int64_t begin, int64_t n, int32_t wanted,
                                           unsigned* masks, const Body& body) {
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  for (int64_t first = begin; first < n; first += match_reach * match_threads) {
    bool any = false;
    unsigned found[match_reach];
#pragma unroll
    for (int r = 0; r < match_reach; ++r) {
      const int64_t i = first + r * match_threads + threadIdx.x;
      const bool match = i < n && list[i] == wanted;
      any |= match;
      found[r] = __ballot_sync(0xffffffffu, match);
    }
    if (!__syncthreads_or(any)) continue;
    if (lane == 0)
#pragma unroll
      for (int r = 0; r < match_reach; ++r) masks[r * (match_threads / 32) + warp] = found[r];
    __syncthreads();
    for (int word = 0; word < match_words; ++word)
      for (unsigned rest = masks[word]; rest; rest &= rest - 1)
        body(first + 32 * word + __ffs(static_cast<int>(rest)) - 1);
  }
}
