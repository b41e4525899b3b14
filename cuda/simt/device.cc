// Devices and their memory: allocations, limits, and the memory that kernels and graphs use.
#include "device.h"

#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <string_view>
#include <utility>

namespace simt {
namespace {

thread_local cudaError_t last_error = cudaSuccess;
thread_local int device_of_thread = 0;

constexpr size_t alignment = 256;
size_t physical_bytes() {
  return static_cast<size_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<size_t>(sysconf(_SC_PAGESIZE));
}

// Properties of every device. The functions simt_configure and simt_set_patience change these properties.
std::atomic<size_t> memory_bytes{physical_bytes()};
std::atomic<int> shared_optin{227 << 10}, multiprocessors{4}, capability{90};
std::atomic<int> patience_ms{10'000};
std::atomic<bool> eager{false};

// Returns the number of hardware queues that the streams of a device share. The number is read from the same
// environment variable that the driver reads.
unsigned hardware_queues() {
  const char* const wanted = getenv("CUDA_DEVICE_MAX_CONNECTIONS");
  return static_cast<unsigned>(std::clamp(wanted ? atoi(wanted) : 8, 1, 32));
}

// Returns whether CUDA_MODULE_LOADING is EAGER. Like the driver, the emulator reads the variable only once, so setting
// it later has no effect.
bool eager_by_environment() {
  const char* const loading = getenv("CUDA_MODULE_LOADING");
  return loading && std::string_view(loading) == "EAGER";
}

struct Allocation { size_t bytes; int device; };  // device -1: pinned host memory
std::mutex allocations_mutex;
std::map<void*, Allocation, std::greater<>> allocations;
std::atomic<uint64_t> frees{0};  // number of calls that freed memory; each of them invalidates all cached ranges
std::atomic<bool> peers_exist{true};

cudaError_t allocate(void** pointer, size_t bytes, int device) {
  if (cudaError_t error = forbid_in_capture()) return error;
  const size_t rounded = (std::max<size_t>(bytes, 1) + alignment - 1) / alignment * alignment;
  if (device >= 0) {
    if (cudaError_t error = Device::at(device).error()) return remember(error);
    Device::at(device).drain_others();
    if (!Device::at(device).take(rounded)) return remember(cudaErrorMemoryAllocation);
  }
  *pointer = bytes > physical_bytes() ? nullptr : aligned_alloc(alignment, rounded);
  if (!*pointer) {
    if (device >= 0) Device::at(device).give_back(rounded);
    return remember(cudaErrorMemoryAllocation);
  }
  if (device >= 0) memset(*pointer, 0xff, bytes);
  std::lock_guard lock(allocations_mutex);
  allocations[*pointer] = {rounded, device};
  return cudaSuccess;
}

// Waits for the device, as CUDA does, and frees memory. Stricter than CUDA: returns an error if the memory belongs to a
// device that is not current.
cudaError_t release(void* pointer, bool pinned) {
  if (!pointer) return cudaSuccess;
  if (cudaError_t error = forbid_in_capture()) return error;
  Allocation found{};
  {
    std::lock_guard lock(allocations_mutex);
    const auto known = allocations.find(pointer);
    if (known == allocations.end() || (known->second.device < 0) != pinned) return remember(cudaErrorInvalidValue);
    if (!pinned && known->second.device != current_device()) return remember(cudaErrorInvalidResourceHandle);
    found = known->second;
    allocations.erase(known);
    ++frees;
  }
  if (!pinned) Device::at(found.device).drain(), Device::at(found.device).give_back(found.bytes);
  free(pointer);
  return cudaSuccess;
}

}  // namespace

cudaError_t remember(cudaError_t error) {
  if (error != cudaSuccess) last_error = error;
  return error;
}

int current_device() { return device_of_thread; }
std::chrono::milliseconds patience() { return std::chrono::milliseconds(patience_ms.load()); }

Device& Device::at(int index) {
  // The devices are never destroyed, because at exit pending work may need libraries that are already unloaded.
  static Device* const all = new Device[devices];
  return all[index];
}

bool Device::take(size_t bytes) {
  std::lock_guard lock(mutex_);
  if (used_ + bytes > memory_bytes) return false;
  used_ += bytes;
  return true;
}
void Device::give_back(size_t bytes) {
  std::lock_guard lock(mutex_);
  used_ -= bytes;
}
size_t Device::used() {
  std::lock_guard lock(mutex_);
  return used_;
}
void Device::load_all() { all_loaded_ = true; }
bool Device::all_loaded() { return all_loaded_; }
bool Device::enable_peer(int peer) { return !peers_[peer].exchange(true); }
bool Device::can_access(int device) { return this == &at(device) || peers_[device]; }

bool Device::load(const void* kernel) {
  std::lock_guard lock(mutex_);
  return loaded_.insert(kernel).second;
}

int Device::shared_limit(const void* kernel) {
  std::lock_guard lock(mutex_);
  const auto found = shared_limits_.find(kernel);
  return found == shared_limits_.end() ? shared_always - static_shared
                                       : std::min(found->second, shared_optin - static_shared);
}
void Device::set_shared_limit(const void* kernel, int bytes) {
  std::lock_guard lock(mutex_);
  shared_limits_[kernel] = bytes;
}

cudaError_t Device::error() {
  std::lock_guard lock(mutex_);
  return error_;
}
void Device::fail(cudaError_t error) {
  std::lock_guard lock(mutex_);
  if (error_ == cudaSuccess) error_ = error;
}
void Device::add(const std::shared_ptr<Stream>& stream) {
  std::lock_guard lock(mutex_);
  streams_[stream.get()] = stream;
}
std::shared_ptr<Stream> Device::find(Stream* stream) {
  std::lock_guard lock(mutex_);
  return streams_.at(stream);
}
HardwareQueue& Device::next_queue() {
  std::lock_guard lock(mutex_);
  return queues_[streams_made_++ % hardware_queues()];
}
cudaError_t get_attributes(cudaFuncAttributes* attributes, const void* kernel) {
  if (cudaError_t error = load(kernel)) return error;
  *attributes = {static_shared, Device::current().shared_limit(kernel)};
  return cudaSuccess;
}

cudaError_t load(const void* kernel) {
  Device& device = Device::current();
  if (!device.load(kernel)) return cudaSuccess;
  if (!device.take(kernel_bytes)) return remember(cudaErrorMemoryAllocation);
  if (!device.all_loaded() && !eager && !eager_by_environment() && !capturing()) device.drain();
  return cudaSuccess;
}

cudaError_t load_all() {
  Device& device = Device::current();
  if (!device.all_loaded() && !eager && !eager_by_environment()) device.drain();
  device.load_all();
  return cudaSuccess;
}

cudaError_t set_attribute(const void* kernel, cudaFuncAttribute, int value) {
  if (value < 0 || value > shared_optin - static_shared) return remember(cudaErrorInvalidValue);
  Device::current().set_shared_limit(kernel, value);
  return cudaSuccess;
}

bool is_pinned(const void* pointer) {
  std::lock_guard lock(allocations_mutex);
  for (const auto& [begin, allocation] : allocations)
    if (allocation.device < 0 && pointer >= begin && pointer < static_cast<const char*>(begin) + allocation.bytes)
      return true;
  return false;
}

// This function is called for each memory access that the emulator checks. For speed, the function caches the ranges
// that it found most recently.
bool may_access(int device, const void* pointer) {
  struct Range { const char *begin = nullptr, *end = nullptr; int device = 0; };
  static thread_local Range last[8];
  static thread_local uint64_t seen = 0;
  static thread_local unsigned next = 0;
  const char* const at = static_cast<const char*>(pointer);
  if (seen != frees) {
    seen = frees;
    std::fill(std::begin(last), std::end(last), Range{});
  }
  const Range* found = std::find_if(std::begin(last), std::end(last),
                                    [at](const Range& range) { return at >= range.begin && at < range.end; });
  if (found == std::end(last)) {
    std::lock_guard lock(allocations_mutex);
    const auto known = allocations.lower_bound(const_cast<void*>(pointer));
    if (known == allocations.end() || at >= static_cast<const char*>(known->first) + known->second.bytes) return false;
    const char* const begin = static_cast<const char*>(known->first);
    found = &(last[next++ % std::size(last)] = {begin, begin + known->second.bytes, known->second.device});
  }
  return found->device < 0 || Device::at(device).can_access(found->device);
}

}  // namespace simt

using simt::Device, simt::remember;

// For tests: sets whether devices can access the memory of other devices.
extern "C" __attribute__((visibility("default"))) void simt_set_peers(int32_t whether) {
  simt::peers_exist = whether != 0;
}

// For tests: sets whether kernels are loaded without waiting for the device, as with CUDA_MODULE_LOADING=EAGER.
extern "C" __attribute__((visibility("default"))) void simt_load_eagerly(int32_t whether) {
  simt::eager = whether != 0;
}

// For tests: sets the timeout for a kernel that waits for another kernel, see patience().
extern "C" __attribute__((visibility("default"))) void simt_set_patience(int32_t milliseconds) {
  simt::patience_ms = milliseconds;
}

// For tests: makes the device fail. The device works again after all its streams have been destroyed.
extern "C" __attribute__((visibility("default"))) void simt_lose(int32_t device) {
  simt::Device::at(device).fail(cudaErrorECCUncorrectable);
}

// For tests: sets the memory of a device and the shared memory of a block; 0 leaves a value unchanged.
extern "C" __attribute__((visibility("default"))) void simt_configure(int64_t memory, int32_t shared) {
  if (memory > 0) simt::memory_bytes = static_cast<size_t>(memory);
  if (shared > 0) simt::shared_optin = shared;
}

// For tests: sets the compute capability that every device reports, for example 80 for sm_80.
extern "C" __attribute__((visibility("default"))) void simt_set_capability(int32_t value) {
  simt::capability = value;
}

// For tests: sets the number of multiprocessors that every device reports. With fewer of them, a block computes more
// items.
extern "C" __attribute__((visibility("default"))) void simt_set_multiprocessors(int32_t count) {
  simt::multiprocessors = count;
}

cudaError_t cudaGetDeviceCount(int* count) { return *count = simt::devices, cudaSuccess; }
cudaError_t cudaSetDevice(int device) {
  if (device < 0 || device >= simt::devices) return remember(cudaErrorInvalidDevice);
  simt::device_of_thread = device;
  return cudaSuccess;
}
cudaError_t cudaGetDevice(int* device) { return *device = simt::current_device(), cudaSuccess; }
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
cudaError_t cudaDeviceCanAccessPeer(int* can, int device, int peer) {
  return *can = device != peer && simt::peers_exist, cudaSuccess;
}
cudaError_t cudaDeviceEnablePeerAccess(int peer, unsigned) {
  if (cudaError_t error = simt::forbid_in_capture()) return error;
  if (peer < 0 || peer >= simt::devices || peer == simt::current_device()) return remember(cudaErrorInvalidDevice);
  if (!simt::peers_exist) return remember(cudaErrorPeerAccessUnsupported);
  return Device::current().enable_peer(peer) ? cudaSuccess : remember(cudaErrorPeerAccessAlreadyEnabled);
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  if (device < 0 || device >= simt::devices) return remember(cudaErrorInvalidDevice);
  *properties = {};
  snprintf(properties->name, sizeof properties->name, "emulated GPU");
  properties->totalGlobalMem = simt::memory_bytes;
  properties->sharedMemPerBlockOptin = static_cast<size_t>(simt::shared_optin);
  properties->multiProcessorCount = simt::multiprocessors;
  properties->major = simt::capability / 10;
  properties->minor = simt::capability % 10;
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
    case cudaErrorInvalidDeviceFunction: return "invalid device function";
    case cudaErrorNoDevice: return "no device";
    case cudaErrorInvalidDevice: return "invalid device ordinal";
    case cudaErrorInvalidResourceHandle: return "invalid resource handle";
    case cudaErrorECCUncorrectable: return "uncorrectable ECC error encountered";
    case cudaErrorNotReady: return "device not ready";
    case cudaErrorIllegalAddress: return "an illegal memory access was encountered";
    case cudaErrorPeerAccessUnsupported: return "peer access is not supported between these two devices";
    case cudaErrorLaunchTimeout:
      return "a kernel waits for work that cannot start before the kernel ends: later work in its hardware queue, "
             "or work after a call that waits for the device";
    case cudaErrorPeerAccessAlreadyEnabled: return "peer access is already enabled";
    case cudaErrorLaunchFailure:
      return "a kernel's threads wait for each other at different barriers, or one used shared memory as global";
    case cudaErrorStreamCaptureUnsupported: return "operation not permitted when stream is capturing";
    case cudaErrorStreamCaptureInvalidated: return "operation failed due to a previous error during capture";
  }
  return "unknown error";
}

cudaError_t cudaMalloc(void** pointer, size_t bytes) { return simt::allocate(pointer, bytes, simt::current_device()); }
cudaError_t cudaFree(void* pointer) { return simt::release(pointer, false); }
cudaError_t cudaMallocHost(void** pointer, size_t bytes) { return simt::allocate(pointer, bytes, -1); }
cudaError_t cudaFreeHost(void* pointer) { return simt::release(pointer, true); }
cudaError_t cudaMemGetInfo(size_t* free_bytes, size_t* total_bytes) {
  const size_t available = static_cast<size_t>(sysconf(_SC_AVPHYS_PAGES)) * static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const size_t used = Device::current().used();
  *total_bytes = simt::memory_bytes;
  *free_bytes = std::min(available, *total_bytes > used ? *total_bytes - used : 0);
  return cudaSuccess;
}
