// What outlives a call on a GPU: device, stream, workspace, cuBLASLt, the rank's place in a communicator. Kernels see
// none of it: they take the stream and the workspace through ingrain.h, as kernels of other libraries do.
#pragma once
#include "launch.h"

#include <map>
#include <memory>
#include <string>

namespace ingrain {
class BlasLt;   // cuda/runtime/blas_lt.h
class Peers;    // cuda/runtime/communicator.h
// Reports, where the host waits, that a kernel of this context gave up waiting for the other ranks.
ingrain_status check_ranks(ingrain_context* ctx);
}  // namespace ingrain

struct ingrain_context {
  int device = 0;
  cudaStream_t stream = nullptr;
  cudaDeviceProp properties{};
  bool descending = false;     // simt: the order in which a block's threads run
  bool deterministic = false;
  void* workspace = nullptr;
  int64_t workspace_bytes = 0;
  std::shared_ptr<ingrain::BlasLt> blas;    // opened by the first product that wants it
  std::shared_ptr<ingrain::Peers> peers;    // null where there is one rank
  int32_t rank = 0;
  std::string error;
  bool tracing = false;
  std::string trace;           // lines kept while tracing
  // op, sizes and reason: calls that a slower kernel computed than the one meant for them
  std::map<std::string, int64_t> fallbacks;

  // Makes this context's device the calling thread's.
  cudaError_t use() const { return cudaSetDevice(device); }
  // Waits for the stream.
  cudaError_t drain() const {
    const cudaError_t error = use();
    return error == cudaSuccess ? cudaStreamSynchronize(stream) : error;
  }
};
