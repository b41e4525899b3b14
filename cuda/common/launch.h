// How a kernel is started: launch(kernel, grid, block, shared, ctx, arguments...). Reads the stream from the context, so a kernel in
// another library starts the same way. Never <<< >>>: a C++ compiler reads these sources too.
#pragma once
#include <cuda_runtime.h>

#include "ingrain.h"

#include <cstdio>

// What the context gets to hear of a CUDA call: its status, and the text on failure.
inline ingrain_status cuda_status(ingrain_context* ctx, cudaError_t error, const char* what) {
  if (error == cudaSuccess) return INGRAIN_OK;
  char line[512];
  snprintf(line, sizeof line, "%s: %s", what, cudaGetErrorString(error));
  cudaGetLastError();
  ingrain_set_error(ctx, line);
  return error == cudaErrorMemoryAllocation ? INGRAIN_OUT_OF_MEMORY : INGRAIN_DEVICE_ERROR;
}

// A bad argument in one line, as printf formats it.
template <class... A> ingrain_status refuse(ingrain_context* ctx, ingrain_status status, const char* format, A... arguments) {
  char line[512];
  snprintf(line, sizeof line, format, arguments...);
  ingrain_set_error(ctx, line);
  return status;
}

// shared: bytes of dynamic shared memory, see dynamic_shared(). A launch of no blocks is no launch.
template <class... P, class... A>
ingrain_status launch(void (*kernel)(P...), dim3 grid, dim3 block, size_t shared, ingrain_context* ctx, A... arguments) {
  if (grid.x == 0 || grid.y == 0 || grid.z == 0) return INGRAIN_OK;
  void* native = nullptr;
  ingrain_native_stream(ctx, &native);
  const cudaStream_t stream = static_cast<cudaStream_t>(native);
#ifdef INGRAIN_SIMT
  return cuda_status(ctx, simt::launch(kernel, grid, block, shared, stream, arguments...), "launch");
#else
  if (shared > 48 << 10) {
    const cudaError_t error = cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(shared));
    if (error != cudaSuccess) return cuda_status(ctx, error, "launch");
  }
  return [&](P... values) {
    void* pointers[] = {&values..., nullptr};
    return cuda_status(ctx, cudaLaunchKernel(reinterpret_cast<const void*>(kernel), grid, block, pointers, shared, stream), "launch");
  }(static_cast<P>(arguments)...);
#endif
}

inline unsigned blocks_for(int64_t items, int64_t per_block) { return static_cast<unsigned>((items + per_block - 1) / per_block); }

#ifndef INGRAIN_SIMT
extern __shared__ __align__(1024) unsigned char ingrain_dynamic_shared[];
#endif
// The block's dynamic shared memory, 1024-byte aligned.
template <class T> __device__ __forceinline__ T* dynamic_shared() {
#ifdef INGRAIN_SIMT
  return static_cast<T*>(simt::self().shared);
#else
  return reinterpret_cast<T*>(ingrain_dynamic_shared);
#endif
}
