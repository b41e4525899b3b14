#include "preload.h"

#ifdef INGRAIN_SIMT

cudaError_t ingrain::preload_kernels() { return simt::load_all(); }

#else

#include <vector>

namespace {

// All kernels of this library. The list is filled while the dynamic loader runs the library's initialisers.
std::vector<const void*>& kernels() {
  static std::vector<const void*> all;
  return all;
}

}  // namespace

// The code that nvcc generates calls __cudaRegisterFunction for each kernel at load time. The linker option --wrap
// redirects these calls to the function below (CMakeLists.txt). This also covers template instances, so no list of
// kernels has to be maintained.
extern "C" void __real___cudaRegisterFunction(void** binary, const char* host, char* device, const char* name,
                                              int thread_limit, uint3* thread, uint3* block, dim3* block_size,
                                              dim3* grid_size, int* warp_size);
extern "C" void __wrap___cudaRegisterFunction(void** binary, const char* host, char* device, const char* name,
                                              int thread_limit, uint3* thread, uint3* block, dim3* block_size,
                                              dim3* grid_size, int* warp_size) {
  kernels().push_back(host);
  __real___cudaRegisterFunction(binary, host, device, name, thread_limit, thread, block, block_size, grid_size,
                                warp_size);
}

cudaError_t ingrain::preload_kernels() {
  cudaFuncAttributes unused{};
  for (const void* kernel : kernels())
    if (cudaError_t error = cudaFuncGetAttributes(&unused, kernel)) return error;
  return cudaSuccess;
}

#endif
