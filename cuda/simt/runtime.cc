// Streams, copies, events and graphs of the emulated CUDA runtime. Work enqueued on a stream runs only when a call
// waits for the stream, for its device, for a later event, or for later work in the same hardware queue. If CUDA allows
// several behaviours, the emulator implements the behaviour that is worst for the caller. For example, it reads host
// memory late, and it refuses a stream or an event whose device is not current.
#include <sched.h>

#include <chrono>
#include <deque>
#include <thread>
#include <utility>
#include <vector>

#include "device.h"

namespace simt {

bool run_blocks(Watch& watch, bool descending, dim3 grid, dim3 size, size_t shared,
                const std::function<void()>& kernel);
bool is_pinned(const void* pointer);

using Work = std::function<void()>;

struct Graph {
  std::vector<Work> work;
  int device = 0;
  bool invalid = false;  // true if a call that CUDA does not allow was made during the capture
  bool charged = false;
};

struct Stream {
  struct Item { uint64_t ticket; Work work; };

  int device = 0;
  HardwareQueue* hardware = nullptr;
  std::mutex mutex;                   // guards `queue`
  // The thread that runs the front item holds this lock. Another thread may have enqueued the item.
  std::recursive_timed_mutex running;
  std::deque<Item> queue;
  std::thread::id owner;  // the thread that enqueued the last item
  Graph* capture = nullptr;
  bool descending = false;
  Watch watch;

  // Waits until no other thread runs an item of this stream, and locks `running`. The thread that runs the item may
  // itself wait for another thread. If the item is a kernel that still polls after a timeout, this function assumes
  // that the kernel waits for the caller, and lets the device fail.
  std::unique_lock<std::recursive_timed_mutex> enter() {
    std::unique_lock lock(running, std::defer_lock);
    for (uint64_t naps = watch.naps; !lock.try_lock_for(patience()); naps = watch.naps)
      if (watch.naps != naps) Device::at(device).fail(cudaErrorLaunchTimeout);
    return lock;
  }
  // Writes the ticket of the front item to `ticket`. Returns false if the queue is empty.
  bool front(uint64_t& ticket) {
    std::lock_guard lock(mutex);
    if (queue.empty()) return false;
    ticket = queue.front().ticket;
    return true;
  }
  void run_one() {
    uint64_t ticket = 0;
    if (!front(ticket)) return static_cast<void>(enter());
    hardware->run_before(ticket);
    run(ticket);
  }
  // Runs the item with this ticket, which must be the first of its hardware queue. If another thread is running the
  // item, this function waits for that thread instead.
  void run(uint64_t ticket) {
    const auto lock = enter();
    uint64_t now = 0;
    if (!front(now) || now != ticket) return;
    std::unique_lock queue_lock(mutex);
    const Item item = std::move(queue.front());
    queue.pop_front();
    queue_lock.unlock();
    if (Device::at(device).error() == cudaSuccess) item.work();
    hardware->finish(ticket);
  }
  bool idle() {
    uint64_t ticket = 0;
    const auto lock = enter();
    return !front(ticket);
  }
  void drain() {
    while (!idle()) run_one();
  }
};

struct Event {
  int device = 0;
  Stream* stream = nullptr;
  uint64_t recorded = 0, reached = 0;
  std::chrono::steady_clock::time_point time;
};

namespace {

constexpr size_t queue_limit = 8192;
thread_local std::vector<Graph*> captures;   // the captures that this thread has begun

// Checks a call that enqueues work on this stream or waits for this stream. Returns the error of the call, or
// cudaSuccess if the call is allowed.
cudaError_t usable(const Stream* stream) {
  if (stream->device != current_device()) return remember(cudaErrorInvalidResourceHandle);
  return remember(Device::at(stream->device).error());
}

}  // namespace

bool capturing() { return !captures.empty(); }

cudaError_t forbid_in_capture() {
  if (captures.empty()) return cudaSuccess;
  for (Graph* graph : captures) graph->invalid = true;
  return remember(cudaErrorStreamCaptureUnsupported);
}

uint64_t HardwareQueue::issue(std::shared_ptr<Stream> stream) {
  std::lock_guard lock(mutex_);
  pending_.emplace(next_, std::move(stream));
  return next_++;
}
void HardwareQueue::finish(uint64_t ticket) {
  std::lock_guard lock(mutex_);
  pending_.erase(ticket);
}
void HardwareQueue::run_before(uint64_t ticket) {
  for (std::unique_lock lock(mutex_); !pending_.empty() && pending_.begin()->first < ticket; lock.lock()) {
    const auto [first, stream] = *pending_.begin();
    lock.unlock();
    stream->run(first);
  }
}

void Device::drain() { drain_but({}); }
void Device::drain_others() { drain_but(std::this_thread::get_id()); }

// Runs each stream on a thread of its own, because kernels of different streams may wait for each other.
void Device::drain_but(std::thread::id owner) {
  std::vector<std::shared_ptr<Stream>> all;
  {
    std::lock_guard lock(mutex_);
    for (const auto& [pointer, stream] : streams_)
      if (stream->owner != owner) all.push_back(stream);
  }
  std::vector<std::thread> helpers;
  uint64_t ticket = 0;
  for (size_t i = 1; i < all.size(); ++i)
    if (all[i]->front(ticket)) helpers.emplace_back([stream = all[i]] { stream->drain(); });
  for (const auto& stream : all) stream->drain();
  for (std::thread& helper : helpers) helper.join();
}
void Device::remove(Stream* stream) {
  std::lock_guard lock(mutex_);
  streams_.erase(stream);
  if (streams_.empty()) error_ = cudaSuccess;
}

cudaError_t enqueue(cudaStream_t stream, Work work) {
  if (cudaError_t error = usable(stream)) return error;
  if (stream->capture) {
    stream->capture->work.push_back(std::move(work));
    return cudaSuccess;
  }
  size_t enqueued = 0;
  {
    std::lock_guard lock(stream->mutex);
    stream->owner = std::this_thread::get_id();
    stream->queue.push_back({stream->hardware->issue(Device::at(stream->device).find(stream)), std::move(work)});
    enqueued = stream->queue.size();
  }
  if (enqueued > queue_limit) stream->run_one();
  return cudaSuccess;
}

cudaError_t load_for(cudaStream_t stream, const void* kernel) {
  if (cudaError_t error = usable(stream)) return error;
  return load(kernel);
}

void run_grid(cudaStream_t stream, dim3 grid, dim3 block, size_t shared, const Work& kernel) {
  if (!run_blocks(stream->watch, stream->descending, grid, block, shared, kernel))
    Device::at(stream->device).fail(cudaErrorLaunchFailure);
}

uint64_t nanoseconds() {
  return static_cast<uint64_t>(std::chrono::steady_clock::now().time_since_epoch() / std::chrono::nanoseconds(1));
}

void set_descending(cudaStream_t stream, bool descending) { stream->descending = descending; }

}  // namespace simt

