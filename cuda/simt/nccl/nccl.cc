// An emulated NCCL that computes in host memory, for tests. A collective is an item of work in the stream of each rank.
// The item waits for the other ranks and then computes the result of its rank. A sum adds the ranks' values from the
// last rank to the first, so that its rounding differs from that of the kernels in cuda/. A test can set the calls that
// fail.
#include <cuda_runtime.h>

#include <atomic>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

namespace {

constexpr int success = 0, system_error = 2, invalid_usage = 5;
constexpr int uint8 = 1, float32 = 7;

struct Id { char bytes[128]; };

// The calls that fail: 0 none, 1 ncclGetUniqueId, 2 ncclCommInitRank of the last rank, 3 every collective.
std::atomic<int> refused{0};
std::atomic<int64_t> collectives{0};  // collectives started since the last call of the script function

struct Group {
  explicit Group(int ranks) : sources(static_cast<size_t>(ranks)), devices(static_cast<size_t>(ranks), -1) {}
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<const void*> sources;
  std::vector<int> devices;
  int arrived = 0;
  uint64_t round = 0;
  bool aborted = false;

  bool meet() {
    std::unique_lock lock(mutex);
    if (aborted) return false;
    const uint64_t now = round;
    if (++arrived == static_cast<int>(sources.size())) {
      arrived = 0;
      ++round;
      changed.notify_all();
    }
    changed.wait(lock, [&] { return round != now || aborted; });
    return round != now;
  }
};

struct Comm {
  std::shared_ptr<Group> group;
  int rank;
};

std::mutex groups_mutex;
std::map<int, std::weak_ptr<Group>> groups;
int next_group = 0;

// Enqueues compute(group), which runs when all ranks have arrived at this collective.
int enqueue(Comm* comm, const void* source, cudaStream_t stream, std::function<void(const Group&)> compute) {
  if (refused == 3) return system_error;
  ++collectives;
  const cudaError_t error = simt::enqueue(stream, [group = comm->group, rank = comm->rank, source, compute] {
    group->sources[static_cast<size_t>(rank)] = source;
    if (!group->meet()) return;
    compute(*group);
    group->meet();
  });
  return error == cudaSuccess ? success : system_error;
}

// Returns elements [first, first + n) of the sum over all ranks. Must be called before any rank writes its y, because y
// may be a source.
std::vector<float> sum(const Group& group, size_t first, size_t n) {
  std::vector<float> total(n);
  for (size_t r = group.sources.size(); r-- > 0;)
    for (size_t i = 0; i < n; ++i) total[i] += static_cast<const float*>(group.sources[r])[first + i];
  return total;
}

}  // namespace

#define API extern "C" __attribute__((visibility("default")))

API void emulated_nccl_script(int32_t what) {
  refused = what;
  collectives = 0;
}
API int64_t emulated_nccl_collectives() { return collectives; }

API int ncclGetUniqueId(Id* id) {
  if (refused == 1) return system_error;
  std::lock_guard lock(groups_mutex);
  const int number = ++next_group;
  *id = {};
  memcpy(id->bytes, &number, sizeof number);
  return success;
}

API int ncclCommInitRank(Comm** comm, int ranks, Id id, int rank) {
  int number = 0;
  memcpy(&number, id.bytes, sizeof number);
  std::shared_ptr<Group> group;
  {
    std::lock_guard lock(groups_mutex);
    group = groups[number].lock();
    if (!group) groups[number] = group = std::make_shared<Group>(ranks);
  }
  int device = 0;
  cudaGetDevice(&device);
  group->devices[static_cast<size_t>(rank)] = device;
  if (!group->meet()) return system_error;
  for (int r = 0; r < ranks; ++r)
    if (r != rank && group->devices[static_cast<size_t>(r)] == device) return invalid_usage;  // as NCCL does
  if (refused == 2 && rank == ranks - 1) return system_error;
  *comm = new Comm{group, rank};
  return success;
}

API int ncclCommDestroy(Comm* comm) { return delete comm, success; }
API int ncclCommAbort(Comm* comm) {
  {
    std::lock_guard lock(comm->group->mutex);
    comm->group->aborted = true;
    comm->group->changed.notify_all();
  }
  return delete comm, success;
}
API const char* ncclGetErrorString(int result) {
  return result == success ? "no error" : result == invalid_usage ? "invalid usage" : "unhandled system error";
}

API int ncclAllReduce(const void* x, void* y, size_t n, int type, int, Comm* comm, cudaStream_t stream) {
  if (type != float32) return invalid_usage;
  return enqueue(comm, x, stream, [=, group = comm->group](const Group& all) {
    const std::vector<float> total = sum(all, 0, n);
    if (group->meet()) memcpy(y, total.data(), n * sizeof(float));
  });
}
API int ncclReduceScatter(const void* x, void* y, size_t n, int type, int, Comm* comm, cudaStream_t stream) {
  if (type != float32) return invalid_usage;
  return enqueue(comm, x, stream, [=, group = comm->group, rank = static_cast<size_t>(comm->rank)](const Group& all) {
    const std::vector<float> total = sum(all, rank * n, n);
    if (group->meet()) memcpy(y, total.data(), n * sizeof(float));
  });
}
API int ncclAllGather(const void* x, void* y, size_t n, int type, Comm* comm, cudaStream_t stream) {
  if (type != uint8) return invalid_usage;
  return enqueue(comm, x, stream, [=](const Group& all) {
    for (size_t r = 0; r < all.sources.size(); ++r) memmove(static_cast<char*>(y) + r * n, all.sources[r], n);
  });
}
API int ncclBroadcast(const void* x, void* y, size_t n, int type, int root, Comm* comm, cudaStream_t stream) {
  if (type != uint8) return invalid_usage;
  return enqueue(comm, x, stream,
                 [=](const Group& all) { memmove(y, all.sources[static_cast<size_t>(root)], n); });
}
