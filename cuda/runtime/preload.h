// Loads kernels ahead of time. The driver loads a kernel at its first launch and may wait for all work on the device
// then. If that work is a collective that waits for this rank, both wait for ever.
#pragma once
#include <cuda_runtime.h>

namespace ingrain {

// Loads all kernels of this library on the current device.
cudaError_t preload_kernels();

}  // namespace ingrain
