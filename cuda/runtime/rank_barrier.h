// A barrier between kernels of several ranks, with flags in memory that all ranks can access.
#pragma once
#include "communicator.h"

#include <type_traits>

namespace {

using ingrain::max_ranks, ingrain::PeerTable, ingrain::Reason;

// Atomic access to words that other devices or the host change while a kernel polls them.
template <class T> __device__ __forceinline__ T load_acquire(const T* p) {
#ifdef INGRAIN_SIMT
  simt::require_access(p);
  return __atomic_load_n(p, __ATOMIC_ACQUIRE);
#else
  T x;
  if constexpr (sizeof(T) == 8) asm volatile("ld.acquire.sys.global.u64 %0, [%1];" : "=l"(x) : "l"(p) : "memory");
  else asm volatile("ld.acquire.sys.global.u32 %0, [%1];" : "=r"(x) : "l"(p) : "memory");
  return x;
#endif
}
template <class T> __device__ __forceinline__ void store_release(T* p, std::type_identity_t<T> x) {
#ifdef INGRAIN_SIMT
  simt::require_access(p);
  __atomic_store_n(p, x, __ATOMIC_RELEASE);
#else
  if constexpr (sizeof(T) == 8) asm volatile("st.release.sys.global.u64 [%0], %1;" ::"l"(p), "l"(x) : "memory");
  else asm volatile("st.release.sys.global.u32 [%0], %1;" ::"l"(p), "r"(x) : "memory");
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

__device__ __forceinline__ uint32_t round_of(uint64_t flag) { return static_cast<uint32_t>(flag >> 32); }
__device__ __forceinline__ uint32_t tag_of(uint64_t flag) { return static_cast<uint32_t>(flag); }

// Waits until the flag of another rank reaches the round. Returns Reason::late if this takes longer than the limit.
__device__ __forceinline__ Reason wait_for(const PeerTable& table, const uint64_t* flag, uint32_t round) {
  const uint64_t begin = now();
  for (unsigned polls = 1;; ++polls) {
    const uint64_t seen = load_acquire(flag);
    if (static_cast<int32_t>(round_of(seen) - round) >= 0) {
      if (tag_of(seen) == 0) return Reason::ended;
      return round_of(seen) == round && tag_of(seen) != table.tag ? Reason::different : Reason::none;
    }
    if (polls > 64) __nanosleep(40);
    if (polls % 256 != 0) continue;
    if (load_acquire(&table.words->ended)) return Reason::ended;
    if (now() - begin > load_acquire(&table.words->limit)) return Reason::late;
  }
}

// Writes the reason to this rank's report unless the report already has a reason, and makes all ranks stop waiting.
// Sets the tag of this rank's flags to 0. A rank that reads such a flag later does not read the memory of this rank,
// which may already be freed. Bit r of `peers` is set if rank r caused the failure.
__device__ __forceinline__ void give_up(const PeerTable& table, Reason reason, uint32_t peers, uint32_t round) {
  auto* const left = reinterpret_cast<uint32_t*>(&table.report->reason);
  if (load_acquire(left) == 0) {
    table.report->op = table.op;
    table.report->bytes = table.bytes;
    table.report->peers = peers;
    store_release(left, static_cast<uint32_t>(reason));
  }
  store_release(&table.words->ended, 1);
  for (int r = 0; r < table.ranks; ++r)
    if (r != table.rank)
      store_release(table.flags[r] + blockIdx.x * max_ranks + table.rank, static_cast<uint64_t>(round) << 32);
}

// Signals to every rank that this block has reached the round, and waits for the signals of all ranks. All writes that
// a rank made before the barrier are visible to the other ranks after the barrier. Returns false if the communicator
// was destroyed, or if a rank is late or made a different call; all ranks then stop waiting.
__device__ bool barrier(const PeerTable& table, uint32_t round) {
  static_assert(max_ranks <= 32, "each lane of the first warp waits for one rank");
  __threadfence_system();
  __syncthreads();
  Reason reason = Reason::none;
  if (threadIdx.x < 32) {
    const int peer = static_cast<int>(threadIdx.x);
    if (peer < table.ranks && peer != table.rank) {
      const uint64_t flag = static_cast<uint64_t>(round) << 32 | table.tag;
      store_release(table.flags[peer] + blockIdx.x * max_ranks + table.rank, flag);
      reason = wait_for(table, table.flags[table.rank] + blockIdx.x * max_ranks + peer, round);
    }
    const uint32_t late = __ballot_sync(~0u, reason == Reason::late);
    const uint32_t different = __ballot_sync(~0u, reason == Reason::different);
    if (__any_sync(~0u, reason != Reason::none) && threadIdx.x == 0)
      give_up(table, different ? Reason::different : late ? Reason::late : Reason::ended, different ? different : late,
              round);
  }
  return __syncthreads_and(reason == Reason::none);
}

}  // namespace
