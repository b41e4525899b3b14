// Memory, streams, events and graphs of the emulated CUDA runtime. What is enqueued on a stream runs when somebody waits for the
// stream or for an event behind it, not before.
#include <cuda_runtime.h>

#include <sched.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <deque>
#include <mutex>
#include <unordered_map>
#include <utility>
#include <vector>

namespace simt {

bool run_blocks(bool descending, dim3 grid, dim3 size, size_t shared, const std::function<void()>& kernel);

using Work = std::function<void()>;

struct Graph { std::vector<Work> work; };

struct Stream {
  std::deque<Work> queue;
  Graph* capture = nullptr;
  bool descending = false;
  cudaError_t error = cudaSuccess;  // sticky, as a failed launch is

  void run_one() {
    Work work = std::move(queue.front());
    queue.pop_front();
    if (error == cudaSuccess) work();
  }
  void drain() {
    while (!queue.empty()) run_one();
  }
};

struct Event {
  Stream* stream = nullptr;
  uint64_t recorded = 0, reached = 0;
  std::chrono::steady_clock::time_point time;
};

namespace {

constexpr size_t queue_limit = 8192, host_alignment = 256;
thread_local cudaError_t last_error = cudaSuccess;

cudaError_t remember(cudaError_t error) {
  if (error != cudaSuccess) last_error = error;
  return error;
}

// Kernels' limits of dynamic shared memory. On hardware they are the device's, and a launch beyond one fails; static shared memory counts
// against all three numbers below. How much of it a kernel really has is not known here, so each has static_shared bytes.
constexpr int shared_optin = 227 << 10, shared_always = 48 << 10;
class SharedLimits {
 public:
  int of(const void* kernel) {
    std::lock_guard lock(mutex_);
    const auto found = limits_.find(kernel);
    return found == limits_.end() ? shared_always - static_shared : found->second;
  }
  void set(const void* kernel, int bytes) {
    std::lock_guard lock(mutex_);
    limits_[kernel] = bytes;
  }

 private:
  std::mutex mutex_;
  std::unordered_map<const void*, int> limits_;
};
SharedLimits& shared_limits() {
  static SharedLimits limits;
  return limits;
}

// Which host memory is pinned: other host memory is read when a copy is enqueued, as the real runtime stages it.
class Pinned {
 public:
  void add(void* pointer, size_t bytes) {
    std::lock_guard lock(mutex_);
    ranges_[pointer] = bytes;
  }
  void remove(void* pointer) {
    std::lock_guard lock(mutex_);
    ranges_.erase(pointer);
  }
  bool holds(const void* pointer) {
    std::lock_guard lock(mutex_);
    for (const auto& [begin, bytes] : ranges_)
      if (pointer >= begin && pointer < static_cast<const char*>(begin) + bytes) return true;
    return false;
  }

 private:
  std::mutex mutex_;
  std::unordered_map<void*, size_t> ranges_;
};
Pinned& pinned() {
  static Pinned pinned;
  return pinned;
}

cudaError_t allocate(void** pointer, size_t bytes) {
  const size_t rounded = (std::max<size_t>(bytes, 1) + host_alignment - 1) / host_alignment * host_alignment;
  if (bytes > static_cast<size_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<size_t>(sysconf(_SC_PAGESIZE))) return remember(cudaErrorMemoryAllocation);
  *pointer = aligned_alloc(host_alignment, rounded);
  if (!*pointer) return remember(cudaErrorMemoryAllocation);
  return cudaSuccess;
}

}  // namespace

cudaError_t enqueue(cudaStream_t stream, Work work) {
  if (stream->error != cudaSuccess) return remember(stream->error);
  if (stream->capture) {
    stream->capture->work.push_back(std::move(work));
    return cudaSuccess;
  }
  stream->queue.push_back(std::move(work));
  if (stream->queue.size() > queue_limit) stream->run_one();
  return cudaSuccess;
}

void run_grid(cudaStream_t stream, dim3 grid, dim3 block, size_t shared, const Work& kernel) {
  if (run_blocks(stream->descending, grid, block, shared, kernel)) return;
  stream->error = cudaErrorLaunchFailure;
}

cudaError_t get_attributes(cudaFuncAttributes* attributes, const void* kernel) {
  *attributes = {static_shared, shared_limits().of(kernel)};
  return cudaSuccess;
}

cudaError_t set_attribute(const void* kernel, cudaFuncAttribute, int value) {
  if (value < 0 || value > shared_optin - static_shared) return remember(cudaErrorInvalidValue);
  shared_limits().set(kernel, value);
  return cudaSuccess;
}

void set_descending(cudaStream_t stream, bool descending) { stream->descending = descending; }

}  // namespace simt

using simt::remember;

