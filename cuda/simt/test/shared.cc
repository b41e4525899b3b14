// Tests shared memory: the limits of a launch, and the fault when a store to global memory gets an address in shared
// memory.
#include "check.h"
#include "launch.h"

namespace {

__global__ void first_word(int* out) {
  int* shared = dynamic_shared<int>();
  shared[0] = 7;
  out[0] = shared[0];
}

__global__ void store_by_name(int* out, bool shared) { __stwb(shared ? dynamic_shared<int>() : out, 7); }

cudaError_t start(size_t shared) {
  Stream stream(false);
  void* out = nullptr;
  cudaMalloc(&out, sizeof(int));
  cudaError_t error = simt::launch(first_word, 1, 32, shared, stream, static_cast<int*>(out));
  if (error == cudaSuccess) error = cudaStreamSynchronize(stream);
  cudaFree(out);
  return error;
}

void limits() {
  constexpr size_t most = (227 << 10) - simt::static_shared;
  cudaFuncAttributes of{};
  check(start((48 << 10) - simt::static_shared) == cudaSuccess,
        "48 KB of shared memory, static part included, need no attribute");
  check(start(48 << 10) == cudaErrorInvalidValue, "48 KB in addition to a static part need the attribute");
  check(allow_shared(first_word, 48 << 10) == cudaSuccess && start(48 << 10) == cudaSuccess,
        "allow_shared sets the attribute");
  check(cudaFuncGetAttributes(&of, first_word) == cudaSuccess &&
            static_cast<size_t>(of.maxDynamicSharedSizeBytes) == most,
        "allow_shared allows all shared memory of the device");
  check(allow_shared(first_word, 40 << 10) == cudaSuccess && start(most) == cudaSuccess,
        "allow_shared for a smaller launch does not reduce the limit");
  check(start(most + 1) == cudaErrorInvalidValue && allow_shared(first_word, most + 1) == cudaSuccess &&
            start(most + 1) == cudaErrorInvalidValue,
        "a launch beyond the device's limit is refused");
  check(cudaFuncSetAttribute(first_word, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(most) + 1) ==
            cudaErrorInvalidValue,
        "an attribute beyond the device's limit is refused");
}

void address_spaces() {
  for (const bool shared : {false, true}) {
    Stream stream(false);
    void* out = nullptr;
    cudaMalloc(&out, sizeof(int));
    simt::launch(store_by_name, 1, 1, 64, stream, static_cast<int*>(out), shared);
    check((cudaStreamSynchronize(stream) == cudaSuccess) != shared, "an instruction for stores to global memory",
          shared ? "faults on shared memory" : "works on global memory");
    cudaFree(out);
  }
}

}  // namespace

void check_shared() {
  limits();
  address_spaces();
}

// Symbols that launch.h needs from a backend; no test here uses a context.
extern "C" {
ingrain_status ingrain_native_stream(ingrain_context*, void** stream) { return *stream = nullptr, INGRAIN_OK; }
ingrain_status ingrain_set_error(ingrain_context*, const char*) { return INGRAIN_OK; }
}
