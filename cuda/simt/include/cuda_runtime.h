// The part of the CUDA runtime that the sources in cuda/ use, for a machine without a GPU. Test only, never shipped.
//
// The threads of a block are fibers of one host thread. The fibers run in ascending or descending order, each up to its
// next barrier. So if a barrier is missing, the results of the two orders differ. The work of a stream runs only when a
// call waits for this work, so host code that reads a result too early reads old data. Device memory and shared memory
// are initialised with NaN.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <tuple>

#define INGRAIN_SIMT 1
#define __global__
#define __device__
#define __host__
#define __constant__ static const
#define __forceinline__ inline
#define __shared__ static thread_local
#define __launch_bounds__(...)
#define __grid_constant__
#define __align__(n) alignas(n)

// ---- vector types ---------------------------------------------------------------------------------------------------
struct uint3 { unsigned x, y, z; };
struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};
struct alignas(8) int2 { int x, y; };
struct alignas(8) uint2 { unsigned x, y; };
struct alignas(8) float2 { float x, y; };
struct alignas(16) int4 { int x, y, z, w; };
struct alignas(16) uint4 { unsigned x, y, z, w; };
struct alignas(16) float4 { float x, y, z, w; };
inline int2 make_int2(int x, int y) { return {x, y}; }
inline uint2 make_uint2(unsigned x, unsigned y) { return {x, y}; }
inline float2 make_float2(float x, float y) { return {x, y}; }
inline int4 make_int4(int x, int y, int z, int w) { return {x, y, z, w}; }
inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }

// ---- functions that the host calls ----------------------------------------------------------------------------------
enum cudaError_t {
  cudaSuccess = 0,
  cudaErrorInvalidValue = 1,
  cudaErrorMemoryAllocation = 2,
  cudaErrorInvalidConfiguration = 9,
  cudaErrorInvalidDeviceFunction = 98,
  cudaErrorNoDevice = 100,
  cudaErrorInvalidDevice = 101,
  cudaErrorInvalidResourceHandle = 400,
  cudaErrorECCUncorrectable = 214,
  cudaErrorPeerAccessUnsupported = 217,
  cudaErrorNotReady = 600,
  cudaErrorIllegalAddress = 700,
  cudaErrorLaunchTimeout = 702,
  cudaErrorPeerAccessAlreadyEnabled = 704,
  cudaErrorLaunchFailure = 719,
  cudaErrorStreamCaptureUnsupported = 900,
  cudaErrorStreamCaptureInvalidated = 901
};
enum cudaMemcpyKind {
  cudaMemcpyHostToHost,
  cudaMemcpyHostToDevice,
  cudaMemcpyDeviceToHost,
  cudaMemcpyDeviceToDevice,
  cudaMemcpyDefault
};
enum cudaStreamCaptureMode {
  cudaStreamCaptureModeGlobal,
  cudaStreamCaptureModeThreadLocal,
  cudaStreamCaptureModeRelaxed
};
enum cudaStreamCaptureStatus { cudaStreamCaptureStatusNone, cudaStreamCaptureStatusActive };
enum cudaFuncAttribute { cudaFuncAttributeMaxDynamicSharedMemorySize = 8 };
enum cudaDeviceAttr { cudaDevAttrMultiProcessorCount = 16, cudaDevAttrMaxSharedMemoryPerBlockOptin = 97 };
enum { cudaStreamNonBlocking = 1, cudaEventDefault = 0, cudaEventDisableTiming = 2 };
struct cudaDeviceProp {
  char name[256];
  size_t totalGlobalMem, sharedMemPerBlockOptin;
  int multiProcessorCount, major, minor, l2CacheSize;
};
namespace simt { struct Stream; struct Event; struct Graph; }
using cudaStream_t = simt::Stream*;
using cudaEvent_t = simt::Event*;
using cudaGraph_t = simt::Graph*;
using cudaGraphExec_t = simt::Graph*;

