// The state of a GPU context between calls: device, stream, workspace, cuBLASLt, rank in a communicator. Of the ops,
// only the collectives access this state. All other ops get the stream and the workspace through ingrain.h, like the
// ops of a user's library.
#pragma once
#include "launch.h"

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace ingrain {
class BlasLt;   // cuda/runtime/blas_lt.h
class Peers;    // cuda/runtime/communicator.h
// Returns an error if a kernel of this context gave up waiting for other ranks. Must be called each time after the host
// has waited for the stream.
ingrain_status check_ranks(ingrain_context* ctx);

// A registered buffer (ingrain_communicator_register): every rank has registered a buffer of its own, and each rank
// knows the addresses of the buffers of all ranks.
struct Shown {
  std::weak_ptr<Peers> peers;
  int64_t bytes = 0, number = 0;  // number: counted from 1 per communicator; the same on every rank
  std::vector<char*> at;  // address of the buffer on each rank
};
}  // namespace ingrain

struct ingrain_context {
  int device = 0;
  cudaStream_t stream = nullptr;
  cudaDeviceProp properties{};
  bool descending = false;     // simt only: whether the threads of a block run in descending order
  bool deterministic = false;
  void* workspace = nullptr;
  int64_t workspace_bytes = 0;
  std::shared_ptr<ingrain::BlasLt> blas;  // opened with the context; if this fails, the first product reports it
  std::shared_ptr<ingrain::Peers> peers;  // null with a single rank
  int32_t rank = 0;
  std::vector<ingrain::Shown> shown;  // in order of registration
  std::string error;
  bool tracing = false;
  std::string trace;  // lines recorded while tracing
  // Number of calls that a slower fallback kernel computed, by op, sizes and reason.
  std::map<std::string, int64_t> fallbacks;

  // Makes this context's device current for the calling thread.
  cudaError_t use() const { return cudaSetDevice(device); }
  // Waits for the stream.
  cudaError_t drain() const {
    const cudaError_t error = use();
    return error == cudaSuccess ? cudaStreamSynchronize(stream) : error;
  }
};
