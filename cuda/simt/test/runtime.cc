// Tests barriers in both thread orders, streams that run late, events and graphs.
#include "check.h"

namespace {

// Every thread reads the value that the next thread wrote.
__global__ void neighbour(int* out, bool barrier) {
  __shared__ int shared[64];
  const unsigned t = threadIdx.x;
  shared[t] = -1;
  __syncthreads();
  shared[t] = static_cast<int>(t);
  if (barrier) __syncthreads();
  out[t] = shared[(t + 1) % 64];
}

// Half of the block waits at a block barrier. The other half waits at a warp barrier at which not all lanes arrive.
__global__ void divergent(int* out) {
  if (threadIdx.x % 2) __syncthreads();
  else __syncwarp();
  __syncwarp();
  out[threadIdx.x] = 1;
}

// Threads that have exited do not block a barrier.
__global__ void leaving(int* out) {
  if (threadIdx.x >= 40) return;
  out[threadIdx.x] = __syncthreads_count(threadIdx.x % 2 == 0);
}

// The last block to finish adds up what all blocks have written.
__global__ void last_block(unsigned* out) {
  out[2 + blockIdx.x] = blockIdx.x;
  __threadfence();
  if (atomicInc(out, gridDim.x - 1) != gridDim.x - 1) return;
  for (unsigned b = 0; b < gridDim.x; ++b) out[1] += out[2 + b];
}

__global__ void increment(int* x) { ++*x; }

void barriers() {
  std::vector<int> expected(64);
  for (int t = 0; t < 64; ++t) expected[static_cast<size_t>(t)] = (t + 1) % 64;
  const auto ascending = run<int>(false, neighbour, 1, 64, 64, true),
             descending = run<int>(true, neighbour, 1, 64, 64, true);
  check(ascending == expected && descending == expected, "a barrier orders writes before reads");
  check(run<int>(false, neighbour, 1, 64, 64, false) != run<int>(true, neighbour, 1, 64, 64, false),
        "if a barrier is missing, the two orders give different results");
  for (const bool order : {false, true}) {
    const char* name = order ? "descending" : "ascending";
    check(run<int>(order, leaving, 1, 64, 40) == std::vector<int>(40, 20),
          "threads that have exited do not block a barrier", name);
    const auto joined = run<unsigned>(order, last_block, 9, 1, 11);
    check(joined[0] == 0 && joined[1] == 36, "the last block knows that it is the last, and resets the counter", name);

    Stream stream(order);
    void* x = nullptr;
    cudaMalloc(&x, 64 * sizeof(int));
    simt::launch(divergent, 1, 64, 0, stream, static_cast<int*>(x));
    const cudaError_t error = cudaStreamSynchronize(stream);
    check(error == cudaErrorLaunchFailure && strstr(cudaGetErrorString(error), "wait for each other"),
          "a divergent barrier is an error, not a hang", name);
    {
      Stream other(order);
      check(simt::launch(divergent, 1, 64, 0, stream, static_cast<int*>(x)) == cudaErrorLaunchFailure,
            "later launches return the same error", name);
      check(cudaMemsetAsync(x, 0, 4, other) == cudaErrorLaunchFailure,
            "the other streams of the device return the error, too", name);
    }
    cudaFree(x);
    cudaGetLastError();
  }
}

void streams() {
  Stream stream(false);
  void *device = nullptr, *pinned = nullptr;
  cudaMalloc(&device, sizeof(int));
  cudaMallocHost(&pinned, sizeof(int));
  int& seen = *static_cast<int*>(pinned);
  int pageable = 5;
  seen = -1;
  cudaMemcpyAsync(device, &pageable, sizeof(int), cudaMemcpyHostToDevice, stream);
  pageable = 100;  // the enqueued copy has not read `pageable` yet
  simt::launch(increment, 1, 1, 0, stream, static_cast<int*>(device));
  cudaEvent_t event = nullptr;
  cudaEventCreateWithFlags(&event, cudaEventDefault);
  cudaMemcpyAsync(pinned, device, sizeof(int), cudaMemcpyDeviceToHost, stream);
  cudaEventRecord(event, stream);
  simt::launch(increment, 1, 1, 0, stream, static_cast<int*>(device));
  cudaMemcpyAsync(pinned, device, sizeof(int), cudaMemcpyDeviceToHost, stream);
  check(seen == -1, "a host read before the wait gets the old value");
  cudaEventSynchronize(event);
  check(seen == 101, "waiting for an event runs only the work before the event; host memory is read late");
  cudaStreamSynchronize(stream);
  check(seen == 102, "waiting for a stream runs all its work");
  cudaMemcpyAsync(device, pinned, sizeof(int), cudaMemcpyHostToDevice, stream);
  seen = 30;
  cudaStreamSynchronize(stream);
  check(*static_cast<int*>(device) == 30, "pinned memory that is changed too early is detected");
  cudaEventDestroy(event);
  cudaFreeHost(pinned);
  cudaFree(device);
}

void graphs() {
  Stream stream(false);
  void* device = nullptr;
  cudaMalloc(&device, sizeof(int));
  int& x = *static_cast<int*>(device);
  cudaMemsetAsync(device, 0, sizeof(int), stream);
  cudaStreamSynchronize(stream);
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t executable = nullptr;
  cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal);
  simt::launch(increment, 1, 1, 0, stream, &x);
  simt::launch(increment, 1, 1, 0, stream, &x);
  cudaStreamEndCapture(stream, &graph);
  cudaGraphInstantiate(&executable, graph, 0);
  cudaGraphDestroy(graph);
  cudaStreamSynchronize(stream);
  check(x == 0, "a capture records work and does not run it");
  for (int i = 0; i < 3; ++i) cudaGraphLaunch(executable, stream);
  check(x == 0, "a graph's launch is enqueued");
  cudaStreamSynchronize(stream);
  check(x == 6, "every launch of a graph runs its work");
  cudaGraphExecDestroy(executable);
  cudaFree(device);
  cudaGetLastError();
}

