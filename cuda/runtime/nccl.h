// NVIDIA's NCCL (version 2), opened with dlopen when ranks connect, never linked. Its order of summation is its own, so
// deterministic contexts do not use it. The emulated GPU has its own NCCL (cuda/simt/nccl).
#pragma once
#include <cuda_runtime.h>

#include <functional>
#include <memory>
#include <mutex>
#include <string>

namespace ingrain {

struct NcclId { char bytes[128]; };  // ncclUniqueId

// One rank's communicator. Functions return an empty string, or why they failed.
class Nccl {
 public:
  // For all ranks, made by one of them.
  static std::string make_id(NcclId* id);
  // All ranks call it at the same time, each with its device current. Null if it failed.
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
  // Ends the calls in flight; may be called from any thread.
  void abort();

 private:
  explicit Nccl(void* communicator) : communicator_(communicator) {}
  std::string call(const char* name, const std::function<int(void*)>& function);
  std::mutex mutex_;
  void* communicator_;  // null after abort
};

}  // namespace ingrain
