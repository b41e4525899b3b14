// Items that the blocks of a kernel take in ascending order, and the number of steps that each item has completed. A
// block may wait for an item that was taken before its own item. The block of that item already runs, so blocks never
// wait for each other in a circle, whatever their number on the device is.
#pragma once
#include <cuda_runtime.h>

// words: (1 + items), all 0 before the kernel starts: the number of taken items, then the completed steps of each item.
struct BlockOrder {
  unsigned* words;

  // Returns the next item. One thread of a block calls this function.
  __device__ __forceinline__ int take() const { return static_cast<int>(atomicAdd(words, 1u)); }
  // Waits until an item has completed `steps` steps. One thread calls this function. After the next barrier, all
  // threads of the block see what the item's block wrote in these steps, if they read it with __ldcg.
  __device__ __forceinline__ void wait(int item, unsigned steps) const {
#ifdef INGRAIN_SIMT
    while (atomicAdd(words + 1 + item, 0u) < steps) __nanosleep(20);
#else
    unsigned completed;
    do asm volatile("ld.acquire.gpu.global.u32 %0, [%1];" : "=r"(completed) : "l"(words + 1 + item) : "memory");
    while (completed < steps);
#endif
  }
  // Announces that the item has completed `steps` steps. One thread calls this function, after a barrier that follows
  // the last write of these steps.
  __device__ __forceinline__ void complete(int item, unsigned steps) const {
#ifdef INGRAIN_SIMT
    atomicExch(words + 1 + item, steps);
#else
    asm volatile("st.release.gpu.global.u32 [%0], %1;" ::"l"(words + 1 + item), "r"(steps) : "memory");
#endif
  }
};