cudaError_t cudaGetDeviceCount(int* count);
cudaError_t cudaSetDevice(int device);
cudaError_t cudaGetDevice(int* device);
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device);
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device);
cudaError_t cudaRuntimeGetVersion(int* version);
cudaError_t cudaDriverGetVersion(int* version);
cudaError_t cudaDeviceCanAccessPeer(int* can, int device, int peer);
cudaError_t cudaDeviceEnablePeerAccess(int peer, unsigned flags);
cudaError_t cudaGetLastError();
const char* cudaGetErrorString(cudaError_t error);
cudaError_t cudaMalloc(void** pointer, size_t bytes);
cudaError_t cudaFree(void* pointer);
cudaError_t cudaMallocHost(void** pointer, size_t bytes);
cudaError_t cudaFreeHost(void* pointer);
cudaError_t cudaMemGetInfo(size_t* free_bytes, size_t* total_bytes);
cudaError_t cudaMemcpyAsync(void* destination, const void* source, size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream);
cudaError_t cudaMemsetAsync(void* pointer, int value, size_t bytes, cudaStream_t stream);
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags);
cudaError_t cudaStreamDestroy(cudaStream_t stream);
cudaError_t cudaStreamSynchronize(cudaStream_t stream);
cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode);
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph);
cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus* status);
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph, unsigned long long flags);
cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream);
cudaError_t cudaGraphDestroy(cudaGraph_t graph);
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable);
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags);
cudaError_t cudaEventDestroy(cudaEvent_t event);
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream);
cudaError_t cudaEventQuery(cudaEvent_t event);
cudaError_t cudaEventSynchronize(cudaEvent_t event);
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t start, cudaEvent_t end);
struct cudaFuncAttributes {
  size_t sharedSizeBytes;  // static shared memory; the emulator assumes simt::static_shared for every kernel
  int maxDynamicSharedSizeBytes;    // the limit of a launch, see cudaFuncSetAttribute
};
namespace simt {
constexpr int static_shared = 1024;
cudaError_t get_attributes(cudaFuncAttributes* attributes, const void* kernel);
cudaError_t set_attribute(const void* kernel, cudaFuncAttribute attribute, int value);
}  // namespace simt
cudaError_t cudaFuncGetName(const char** name, const void* kernel);
template <class Kernel> cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, Kernel* kernel) {
  return simt::get_attributes(attributes, reinterpret_cast<const void*>(kernel));
}
template <class Kernel> cudaError_t cudaFuncSetAttribute(Kernel* kernel, cudaFuncAttribute attribute, int value) {
  return simt::set_attribute(reinterpret_cast<const void*>(kernel), attribute, value);
}

// ---- a running thread -----------------------------------------------------------------------------------------------
namespace simt {

struct Warp;
struct Block;
struct Thread {
  uint3 thread, block;
  dim3 block_size, grid_size;
  void* shared;     // dynamic shared memory
  Warp* warp;
  Block* running;
  int lane;
};
extern __thread Thread* current [[gnu::tls_model("initial-exec")]];
inline Thread& self() { return *current; }

void sync_block();
int sync_block_count(bool predicate);  // a barrier that returns the sum of the predicates to every thread
void sync_warp(unsigned mask);
// Exchanges a value of at most 64 bytes with the other lanes of `mask`. Returns a pointer `slots`. Until the next call,
// the value of lane l is at `slots + 64·l`. When all lanes have written their values, `combine(slots, lanes)` is
// called. All lanes can read the result of `combine` at `slots + combined`. For a whole warp `combine` is called once;
// for a part of a warp, each lane calls it for its own copy of the slots.
using Combine = void (*)(char* slots, unsigned lanes);
constexpr size_t combined = 64 * 32;
const char* exchange(unsigned mask, const void* value, size_t bytes, Combine combine = nullptr);
// copy_async only records a copy; copy_wait executes it. In `shared`, bytes from `valid` on become 0.
void copy_async(void* shared, const void* global, size_t bytes, size_t valid);
void copy_commit();
void copy_wait(int groups);                       // copies until at most `groups` groups are outstanding

cudaError_t enqueue(cudaStream_t stream, std::function<void()> work);
cudaError_t load_for(cudaStream_t stream, const void* kernel);
cudaError_t load_all();  // loads all kernels on the current device
cudaError_t check_launch(const void* kernel, dim3 grid, dim3 block, size_t shared);
void run_grid(cudaStream_t stream, dim3 grid, dim3 block, size_t shared, const std::function<void()>& kernel);
void set_descending(cudaStream_t stream, bool descending);
uint64_t nanoseconds();                           // %globaltimer

template <class... P, class... A>
cudaError_t launch(void (*kernel)(P...), dim3 grid, dim3 block, size_t shared, cudaStream_t stream, A&&... arguments) {
  if (cudaError_t error = check_launch(reinterpret_cast<const void*>(kernel), grid, block, shared)) return error;
  if (cudaError_t error = load_for(stream, reinterpret_cast<const void*>(kernel))) return error;
  std::tuple<std::decay_t<P>...> values(static_cast<std::decay_t<P>>(arguments)...);
  return enqueue(stream, [=] { run_grid(stream, grid, block, shared, [&] { std::apply(kernel, values); }); });
}

template <class T> T from_lane(unsigned mask, T value, int source) {
  T result;
  const char* slots = exchange(mask, &value, sizeof value);
  memcpy(&result, slots + 64 * source, sizeof result);
  return result;
}

}  // namespace simt

