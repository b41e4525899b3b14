// Starts a kernel: launch(kernel, grid, block, shared, ctx, arguments...). `launch` gets the stream of `ctx` through
// ingrain.h, so a user's library can start its kernels in the same way. Never start a kernel with triple angle
// brackets.
#pragma once
#include <cuda_runtime.h>

#include "ingrain.h"

#include <cxxabi.h>

#include <cstdio>
#include <cstdlib>
#include <map>
#include <mutex>
#include <tuple>

// Turns the result of a CUDA call into a status, and sets the context's error text on failure.
inline ingrain_status cuda_status(ingrain_context* ctx, cudaError_t error, const char* what) {
  if (error == cudaSuccess) return INGRAIN_OK;
  char line[512];
  snprintf(line, sizeof line, "%s: %s", what, cudaGetErrorString(error));
  cudaGetLastError();
  ingrain_set_error(ctx, line);
  return error == cudaErrorMemoryAllocation ? INGRAIN_OUT_OF_MEMORY : INGRAIN_DEVICE_ERROR;
}

// Sets the context's error text to one line in printf format and returns `status`.
template <class... A>
ingrain_status refuse(ingrain_context* ctx, ingrain_status status, const char* format, A... arguments) {
  char line[512];
  snprintf(line, sizeof line, format, arguments...);
  ingrain_set_error(ctx, line);
  return status;
}

// Writes the largest number of bytes of dynamic shared memory that a block of this kernel can have on the current
// device. The first call also raises the kernel's limit to this number. The limit belongs to the kernel and the device,
// not to a context, and no later call lowers it. So after the first call, launches from other contexts and from
// captured graphs have the same limit. The results are cached, because each query takes a lock in the driver.
inline cudaError_t most_dynamic_shared(const void* kernel, size_t* bytes) {
  static std::mutex mutex;
  static std::map<std::tuple<const void*, int, int>, size_t> known;  // key: kernel, device, the device's limit
  int device = 0, limit = 0;
  cudaError_t error = cudaGetDevice(&device);
  if (error == cudaSuccess) error = cudaDeviceGetAttribute(&limit, cudaDevAttrMaxSharedMemoryPerBlockOptin, device);
  if (error != cudaSuccess) return error;
  {
    const std::lock_guard lock(mutex);
    const auto found = known.find({kernel, device, limit});
    if (found != known.end()) return *bytes = found->second, cudaSuccess;
  }
  // The mutex is not held here, because this could cause a deadlock: the query may load the kernel, and loading waits
  // for the device. A collective on the device may be waiting for another rank, whose thread may be waiting for the
  // mutex.
  cudaFuncAttributes of{};
  error = cudaFuncGetAttributes(&of, kernel);
  if (error != cudaSuccess) return error;
  const int wanted = limit - static_cast<int>(of.sharedSizeBytes);
  if (wanted > of.maxDynamicSharedSizeBytes)
    error = cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, wanted);
  if (error != cudaSuccess) return error;
  *bytes = static_cast<size_t>(wanted);
  const std::lock_guard lock(mutex);
  known[{kernel, device, limit}] = *bytes;
  return cudaSuccess;
}
template <class... P> cudaError_t most_dynamic_shared(void (*kernel)(P...), size_t* bytes) {
  return most_dynamic_shared(reinterpret_cast<const void*>(kernel), bytes);
}

// Allows `shared` bytes of dynamic shared memory for the kernel's blocks, if the device has them.
template <class... P> cudaError_t allow_shared(void (*kernel)(P...), size_t shared) {
  // If the limit is not raised, a block can have 48 KB minus the kernel's static shared memory. No kernel of this
  // library has more than 16 KB of static shared memory.
  constexpr size_t always_allowed = 32 << 10;
  size_t most = 0;
  return shared <= always_allowed ? cudaSuccess : most_dynamic_shared(kernel, &most);
}

// Adds a launch to the context's trace: kernel name, grid, block, dynamic shared memory.
inline void trace_launch(ingrain_context* ctx, const void* kernel, dim3 grid, dim3 block, size_t shared) {
  const char* mangled = nullptr;
  if (cudaFuncGetName(&mangled, kernel) != cudaSuccess) cudaGetLastError();
  int status = 0;
  char* const name = mangled ? abi::__cxa_demangle(mangled, nullptr, nullptr, &status) : nullptr;
  char line[2048];
  snprintf(line, sizeof line, "%.1900s grid %u,%u,%u block %u shared %zu",
           name      ? name
           : mangled ? mangled
                     : "a kernel without a name",
           grid.x, grid.y, grid.z, block.x, shared);
  free(name);
  ingrain_trace_add(ctx, line);
}

// Launches a kernel. The parameter `shared` is the number of bytes of dynamic shared memory; see dynamic_shared(). A
// launch with an empty grid does nothing.
template <class... P, class... A>
ingrain_status launch(void (*kernel)(P...), dim3 grid, dim3 block, size_t shared, ingrain_context* ctx,
                      A... arguments) {
  if (grid.x == 0 || grid.y == 0 || grid.z == 0) return INGRAIN_OK;
  void* native = nullptr;
  // The call of ingrain_native_stream also makes the context's device current.
  if (ingrain_status status = ingrain_native_stream(ctx, &native)) return status;
  const cudaStream_t stream = static_cast<cudaStream_t>(native);
  if (ingrain_status status = cuda_status(ctx, allow_shared(kernel, shared), "launch")) return status;
  if (ingrain_tracing(ctx)) trace_launch(ctx, reinterpret_cast<const void*>(kernel), grid, block, shared);
#ifdef INGRAIN_SIMT
  return cuda_status(ctx, simt::launch(kernel, grid, block, shared, stream, arguments...), "launch");
#else
  return [&](P... values) {
    void* pointers[] = {&values..., nullptr};
    return cuda_status(
        ctx, cudaLaunchKernel(reinterpret_cast<const void*>(kernel), grid, block, pointers, shared, stream), "launch");
  }(static_cast<P>(arguments)...);
#endif
}

inline unsigned blocks_for(int64_t items, int64_t per_block) {
  return static_cast<unsigned>((items + per_block - 1) / per_block);
}

#ifndef INGRAIN_SIMT
extern __shared__ __align__(1024) unsigned char ingrain_dynamic_shared[];
#endif
// Returns the block's dynamic shared memory, 1024-byte aligned.
template <class T> __device__ __forceinline__ T* dynamic_shared() {
#ifdef INGRAIN_SIMT
  return static_cast<T*>(simt::self().shared);
#else
  return reinterpret_cast<T*>(ingrain_dynamic_shared);
#endif
}
