// Items that the blocks of a kernel take in ascending order, and the number of steps that each item has completed. A
// block may wait for an item that was taken before its own item. The block of that item already runs, so blocks never
// wait for each other in a circle, whatever their number on the device is.
#pragma once
#include <cuda_runtime.h>

// words: (1 + items), all 0 before the kernel starts: the number of taken items, then the completed steps of each item.
struct BlockOrder {
  static constexpr unsigned all = ~0u;  // more steps than any item has
  unsigned* words;

  // Returns the next item. One thread of a block calls this function.
  __device__ __forceinline__ int take() const { return static_cast<int>(atomicAdd(words, 1u)); }

  // Returns how many steps an item has completed. One thread calls this function. After the next barrier, all threads
  // of the block see what the item's block wrote in these steps, if they read it with __ldcg.
  __device__ __forceinline__ unsigned completed(int item) const {
#ifdef INGRAIN_SIMT
    return atomicAdd(words + 1 + item, 0u);
#else
    unsigned steps;
    asm volatile("ld.acquire.gpu.global.u32 %0, [%1];" : "=r"(steps) : "l"(words + 1 + item) : "memory");
    return steps;
#endif
  }
  // The same, but waits until the item has completed at least `steps` steps.
  __device__ __forceinline__ unsigned wait(int item, unsigned steps) const {
    unsigned now;
    while ((now = completed(item)) < steps) {
#ifdef INGRAIN_SIMT
      __nanosleep(20);
#endif
    }
    return now;
  }
  // Announces that this block's item has completed `steps` steps, or `all`. One thread calls this function, after a
  // barrier that follows the last write of these steps.
  __device__ __forceinline__ void complete(int item, unsigned steps) const {
#ifdef INGRAIN_SIMT
    atomicExch(words + 1 + item, steps);
#else
    asm volatile("st.release.gpu.global.u32 [%0], %1;" ::"l"(words + 1 + item), "r"(steps) : "memory");
#endif
  }
};
