// What belongs to an emulated device rather than to a stream: its memory, the kernels it has loaded, the error that ended it.
#pragma once
#include <cuda_runtime.h>

#include <mutex>
#include <unordered_map>
#include <unordered_set>

namespace simt {

constexpr int devices = 8;                                    // all alike
constexpr int shared_always = 48 << 10;                       // shared memory of a block that needs no leave, static part included
constexpr size_t kernel_bytes = 1 << 20, graph_bytes = 1 << 20;  // what the driver takes for a kernel when it is first launched, for a graph

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
  void add(Stream* stream);
  void remove(Stream* stream);
  // Runs all that is enqueued on it, as a call that waits for the device does.
  void drain();

 private:
  std::mutex mutex_;
  size_t used_ = 0;
  cudaError_t error_ = cudaSuccess;
  std::unordered_map<const void*, int> shared_limits_;
  std::unordered_set<const void*> loaded_;
  std::unordered_set<Stream*> streams_;
};

// A kernel's first use on the current device loads it: that takes memory and waits for all that runs there.
cudaError_t load(const void* kernel);

bool capturing();   // whether this thread captures a stream

// A call that is not allowed while this thread captures a stream: the capture is lost, and the call fails.
cudaError_t forbid_in_capture();

}  // namespace simt
