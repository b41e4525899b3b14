// A barrier between kernels of several ranks. It uses flags in memory that all ranks can access.
#pragma once
#include "communicator.h"

#include <type_traits>

namespace {

using ingrain::max_ranks, ingrain::PeerTable, ingrain::region_bytes;

constexpr uint64_t patience = 60'000'000'000;  // nanoseconds until a rank stops waiting for another

// Words that other devices or the host change while a kernel polls them.
__device__ __forceinline__ uint32_t load_acquire(const uint32_t* p) {
#ifdef INGRAIN_SIMT
  return __atomic_load_n(p, __ATOMIC_ACQUIRE);
#else
  uint32_t x;
  asm volatile("ld.acquire.sys.global.u32 %0, [%1];" : "=r"(x) : "l"(p) : "memory");
  return x;
#endif
}
__device__ __forceinline__ void store_release(uint32_t* p, uint32_t x) {
#ifdef INGRAIN_SIMT
  __atomic_store_n(p, x, __ATOMIC_RELEASE);
#else
  asm volatile("st.release.sys.global.u32 [%0], %1;" ::"l"(p), "r"(x) : "memory");
#endif
}

// A clock in nanoseconds that all multiprocessors share.
__device__ __forceinline__ uint64_t now() {
#ifdef INGRAIN_SIMT
  return simt::nanoseconds();
#else
  uint64_t ns;
  asm volatile("mov.u64 %0, %globaltimer;" : "=l"(ns));
  return ns;
#endif
}

// Loads from L2 or from another device and bypasses this SM's L1, which may hold the data of an earlier round.
template <class T> __device__ __forceinline__ T load_shown(const T* p) {
  using Bits = std::conditional_t<sizeof(T) == 16, uint4, std::conditional_t<sizeof(T) == 4, unsigned, unsigned char>>;
  static_assert(sizeof(Bits) == sizeof(T));
  const Bits bits = __ldcg(reinterpret_cast<const Bits*>(p));
  T x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

__device__ __forceinline__ char* region_of(const PeerTable& table, int rank, uint32_t round) {
  return table.staging[rank] + (blockIdx.x * 2 + round % 2) * region_bytes;
}

// Signals to every rank that this block has staged its round, and waits for their signals. Returns false where the
// communicator was destroyed or a rank timed out; then all ranks stop waiting.
__device__ bool barrier(const PeerTable& table, uint32_t round) {
  __threadfence_system();
  __syncthreads();
  bool arrived = true;
  const int peer = static_cast<int>(threadIdx.x);
  if (peer < table.ranks && peer != table.rank) {
    store_release(table.flags[peer] + blockIdx.x * max_ranks + table.rank, round);
    const uint32_t* flag = table.flags[table.rank] + blockIdx.x * max_ranks + peer;
    const uint64_t begin = now();
    for (unsigned spins = 1; arrived && static_cast<int32_t>(load_acquire(flag) - round) < 0; ++spins) {
      if (spins > 64) __nanosleep(40);
      if (spins % 256 == 0) arrived = !load_acquire(table.ended) && now() - begin < patience;
    }
    if (!arrived) store_release(table.missed, 1), store_release(table.ended, 1);
  }
  return __syncthreads_and(arrived);
}

}  // namespace
