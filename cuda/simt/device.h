// What belongs to an emulated device rather than to a stream: its memory, the kernels it has loaded, its hardware
// queues, the error that ended it.
#pragma once
#include <cuda_runtime.h>

#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <unordered_set>

namespace simt {

constexpr int devices = 8;               // all alike
constexpr int shared_always = 48 << 10;  // shared memory of a block that needs no leave, static part included
// what the driver takes for a kernel when it is first launched, for a graph
constexpr size_t kernel_bytes = 1 << 20, graph_bytes = 1 << 20;

// Where a kernel runs, and whether it waits for another one.
struct Watch {
  int device = 0;
  std::atomic<uint64_t> naps{0};   // calls of __nanosleep
};

// What several streams share on their way to the device: their work runs in the order in which it was issued.
class HardwareQueue {
 public:
  uint64_t issue(std::shared_ptr<Stream> stream);
  void finish(uint64_t ticket);
  // Runs what was issued before this ticket.
  void run_before(uint64_t ticket);

 private:
  std::mutex mutex_;
  uint64_t next_ = 0;
  std::map<uint64_t, std::shared_ptr<Stream>> pending_;
};

cudaError_t remember(cudaError_t error);                      // what cudaGetLastError says next
int current_device();

class Device {
 public:
  static Device& at(int index);
  static Device& current() { return at(current_device()); }

  // Charges an allocation, a kernel or a graph to the device's memory; false if too little is free.
  bool take(size_t bytes);
  void give_back(size_t bytes);
  size_t used();
  // Whether the kernel is launched here for the first time: the driver loads it then.
  bool load(const void* kernel);

  int shared_limit(const void* kernel);
  void set_shared_limit(const void* kernel, int bytes);

  // A fault ends every stream of a device, until all of them are gone.
  cudaError_t error();
  void fail(cudaError_t error);
  void add(const std::shared_ptr<Stream>& stream);
  std::shared_ptr<Stream> find(Stream* stream);
  void remove(Stream* stream);
  // Runs all that is enqueued on it, as a call that waits for the device does.
  void drain();
  // The same for what other threads have enqueued: whether such a call waits is left open, so the caller's own work
  // stays late.
  void drain_others();
  void drain_but(std::thread::id owner);
  // Of the stream that is made next: they take the queues in turn.
  HardwareQueue& next_queue();

 private:
  std::mutex mutex_;
  size_t used_ = 0;
  cudaError_t error_ = cudaSuccess;
  std::unordered_map<const void*, int> shared_limits_;
  std::unordered_set<const void*> loaded_;
  std::unordered_map<Stream*, std::shared_ptr<Stream>> streams_;
  unsigned streams_made_ = 0;
  HardwareQueue queues_[32];
};

// How long a thread waits for a kernel that itself waits in __nanosleep before both count as waiting for each other.
std::chrono::milliseconds patience();

// A kernel's first use on the current device loads it: that takes memory and waits for all that runs there.
cudaError_t load(const void* kernel);

bool capturing();   // whether this thread captures a stream

// A call that is not allowed while this thread captures a stream: the capture is lost, and the call fails.
cudaError_t forbid_in_capture();

}  // namespace simt
