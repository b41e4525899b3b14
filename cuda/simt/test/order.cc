// Tests the order of work: blocks of a grid, streams that share a hardware queue, calls that wait for the device.
#include "check.h"

#include <thread>

namespace {

constexpr unsigned blocks = 24;

// Records the order in which blocks start and the order in which they execute an atomic operation. Checks that each
// block has its own shared memory.
__global__ void arrive(unsigned* out) {
  __shared__ unsigned own[32];
  unsigned* dynamic = reinterpret_cast<unsigned*>(simt::self().shared);
  const unsigned t = threadIdx.x;
  own[t] = dynamic[t] = blockIdx.x * 32 + t;
  if (t == 0) out[2 + out[1]++] = blockIdx.x;
  __syncthreads();
  if (t == 31) {
    const unsigned place = atomicAdd(out, 1u);
    const bool kept = own[7] == blockIdx.x * 32 + 7 && dynamic[8] == blockIdx.x * 32 + 8;
    out[2 + blocks + place] = kept ? blockIdx.x : ~0u;
  }
}

// flag (2): the kernel sets flag[1] when it starts, and then waits until flag[0] is set.
__global__ void wait_for(int* flag) {
  __atomic_store_n(flag + 1, 1, __ATOMIC_RELEASE);
  while (!__atomic_load_n(flag, __ATOMIC_ACQUIRE)) __nanosleep(100);
}
__global__ void set(int* flag) { __atomic_store_n(flag, 1, __ATOMIC_RELEASE); }
__global__ void increment(int* x) { ++*x; }

void block_order() {
  for (const bool descending : {false, true}) {
    const char* const name = descending ? "descending" : "ascending";
    const auto out = run<unsigned>(descending, arrive, blocks, 32, 2 + 2 * blocks);
    std::vector<unsigned> begun(out.begin() + 2, out.begin() + 2 + blocks),
        arrived(out.begin() + 2 + blocks, out.end()), sorted(blocks);
    for (unsigned i = 0; i < blocks; ++i) sorted[i] = descending ? blocks - 1 - i : i;
    check(begun == sorted, "blocks start in the stream's order", name);
    check(arrived != sorted, "blocks switch at atomic operations, so these run in another order", name);
    std::sort(arrived.begin(), arrived.end());
    std::sort(sorted.begin(), sorted.end());
    check(arrived == sorted, "each block runs once, with its own shared memory", name);
  }
}

// A device with flags in its memory, loaded kernels, and a short timeout.
struct Bench {
  int* flag = nullptr;
  Bench() {
    cudaSetDevice(5);
    simt_set_patience(200);
    void* memory = nullptr;
    cudaMalloc(&memory, 2 * sizeof(int));
    flag = static_cast<int*>(memory);
    Stream stream(false);
    for (void (*const kernel)(int*) : {set, wait_for, increment}) simt::launch(kernel, 1, 1, 0, stream, flag);
    cudaMemsetAsync(flag, 0, 2 * sizeof(int), stream);
    cudaStreamSynchronize(stream);
  }
  void await_kernel() const {
    while (!__atomic_load_n(flag + 1, __ATOMIC_ACQUIRE)) std::this_thread::yield();
  }
  ~Bench() {
    cudaFree(flag);
    simt_set_patience(10'000);
    cudaGetLastError();
    cudaSetDevice(0);
  }
};

// Waits for the two streams on two threads and returns the results of both waits.
std::pair<cudaError_t, cudaError_t> synchronize(const Bench& bench, cudaStream_t first, cudaStream_t second) {
  std::pair<cudaError_t, cudaError_t> result;
  std::thread other([&] {
    cudaSetDevice(5);
    result.first = cudaStreamSynchronize(first);
  });
  bench.await_kernel();
  result.second = cudaStreamSynchronize(second);
  other.join();
  return result;
}

void hardware_queues() {
  for (const size_t apart : {1, 7, 8}) {
    const Bench bench;
    std::vector<Stream> streams;
    streams.reserve(9);
    for (int i = 0; i < 9; ++i) streams.emplace_back(false);
    simt::launch(wait_for, 1, 1, 0, streams[0], bench.flag);
    simt::launch(set, 1, 1, 0, streams[apart], bench.flag);
    const auto [first, second] = synchronize(bench, streams[0], streams[apart]);
    if (apart < 8)
      check(first == cudaSuccess && second == cudaSuccess, "a kernel may wait for a kernel in another hardware queue");
    else
      check(first == cudaErrorLaunchTimeout && second == first,
            "a kernel must not wait for a later kernel in its own queue; there are eight queues");
  }
}

void waiting_calls() {
  for (const bool frees : {false, true}) {
    const Bench bench;
    void* memory = nullptr;
    if (frees) cudaMalloc(&memory, 64);
    Stream waits(false), sets(false);
    cudaError_t ended = cudaSuccess;
    std::thread other([&] {
      cudaSetDevice(5);
      simt::launch(wait_for, 1, 1, 0, waits, bench.flag);
      ended = cudaStreamSynchronize(waits);
    });
    bench.await_kernel();
    if (frees) cudaFree(memory);
    else cudaMalloc(&memory, 64);
    simt::launch(set, 1, 1, 0, sets, bench.flag);
    other.join();
    check(ended == cudaErrorLaunchTimeout, "the call waits for the kernels of other threads",
          frees ? "cudaFree" : "cudaMalloc");
    if (!frees) cudaFree(memory);
  }
  const Bench bench;
  Stream stream(false);
  void* memory = nullptr;
  simt::launch(increment, 1, 1, 0, stream, bench.flag);
  cudaMalloc(&memory, 64);
  check(*bench.flag == 0, "cudaMalloc does not run the caller's own work");
  cudaFree(memory);
  check(*bench.flag == 1, "cudaFree runs the caller's own work");
}

}  // namespace

void check_order() {
  block_order();
  hardware_queues();
  waiting_calls();
}