cudaError_t cudaGetDeviceCount(int* count) { return *count = 1, cudaSuccess; }
cudaError_t cudaSetDevice(int device) { return remember(device == 0 ? cudaSuccess : cudaErrorInvalidDevice); }
cudaError_t cudaGetDevice(int* device) { return *device = 0, cudaSuccess; }
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device) {
  cudaDeviceProp properties;
  if (cudaError_t error = cudaGetDeviceProperties(&properties, device)) return error;
  switch (attribute) {
    case cudaDevAttrMultiProcessorCount: *value = properties.multiProcessorCount; break;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin: *value = static_cast<int>(properties.sharedMemPerBlockOptin); break;
  }
  return cudaSuccess;
}
cudaError_t cudaRuntimeGetVersion(int* version) { return *version = 0, cudaSuccess; }
cudaError_t cudaDriverGetVersion(int* version) { return *version = 0, cudaSuccess; }
cudaError_t cudaDeviceCanAccessPeer(int* can, int, int) { return *can = 1, cudaSuccess; }
cudaError_t cudaDeviceEnablePeerAccess(int, unsigned) { return cudaSuccess; }
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  if (device != 0) return remember(cudaErrorInvalidDevice);
  *properties = {};
  snprintf(properties->name, sizeof properties->name, "emulated GPU");
  properties->totalGlobalMem = static_cast<size_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<size_t>(sysconf(_SC_PAGESIZE));
  properties->sharedMemPerBlockOptin = simt::shared_optin;
  properties->multiProcessorCount = 4;
  properties->major = 9;
  properties->l2CacheSize = 32 << 20;
  return cudaSuccess;
}
cudaError_t cudaGetLastError() { return std::exchange(simt::last_error, cudaSuccess); }
const char* cudaGetErrorString(cudaError_t error) {
  switch (error) {
    case cudaSuccess: return "no error";
    case cudaErrorInvalidValue: return "invalid argument";
    case cudaErrorMemoryAllocation: return "out of memory";
    case cudaErrorInvalidConfiguration: return "invalid configuration argument";
    case cudaErrorNoDevice: return "no device";
    case cudaErrorInvalidDevice: return "invalid device ordinal";
    case cudaErrorNotReady: return "device not ready";
    case cudaErrorPeerAccessAlreadyEnabled: return "peer access is already enabled";
    case cudaErrorLaunchFailure: return "a kernel's threads wait for each other at different barriers";
    case cudaErrorStreamCaptureUnsupported: return "operation not permitted when stream is capturing";
  }
  return "unknown error";
}

cudaError_t cudaMalloc(void** pointer, size_t bytes) {
  if (cudaError_t error = simt::allocate(pointer, bytes)) return error;
  memset(*pointer, 0xff, bytes);
  return cudaSuccess;
}
cudaError_t cudaFree(void* pointer) { return free(pointer), cudaSuccess; }
cudaError_t cudaMallocHost(void** pointer, size_t bytes) {
  if (cudaError_t error = simt::allocate(pointer, bytes)) return error;
  simt::pinned().add(*pointer, bytes);
  return cudaSuccess;
}
cudaError_t cudaFreeHost(void* pointer) {
  simt::pinned().remove(pointer);
  free(pointer);
  return cudaSuccess;
}
cudaError_t cudaMemGetInfo(size_t* free_bytes, size_t* total_bytes) {
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  *free_bytes = static_cast<size_t>(sysconf(_SC_AVPHYS_PAGES)) * page;
  *total_bytes = static_cast<size_t>(sysconf(_SC_PHYS_PAGES)) * page;
  return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void* destination, const void* source, size_t bytes, cudaMemcpyKind kind, cudaStream_t stream) {
  if (kind == cudaMemcpyHostToDevice && !stream->capture && !simt::pinned().holds(source)) {
    std::vector<char> staged(static_cast<const char*>(source), static_cast<const char*>(source) + bytes);
    return simt::enqueue(stream, [destination, staged = std::move(staged)] { memcpy(destination, staged.data(), staged.size()); });
  }
  const cudaError_t error = simt::enqueue(stream, [=] { memmove(destination, source, bytes); });
  if (kind == cudaMemcpyDeviceToHost && !stream->capture && !simt::pinned().holds(destination)) stream->drain();
  return error;
}
cudaError_t cudaMemsetAsync(void* pointer, int value, size_t bytes, cudaStream_t stream) {
  return simt::enqueue(stream, [=] { memset(pointer, value, bytes); });
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) { return *stream = new simt::Stream, cudaSuccess; }
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  stream->drain();
  delete stream;
  return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  if (stream->capture) return remember(cudaErrorStreamCaptureUnsupported);
  stream->drain();
  return remember(stream->error);
}
cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  if (stream->capture) return remember(cudaErrorStreamCaptureUnsupported);
  stream->capture = new simt::Graph;
  return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  if (!stream->capture) return remember(cudaErrorInvalidValue);
  *graph = std::exchange(stream->capture, nullptr);
  return cudaSuccess;
}
cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus* status) {
  *status = stream->capture ? cudaStreamCaptureStatusActive : cudaStreamCaptureStatusNone;
  return cudaSuccess;
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph, unsigned long long) {
  return *executable = new simt::Graph(*graph), cudaSuccess;
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream) {
  for (const simt::Work& work : executable->work)
    if (cudaError_t error = simt::enqueue(stream, work)) return error;
  return cudaSuccess;
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) { return delete graph, cudaSuccess; }
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) { return delete executable, cudaSuccess; }

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) { return *event = new simt::Event, cudaSuccess; }
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  if (event->stream && event->reached != event->recorded) event->stream->drain();
  delete event;
  return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  event->stream = stream;
  return simt::enqueue(stream, [event, number = ++event->recorded] {
    event->reached = number;
    event->time = std::chrono::steady_clock::now();
  });
}
cudaError_t cudaEventQuery(cudaEvent_t event) {
  if (event->reached != event->recorded && !event->stream->queue.empty()) event->stream->run_one();
  return event->reached == event->recorded ? cudaSuccess : cudaErrorNotReady;
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  while (event->reached != event->recorded && !event->stream->queue.empty()) event->stream->run_one();
  return event->stream ? remember(event->stream->error) : cudaSuccess;
}
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t start, cudaEvent_t end) {
  if (!start->recorded || !end->recorded) return remember(cudaErrorInvalidValue);
  if (start->reached != start->recorded || end->reached != end->recorded) return remember(cudaErrorNotReady);
  *milliseconds = std::chrono::duration<float, std::milli>(end->time - start->time).count();
  return cudaSuccess;
}

void __nanosleep(unsigned) { sched_yield(); }
