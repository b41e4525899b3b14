// The limits of the current device that decide how many blocks a kernel starts and how large its tiles are.
#pragma once
#include "launch.h"

struct DeviceLimits {
  static constexpr size_t reserved = 1024;  // bytes of shared memory that the driver adds to every block

  unsigned multiprocessors = 0;
  size_t shared_per_block = 0;  // bytes of dynamic shared memory of a block that has no static shared memory

  // A multiprocessor's shared memory holds exactly one block of the largest size and its reserved bytes.
  size_t shared_per_multiprocessor() const { return shared_per_block + reserved; }

  // Returns how many blocks with `shared` bytes of shared memory a multiprocessor can run at the same time, at most
  // `most`. For `most`, pass the second argument of the kernel's __launch_bounds__, because the registers suffice for
  // that number of blocks.
  unsigned blocks_per_multiprocessor(unsigned most, size_t shared) const {
    const size_t fit = shared_per_multiprocessor() / (shared + reserved);
    return fit < 1 ? 1 : fit < most ? static_cast<unsigned>(fit) : most;
  }
  unsigned resident(unsigned most, size_t shared) const {
    return multiprocessors * blocks_per_multiprocessor(most, shared);
  }
};

inline ingrain_status device_limits(ingrain_context* ctx, DeviceLimits* limits) {
  void* stream = nullptr;
  // ingrain_native_stream also makes the context's device current.
  if (ingrain_status status = ingrain_native_stream(ctx, &stream)) return status;
  int device = 0, multiprocessors = 0, shared = 0;
  cudaError_t error = cudaGetDevice(&device);
  if (error == cudaSuccess) error = cudaDeviceGetAttribute(&multiprocessors, cudaDevAttrMultiProcessorCount, device);
  if (error == cudaSuccess) error = cudaDeviceGetAttribute(&shared, cudaDevAttrMaxSharedMemoryPerBlockOptin, device);
  *limits = {static_cast<unsigned>(multiprocessors), static_cast<size_t>(shared)};
  return cuda_status(ctx, error, "device_limits");
}
