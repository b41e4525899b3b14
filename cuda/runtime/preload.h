// Loads kernels before they are launched. Otherwise the driver loads a kernel at its first launch, and loading may wait
// for all work on the device. If this work is a collective that waits for this rank, neither the loading nor the
// collective ever ends.
#pragma once
#include <cuda_runtime.h>

namespace ingrain {

// Loads all kernels of this library on the current device.
cudaError_t preload_kernels();

}  // namespace ingrain