#define threadIdx (simt::self().thread)
#define blockIdx (simt::self().block)
#define blockDim (simt::self().block_size)
#define gridDim (simt::self().grid_size)
constexpr int warpSize = 32;

inline void __syncthreads() { simt::sync_block(); }
inline int __syncthreads_count(int predicate) { return simt::sync_block_count(predicate); }
inline int __syncthreads_or(int predicate) { return simt::sync_block_count(predicate) > 0; }
inline int __syncthreads_and(int predicate) { return simt::sync_block_count(!predicate) == 0; }
inline void __syncwarp(unsigned mask = 0xffffffffu) { simt::sync_warp(mask); }
inline void __threadfence() {}
inline void __threadfence_block() {}
inline void __threadfence_system() {
#ifndef __SANITIZE_THREAD__  // ThreadSanitizer does not support fences, and the flags are released and acquired anyway
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
}
void __nanosleep(unsigned);  // lets other host threads run; ends a kernel whose device has failed

// A lane reads the value of another lane in its segment of `width` lanes. For __shfl_sync, the source is taken modulo
// `width`. For the versions with up and down, a lane gets its own value if its source would be outside its segment. For
// the version with xor, a lane gets its own value if its source would be in a later segment.
template <class T> T __shfl_sync(unsigned mask, T value, int source, int width = 32) {
  const int lane = simt::self().lane;
  return simt::from_lane(mask, value, (lane & ~(width - 1)) + (source & (width - 1)));
}
template <class T> T __shfl_xor_sync(unsigned mask, T value, int bits, int width = 32) {
  const int lane = simt::self().lane, other = lane ^ bits;
  return simt::from_lane(mask, value, (other & ~(width - 1)) > lane ? lane : other);
}
template <class T> T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32) {
  const int lane = simt::self().lane, other = lane + static_cast<int>(delta);
  return simt::from_lane(mask, value, (lane & (width - 1)) + static_cast<int>(delta) < width ? other : lane);
}
template <class T> T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32) {
  const int lane = simt::self().lane, other = lane - static_cast<int>(delta);
  return simt::from_lane(mask, value, (lane & (width - 1)) >= static_cast<int>(delta) ? other : lane);
}
namespace simt {
template <class Join, class T> T reduce(unsigned mask, T value) {
  const char* slots = exchange(mask, &value, sizeof value, [](char* of, unsigned lanes) {
    T result, other;
    memcpy(&result, of + 64 * __builtin_ctz(lanes), sizeof result);
    for (lanes &= lanes - 1; lanes; lanes &= lanes - 1) {
      memcpy(&other, of + 64 * __builtin_ctz(lanes), sizeof other);
      result = Join::of(result, other);
    }
    memcpy(of + combined, &result, sizeof result);
  });
  memcpy(&value, slots + combined, sizeof value);
  return value;
}
struct Add { template <class T> static T of(T a, T b) { return a + b; } };
struct Least { template <class T> static T of(T a, T b) { return std::min(a, b); } };
struct Greatest { template <class T> static T of(T a, T b) { return std::max(a, b); } };
struct Or { template <class T> static T of(T a, T b) { return a | b; } };
}  // namespace simt
inline unsigned __reduce_add_sync(unsigned mask, unsigned x) { return simt::reduce<simt::Add>(mask, x); }
inline unsigned __reduce_max_sync(unsigned mask, unsigned x) { return simt::reduce<simt::Greatest>(mask, x); }
inline unsigned __reduce_min_sync(unsigned mask, unsigned x) { return simt::reduce<simt::Least>(mask, x); }
inline int __reduce_add_sync(unsigned mask, int x) {
  return static_cast<int>(simt::reduce<simt::Add>(mask, static_cast<unsigned>(x)));
}
inline int __reduce_max_sync(unsigned mask, int x) { return simt::reduce<simt::Greatest>(mask, x); }
inline int __reduce_min_sync(unsigned mask, int x) { return simt::reduce<simt::Least>(mask, x); }
inline unsigned __ballot_sync(unsigned mask, int predicate) {
  return simt::reduce<simt::Or>(mask, predicate ? 1u << simt::self().lane : 0u);
}
inline int __any_sync(unsigned mask, int predicate) { return __ballot_sync(mask, predicate) != 0; }
inline int __all_sync(unsigned mask, int predicate) { return __ballot_sync(mask, !predicate) == 0; }
inline unsigned __activemask() { return 0xffffffffu; }

