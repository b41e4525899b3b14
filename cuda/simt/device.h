// The state of an emulated device: memory, loaded kernels, hardware queues, and the error that stopped it.
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

constexpr int devices = 8;  // number of devices; all are equal
// Shared memory, static and dynamic, that a block can have without cudaFuncSetAttribute.
constexpr int shared_always = 48 << 10;
// Memory that the driver uses for each loaded kernel and for each graph.
constexpr size_t kernel_bytes = 1 << 20, graph_bytes = 1 << 20;

// The device on which a kernel runs, and how often the kernel has polled while it waited for another kernel.
struct Watch {
  int device = 0;
  std::atomic<uint64_t> naps{0};   // calls of __nanosleep
};

// A queue that several streams share. The work of all these streams runs in the order in which it was enqueued.
class HardwareQueue {
 public:
  uint64_t issue(std::shared_ptr<Stream> stream);
  void finish(uint64_t ticket);
  // Runs all work that was enqueued before the work with this ticket.
  void run_before(uint64_t ticket);

 private:
  std::mutex mutex_;
  uint64_t next_ = 0;
  std::map<uint64_t, std::shared_ptr<Stream>> pending_;
};

cudaError_t remember(cudaError_t error);  // returns error, which cudaGetLastError then returns to this thread
int current_device();

class Device {
 public:
  static Device& at(int index);
  static Device& current() { return at(current_device()); }

  // Reserves device memory for an allocation, a kernel or a graph. Returns false if too little memory is free.
  bool take(size_t bytes);
  void give_back(size_t bytes);
  size_t used();
  // Returns true if the kernel was not yet loaded on this device, and records the kernel as loaded.
  bool load(const void* kernel);
  // Loads all kernels, so that the first launch of a kernel no longer waits for the device.
  void load_all();
  bool all_loaded();
  // Allows kernels of this device to access the memory of another device. Returns false if this was already allowed.
  bool enable_peer(int peer);
  bool can_access(int device);

  int shared_limit(const void* kernel);
  void set_shared_limit(const void* kernel, int bytes);

  // Returns the error that stopped the device. A fault stops all streams of a device until all of them are destroyed.
  cudaError_t error();
  void fail(cudaError_t error);
  void add(const std::shared_ptr<Stream>& stream);
  std::shared_ptr<Stream> find(Stream* stream);
  void remove(Stream* stream);
  // Runs all work enqueued on the device, like a call that waits for the device.
  void drain();
  // Runs only the work that other threads have enqueued. The caller's own work stays in the queue, because CUDA does
  // not specify whether a call such as cudaMalloc waits for the device.
  void drain_others();
  void drain_but(std::thread::id owner);
  // Returns the queue for the next stream that is created. Streams are assigned to queues cyclically.
  HardwareQueue& next_queue();

 private:
  std::mutex mutex_;
  size_t used_ = 0;
  cudaError_t error_ = cudaSuccess;
  std::unordered_map<const void*, int> shared_limits_;
  std::unordered_set<const void*> loaded_;
  std::unordered_map<Stream*, std::shared_ptr<Stream>> streams_;
  unsigned streams_made_ = 0;
  std::atomic<bool> all_loaded_{false}, peers_[devices]{};
  HardwareQueue queues_[32];
};

// Returns how long a thread waits for a kernel that polls in __nanosleep. After this time the wait is treated as a
// deadlock.
std::chrono::milliseconds patience();

// Loads a kernel on the current device when it is first used. Loading uses device memory and waits for all work that
// runs on the device.
cudaError_t load(const void* kernel);

bool capturing();   // returns whether this thread captures a stream

// Every function that CUDA does not allow during a capture calls this function first. If the calling thread captures a
// stream, the function invalidates the capture and returns an error.
cudaError_t forbid_in_capture();

}  // namespace simt
