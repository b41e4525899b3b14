// Tests access to the memory of other devices, and kernels that are loaded ahead of time.
#include "check.h"

extern "C" void simt_set_peers(int32_t whether);
extern "C" void simt_lose(int32_t device);

namespace {

__global__ void read(int* out, const int* x) {
  simt::require_access(x);
  *out = *x;
}

__global__ void write(int* out, int value) {
  simt::require_access(out);
  *out = value;
}

int* allocate(int device) {
  void* p = nullptr;
  cudaSetDevice(device);
  cudaMalloc(&p, sizeof(int));
  return static_cast<int*>(p);
}

void release(int device, int* p) {
  cudaSetDevice(device);
  cudaFree(p);
}

// Returns the error of a stream of device 5 after a kernel on this stream has read memory of device 6.
cudaError_t read_other(bool order, int* own, const int* other) {
  cudaSetDevice(5);
  Stream stream(order);
  simt::launch(read, 1, 1, 0, stream, own, other);
  return cudaStreamSynchronize(stream);
}

void access() {
  int *own = allocate(5), *other = allocate(6), can = 0;
  cudaDeviceCanAccessPeer(&can, 5, 6);
  check(can == 1, "a device can access a peer");
  cudaDeviceCanAccessPeer(&can, 5, 5);
  check(can == 0, "a device is not its own peer");
  for (const bool order : {false, true}) {
    check(read_other(order, own, other) == cudaErrorIllegalAddress,
          "a peer's memory cannot be read before access is enabled", order ? "descending" : "ascending");
    cudaGetLastError();
  }
  cudaSetDevice(5);
  Stream capturing(false);
  cudaGraph_t graph = nullptr;
  cudaStreamBeginCapture(capturing, cudaStreamCaptureModeThreadLocal);
  check(cudaDeviceEnablePeerAccess(6, 0) == cudaErrorStreamCaptureUnsupported, "access is not enabled in a capture");
  check(cudaStreamEndCapture(capturing, &graph) == cudaErrorStreamCaptureInvalidated,
        "a refused call invalidates the capture");
  simt_set_peers(0);
  cudaDeviceCanAccessPeer(&can, 5, 6);
  check(can == 0 && cudaDeviceEnablePeerAccess(6, 0) == cudaErrorPeerAccessUnsupported,
        "devices may be unable to access each other");
  simt_set_peers(1);
  check(cudaDeviceEnablePeerAccess(5, 0) == cudaErrorInvalidDevice, "a device cannot enable access to itself");
  check(cudaDeviceEnablePeerAccess(6, 0) == cudaSuccess, "access is enabled");
  check(cudaDeviceEnablePeerAccess(6, 0) == cudaErrorPeerAccessAlreadyEnabled,
        "enabling access a second time is an error");
  cudaGetLastError();
  check(read_other(false, own, other) == cudaSuccess, "a peer's memory can be read after access is enabled");
  {
    cudaSetDevice(6);
    Stream back(false);
    simt::launch(write, 1, 1, 0, back, own, 3);
    check(cudaStreamSynchronize(back) == cudaErrorIllegalAddress, "access in the other direction is not enabled");
    cudaGetLastError();
  }
  release(6, other);
  check(read_other(false, own, other) == cudaErrorIllegalAddress, "freed memory cannot be read");
  cudaGetLastError();
  release(5, own);
}

void lost() {
  cudaSetDevice(7);
  {
    Stream stream(false);
    simt_lose(7);
    check(cudaStreamSynchronize(stream) == cudaErrorECCUncorrectable, "every call on a lost device fails");
  }
  cudaGetLastError();
  Stream stream(false);
  check(cudaStreamSynchronize(stream) == cudaSuccess, "a lost device works again after its streams are destroyed");
}

__global__ void wait_for(unsigned* flag) {
  while (atomicAdd(flag, 0) == 0) __nanosleep(100);
}
__global__ void set(unsigned* flag) { atomicExch(flag, 1); }

// Tests the first launch of a kernel while another kernel runs and waits for this kernel.
void loading() {
  cudaSetDevice(4);
  check(simt::load_all() == cudaSuccess, "all kernels are loaded at once");
  unsigned* flag = reinterpret_cast<unsigned*>(allocate(4));
  Stream waiting(false), setting(false);
  cudaMemsetAsync(flag, 0, sizeof *flag, waiting);
  cudaStreamSynchronize(waiting);
  simt::launch(wait_for, 1, 1, 0, waiting, flag);
  simt::launch(set, 1, 1, 0, setting, flag);
  check(cudaStreamSynchronize(setting) == cudaSuccess && cudaStreamSynchronize(waiting) == cudaSuccess,
        "the first launch of a loaded kernel does not wait for the device");
  release(4, reinterpret_cast<int*>(flag));
}

}  // namespace

void check_peers() {
  access();
  lost();
  loading();
  cudaSetDevice(0);
}
