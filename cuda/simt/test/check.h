// Prints one line per check; the result of main is the number of failed checks.
#pragma once
#include <cuda_runtime.h>

#include <cstdio>
#include <utility>
#include <vector>

inline int failures = 0;

inline void check(bool right, const char* what, const char* where = "") {
  printf("%s %s%s%s\n", right ? "ok    " : "FAILED", what, *where ? ", " : "", where);
  failures += !right;
}

// A stream on which the threads of a block run in ascending or descending order.
struct Stream {
  cudaStream_t stream = nullptr;
  explicit Stream(bool descending) {
    cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking);
    simt::set_descending(stream, descending);
  }
  Stream(Stream&& other) noexcept : stream(std::exchange(other.stream, nullptr)) {}
  ~Stream() {
    if (stream) cudaStreamDestroy(stream);
  }
  operator cudaStream_t() const { return stream; }
};

// Runs kernel(out, arguments...) on a grid, with threads in ascending or descending order, and returns out (n).
template <class T, class... P, class... A>
std::vector<T> run(bool descending, void (*kernel)(T*, P...), dim3 grid, dim3 block, size_t n, A... arguments) {
  Stream stream(descending);
  std::vector<T> out(n);
  void* device = nullptr;
  cudaMalloc(&device, n * sizeof(T));
  cudaMemsetAsync(device, 0, n * sizeof(T), stream);
  simt::launch(kernel, grid, block, 4096, stream, static_cast<T*>(device), arguments...);
  cudaMemcpyAsync(out.data(), device, n * sizeof(T), cudaMemcpyDeviceToHost, stream);
  if (cudaStreamSynchronize(stream) != cudaSuccess) out.clear();
  cudaFree(device);
  return out;
}

extern "C" void simt_configure(int64_t memory, int32_t shared);
extern "C" void simt_set_patience(int32_t milliseconds);

void check_runtime();
void check_warps();
void check_arithmetic();
void check_shared();
void check_order();