// Calls that CUDA does not allow during a capture must fail and invalidate the capture.
void captures() {
  void* x = nullptr;
  cudaMalloc(&x, 64);
  for (int call = 0; call < 4; ++call) {
    Stream stream(false);
    cudaGraph_t graph = nullptr;
    cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal);
    void* made = nullptr;
    const cudaError_t error = call == 0   ? cudaMalloc(&made, 64)
                              : call == 1 ? cudaFree(x)
                              : call == 2 ? cudaMallocHost(&made, 64)
                                          : cudaStreamSynchronize(stream);
    const char* const name = call == 0   ? "cudaMalloc"
                             : call == 1 ? "cudaFree"
                             : call == 2 ? "cudaMallocHost"
                                         : "cudaStreamSynchronize";
    check(error == cudaErrorStreamCaptureUnsupported, "the call is refused in a capture", name);
    check(cudaStreamEndCapture(stream, &graph) == cudaErrorStreamCaptureInvalidated && !graph,
          "a refused call invalidates the capture", name);
    check(cudaMemsetAsync(x, 0, 4, stream) == cudaSuccess && cudaStreamSynchronize(stream) == cudaSuccess,
          "after the capture, the stream runs work again", name);
  }
  check(cudaFree(x) == cudaSuccess, "memory whose release was refused is still allocated");
  cudaGetLastError();
}

void several_devices() {
  int count = 0, device = -1;
  check(cudaGetDeviceCount(&count) == cudaSuccess && count == 8 && cudaSetDevice(8) == cudaErrorInvalidDevice,
        "there are eight devices");
  cudaSetDevice(1);
  check(cudaGetDevice(&device) == cudaSuccess && device == 1, "a thread has a current device");
  {
    Stream stream(false);
    void* x = nullptr;
    cudaEvent_t event = nullptr;
    cudaMalloc(&x, 64);
    cudaEventCreateWithFlags(&event, cudaEventDefault);
    cudaSetDevice(0);
    check(cudaMemsetAsync(x, 0, 4, stream) == cudaErrorInvalidResourceHandle &&
              cudaStreamSynchronize(stream) == cudaErrorInvalidResourceHandle &&
              simt::launch(increment, 1, 1, 0, stream, static_cast<int*>(x)) == cudaErrorInvalidResourceHandle,
          "a stream is refused while another device is current");
    check(cudaEventRecord(event, stream) == cudaErrorInvalidResourceHandle &&
              cudaEventQuery(event) == cudaErrorInvalidResourceHandle,
          "an event is refused while another device is current");
    check(cudaFree(x) == cudaErrorInvalidResourceHandle, "memory cannot be freed while another device is current");
    cudaSetDevice(1);
    check(cudaEventRecord(event, stream) == cudaSuccess && cudaEventSynchronize(event) == cudaSuccess &&
              cudaFree(x) == cudaSuccess,
          "an event and memory can be used while their own device is current");
    cudaEventDestroy(event);
  }
  cudaSetDevice(0);
  cudaGetLastError();
}

// Loaded kernels and graphs use device memory in addition to allocations.
void memory() {
  size_t before = 0, after = 0, total = 0;
  cudaSetDevice(7);
  {
    Stream stream(false);
    void* x = nullptr;
    simt_configure(4 << 20, 0);
    check(cudaMemGetInfo(&before, &total) == cudaSuccess && total == 4 << 20 && before == total,
          "a device has the configured memory");
    check(cudaMalloc(&x, 5 << 20) == cudaErrorMemoryAllocation && cudaMalloc(&x, 2 << 20) == cudaSuccess,
          "an allocation beyond the configured memory fails");
    simt::launch(increment, 1, 1, 0, stream, static_cast<int*>(x));
    cudaMemGetInfo(&after, &total);
    check(after == before - (3 << 20), "a kernel takes memory at its first launch");
    cudaGraph_t graph = nullptr;
    cudaGraphExec_t first = nullptr, second = nullptr;
    cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal);
    simt::launch(increment, 1, 1, 0, stream, static_cast<int*>(x));
    cudaStreamEndCapture(stream, &graph);
    check(cudaGraphInstantiate(&first, graph, 0) == cudaSuccess &&
              cudaGraphInstantiate(&second, graph, 0) == cudaErrorMemoryAllocation,
          "a graph takes memory, and is not created if too little is free");
    check(cudaGraphExecDestroy(first) == cudaSuccess && cudaGraphInstantiate(&second, graph, 0) == cudaSuccess,
          "a destroyed graph gives its memory back");
    cudaGraphExecDestroy(second);
    cudaGraphDestroy(graph);
    cudaFree(x);
  }
  simt_configure(static_cast<int64_t>(1) << 40, 0);
  cudaSetDevice(0);
  cudaGetLastError();
}

}  // namespace

void check_runtime() {
  barriers();
  streams();
  graphs();
  captures();
  several_devices();
  memory();
}
