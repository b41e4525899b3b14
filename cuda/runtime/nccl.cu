// The functions and constants below are copied from nccl.h of NCCL 2 (docs.nvidia.com/deeplearning/nccl, "NCCL API").
// This interface is stable, so the build does not need nccl.h.
#include "nccl.h"

#include <dlfcn.h>

namespace ingrain {
namespace {

constexpr int success = 0;            // ncclResult_t
constexpr int uint8 = 1, float32 = 7;  // ncclDataType_t
constexpr int sum = 0;                // ncclRedOp_t

#ifdef INGRAIN_SIMT
constexpr const char* library_name = "libnccl_emulated.so";
#else
constexpr const char* library_name = "libnccl.so.2";
#endif

using Communicator = void*;

struct Functions {
  int (*ncclGetUniqueId)(NcclId*);
  int (*ncclCommInitRank)(Communicator*, int, NcclId, int);
  int (*ncclCommDestroy)(Communicator);
  int (*ncclCommAbort)(Communicator);
  const char* (*ncclGetErrorString)(int);
  int (*ncclAllReduce)(const void*, void*, size_t, int, int, Communicator, cudaStream_t);
  int (*ncclReduceScatter)(const void*, void*, size_t, int, int, Communicator, cudaStream_t);
  int (*ncclAllGather)(const void*, void*, size_t, int, Communicator, cudaStream_t);
  int (*ncclBroadcast)(const void*, void*, size_t, int, int, Communicator, cudaStream_t);
};

struct Library {
  Functions call{};
  std::string error;

  Library() {
    // NCCL stays loaded, because its threads may outlive its communicators.
    void* const handle = dlopen(library_name, RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
      error = std::string(library_name) + " was not found";
      return;
    }
#define INGRAIN_FIND(name) \
  if (call.name = reinterpret_cast<decltype(call.name)>(dlsym(handle, #name)); !call.name && error.empty()) \
  error = std::string(library_name) + " exports no " + #name
    INGRAIN_FIND(ncclGetUniqueId);
    INGRAIN_FIND(ncclCommInitRank);
    INGRAIN_FIND(ncclCommDestroy);
    INGRAIN_FIND(ncclCommAbort);
    INGRAIN_FIND(ncclGetErrorString);
    INGRAIN_FIND(ncclAllReduce);
    INGRAIN_FIND(ncclReduceScatter);
    INGRAIN_FIND(ncclAllGather);
    INGRAIN_FIND(ncclBroadcast);
#undef INGRAIN_FIND
  }
};

const Library& library() {
  static const Library opened;
  return opened;
}

std::string text(const char* what, int result) {
  return result == success ? "" : std::string(what) + ": " + library().call.ncclGetErrorString(result);
}

}  // namespace

std::string Nccl::make_id(NcclId* id) {
  if (!library().error.empty()) return library().error;
  return text("ncclGetUniqueId", library().call.ncclGetUniqueId(id));
}

std::unique_ptr<Nccl> Nccl::join(const NcclId& id, int ranks, int rank, std::string* reason) {
  Communicator made = nullptr;
  *reason = text("ncclCommInitRank", library().call.ncclCommInitRank(&made, ranks, id, rank));
  return reason->empty() ? std::unique_ptr<Nccl>(new Nccl(made)) : nullptr;
}

Nccl::~Nccl() {
  if (communicator_) library().call.ncclCommDestroy(communicator_);
}

void Nccl::abort() {
  const std::lock_guard lock(mutex_);
  if (communicator_) library().call.ncclCommAbort(communicator_);
  communicator_ = nullptr;
}

std::string Nccl::call(const char* name, const std::function<int(void*)>& function) {
  const std::lock_guard lock(mutex_);
  return communicator_ ? text(name, function(communicator_)) : std::string(name) + ": the communicator was destroyed";
}

std::string Nccl::all_reduce(float* y, const float* x, int64_t n, cudaStream_t stream) {
  return call("ncclAllReduce", [=](void* comm) {
    return library().call.ncclAllReduce(x, y, static_cast<size_t>(n), float32, sum, comm, stream);
  });
}

std::string Nccl::reduce_scatter(float* y, const float* x, int64_t n, cudaStream_t stream) {
  return call("ncclReduceScatter", [=](void* comm) {
    return library().call.ncclReduceScatter(x, y, static_cast<size_t>(n), float32, sum, comm, stream);
  });
}

std::string Nccl::all_gather(void* y, const void* x, int64_t bytes, cudaStream_t stream) {
  return call("ncclAllGather", [=](void* comm) {
    return library().call.ncclAllGather(x, y, static_cast<size_t>(bytes), uint8, comm, stream);
  });
}

std::string Nccl::broadcast(void* y, const void* x, int64_t bytes, int root, cudaStream_t stream) {
  return call("ncclBroadcast", [=](void* comm) {
    return library().call.ncclBroadcast(x, y, static_cast<size_t>(bytes), uint8, root, comm, stream);
  });
}

}  // namespace ingrain