// ---- atomics: other host threads (ranks) may access the address, and the emulator may switch to another block -------
namespace simt {
void change_block(const void* address);
template <class T, class F> T change(T* address, F next) {
  T before, after;
  change_block(address);
  __atomic_load(address, &before, __ATOMIC_SEQ_CST);
  do after = next(before);
  while (!__atomic_compare_exchange(address, &before, &after, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
  change_block(address);
  return before;
}
}  // namespace simt
template <class T> T atomicAdd(T* address, std::type_identity_t<T> v) {
  return simt::change(address, [=](T t) { return static_cast<T>(t + v); });
}
template <class T> T atomicMax(T* address, std::type_identity_t<T> v) {
  return simt::change(address, [=](T t) { return std::max(t, v); });
}
template <class T> T atomicMin(T* address, std::type_identity_t<T> v) {
  return simt::change(address, [=](T t) { return std::min(t, v); });
}
template <class T> T atomicOr(T* address, std::type_identity_t<T> v) {
  return simt::change(address, [=](T t) { return static_cast<T>(t | v); });
}
template <class T> T atomicExch(T* address, std::type_identity_t<T> v) {
  return simt::change(address, [=](T) { return v; });
}
template <class T> T atomicCAS(T* address, std::type_identity_t<T> expected, std::type_identity_t<T> v) {
  return simt::change(address, [=](T t) { return t == expected ? v : t; });
}
inline unsigned atomicInc(unsigned* address, unsigned limit) {
  return simt::change(address, [=](unsigned t) { return t >= limit ? 0u : t + 1; });
}

// ---- arithmetic -----------------------------------------------------------------------------------------------------
using std::max;
using std::min;
inline float __expf(float x) { return expf(x); }
inline float __logf(float x) { return logf(x); }
inline float __fdividef(float x, float y) { return x / y; }
inline float __frcp_rn(float x) { return 1 / x; }
inline float rsqrtf(float x) { return 1 / sqrtf(x); }
inline float __fadd_rn(float x, float y) { return x + y; }
inline float __fmul_rn(float x, float y) { return x * y; }
inline float __fmaf_rn(float x, float y, float z) { return fmaf(x, y, z); }
inline float __fsqrt_rn(float x) { return sqrtf(x); }
inline float __fdiv_rn(float x, float y) { return x / y; }
inline void sincospif(float x, float* s, float* c) {
  *s = static_cast<float>(sin(M_PI * x)), *c = static_cast<float>(cos(M_PI * x));
}
inline float cospif(float x) { return static_cast<float>(cos(M_PI * x)); }
inline unsigned __umulhi(unsigned a, unsigned b) { return static_cast<unsigned>(static_cast<uint64_t>(a) * b >> 32); }
inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
  return static_cast<unsigned long long>(static_cast<unsigned __int128>(a) * b >> 64);
}
inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline int __clz(int x) { return x ? __builtin_clz(static_cast<unsigned>(x)) : 32; }
inline int __ffs(int x) { return __builtin_ffs(x); }
inline unsigned __float_as_uint(float x) { return __builtin_bit_cast(unsigned, x); }
inline int __float_as_int(float x) { return __builtin_bit_cast(int, x); }
inline float __uint_as_float(unsigned x) { return __builtin_bit_cast(float, x); }
inline float __int_as_float(int x) { return __builtin_bit_cast(float, x); }
template <class T> T __ldg(const T* p) { return *p; }
template <class T> T __ldcs(const T* p) { return *p; }
template <class T> T __ldcg(const T* p) { return *p; }
namespace simt {
void require_global(const void* p);  // faults if p is in shared memory
// Faults unless p is in pinned memory, in memory of this device, or in memory of a device that this device may access.
void require_access(const void* p);
}  // namespace simt
template <class T> void __stwb(T* p, T v) {
  simt::require_global(p);
  *p = v;
}
template <class T> void __stcs(T* p, T v) { __stwb(p, v); }
template <class T> void __stcg(T* p, T v) { __stwb(p, v); }
