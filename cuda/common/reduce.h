// Sums and maxima over a warp and over a block, in a fixed order: the same input gives the same bits.
#pragma once
#include <cuda_runtime.h>

struct Sum {
  static __device__ __forceinline__ float neutral() { return 0; }
  static __device__ __forceinline__ float join(float a, float b) { return a + b; }
};
struct Max {
  static __device__ __forceinline__ float neutral() { return -INFINITY; }
  static __device__ __forceinline__ float join(float a, float b) { return fmaxf(a, b); }
};

// Reduces over `lanes` adjacent lanes (a power of two). Every lane gets the result.
template <class Op, int lanes = 32> __device__ __forceinline__ float warp_reduce(float x) {
#pragma unroll
  for (int bits = lanes / 2; bits > 0; bits /= 2) x = Op::join(x, __shfl_xor_sync(0xffffffffu, x, bits));
  return x;
}

// Reduces over a one-dimensional block of whole warps. Every thread gets the result. scratch: 32 floats of shared
// memory, which may be reused after the caller's next barrier.
template <class Op> __device__ __forceinline__ float block_reduce(float x, float* scratch) {
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, warps = blockDim.x / 32;
  x = warp_reduce<Op>(x);
  if (lane == 0) scratch[warp] = x;
  __syncthreads();
  return warp_reduce<Op>(lane < warps ? scratch[lane] : Op::neutral());
}
