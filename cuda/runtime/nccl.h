// NVIDIA's NCCL (version 2). The library is opened with dlopen when ranks connect and is never linked. NCCL chooses the
// order of summation, so deterministic contexts do not use it. The emulated GPU has its own NCCL (cuda/simt/nccl).
#pragma once
#include <cuda_runtime.h>

#include <functional>
#include <memory>
#include <mutex>
#include <string>

namespace ingrain {

struct NcclId { char bytes[128]; };  // ncclUniqueId

// One rank's NCCL communicator. A function that returns a string returns the error, or "" if it succeeded.
class Nccl {
 public:
  // Creates the id that all ranks pass to join(). Only one rank calls this function.
  static std::string make_id(NcclId* id);
  // All ranks must call this function at the same time, each with its own device current. Returns null and sets *reason
  // if NCCL fails.
  static std::unique_ptr<Nccl> join(const NcclId& id, int ranks, int rank, std::string* reason);
  ~Nccl();
  Nccl(const Nccl&) = delete;
  Nccl& operator=(const Nccl&) = delete;

  // y (n) = the sum of every rank's x (n); y may be x.
  std::string all_reduce(float* y, const float* x, int64_t n, cudaStream_t stream);
  // y (n) = this rank's slice of the sum of every rank's x (ranks, n).
  std::string reduce_scatter(float* y, const float* x, int64_t n, cudaStream_t stream);
  std::string all_gather(void* y, const void* x, int64_t bytes, cudaStream_t stream);
  std::string broadcast(void* y, const void* x, int64_t bytes, int root, cudaStream_t stream);
  // Ends the calls that are in flight. May be called from any thread.
  void abort();

 private:
  explicit Nccl(void* communicator) : communicator_(communicator) {}
  std::string call(const char* name, const std::function<int(void*)>& function);
  std::mutex mutex_;
  void* communicator_;  // null after abort
};

}  // namespace ingrain