using simt::Device, simt::remember, simt::usable;

cudaError_t cudaMemcpyAsync(void* destination, const void* source, size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream) {
  const cudaError_t error = simt::enqueue(stream, [=] { memmove(destination, source, bytes); });
  if (kind == cudaMemcpyDeviceToHost && !stream->capture && !simt::is_pinned(destination)) stream->drain();
  return error;
}
cudaError_t cudaMemsetAsync(void* pointer, int value, size_t bytes, cudaStream_t stream) {
  return simt::enqueue(stream, [=] { memset(pointer, value, bytes); });
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  const auto made = std::make_shared<simt::Stream>();
  made->device = made->watch.device = simt::current_device();
  made->hardware = &Device::current().next_queue();
  made->owner = std::this_thread::get_id();
  Device::current().add(made);
  *stream = made.get();
  return cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  stream->drain();
  Device::at(stream->device).remove(stream);
  return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  if (stream->capture) {
    stream->capture->invalid = true;
    return remember(cudaErrorStreamCaptureUnsupported);
  }
  if (cudaError_t error = usable(stream)) return error;
  stream->drain();
  return remember(Device::at(stream->device).error());
}
cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  if (cudaError_t error = usable(stream)) return error;
  if (stream->capture) return remember(cudaErrorStreamCaptureUnsupported);
  stream->capture = new simt::Graph;
  stream->capture->device = stream->device;
  simt::captures.push_back(stream->capture);
  return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  *graph = nullptr;
  if (!stream->capture) return remember(cudaErrorInvalidValue);
  simt::Graph* captured = std::exchange(stream->capture, nullptr);
  std::erase(simt::captures, captured);
  if (captured->invalid) {
    delete captured;
    return remember(cudaErrorStreamCaptureInvalidated);
  }
  *graph = captured;
  return cudaSuccess;
}
cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus* status) {
  *status = stream->capture ? cudaStreamCaptureStatusActive : cudaStreamCaptureStatusNone;
  return cudaSuccess;
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph, unsigned long long) {
  *executable = nullptr;
  if (!Device::at(graph->device).take(simt::graph_bytes)) return remember(cudaErrorMemoryAllocation);
  *executable = new simt::Graph(*graph);
  (*executable)->charged = true;
  return cudaSuccess;
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream) {
  if (executable->device != stream->device) return remember(cudaErrorInvalidResourceHandle);
  for (const simt::Work& work : executable->work)
    if (cudaError_t error = simt::enqueue(stream, work)) return error;
  return cudaSuccess;
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  if (graph && graph->charged) Device::at(graph->device).give_back(simt::graph_bytes);
  delete graph;
  return cudaSuccess;
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) { return cudaGraphDestroy(executable); }

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  *event = new simt::Event;
  (*event)->device = simt::current_device();
  return cudaSuccess;
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  if (event->stream && event->reached != event->recorded) event->stream->drain();
  delete event;
  return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  if (event->device != stream->device) return remember(cudaErrorInvalidResourceHandle);
  event->stream = stream;
  return simt::enqueue(stream, [event, number = ++event->recorded] {
    event->reached = number;
    event->time = std::chrono::steady_clock::now();
  });
}
cudaError_t cudaEventQuery(cudaEvent_t event) {
  if (event->device != simt::current_device()) return remember(cudaErrorInvalidResourceHandle);
  if (event->stream && event->stream->capture) return simt::forbid_in_capture();
  if (event->reached != event->recorded) event->stream->run_one();
  return event->reached == event->recorded ? cudaSuccess : cudaErrorNotReady;
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  if (event->device != simt::current_device()) return remember(cudaErrorInvalidResourceHandle);
  if (event->stream && event->stream->capture) return simt::forbid_in_capture();
  while (event->reached != event->recorded && !event->stream->idle()) event->stream->run_one();
  return remember(Device::at(event->device).error());
}
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t start, cudaEvent_t end) {
  if (!start->recorded || !end->recorded) return remember(cudaErrorInvalidValue);
  if (start->reached != start->recorded || end->reached != end->recorded) return remember(cudaErrorNotReady);
  *milliseconds = std::chrono::duration<float, std::milli>(end->time - start->time).count();
  return cudaSuccess;
}
