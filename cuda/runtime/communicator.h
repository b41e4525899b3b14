// Connects ranks, which are threads of one process. Each rank has a context; contexts may be on the same GPU or on
// different GPUs. Each rank exposes some memory to the other ranks, and kernels synchronise through flags in this
// memory. The host threads synchronise when all ranks make their first collective call, and when they register a
// buffer.
#pragma once
#include "meeting.h"
#include "context.h"
#include "nccl.h"

#include <atomic>
#include <vector>

namespace ingrain {

constexpr int32_t max_ranks = 16;
constexpr int64_t channels = 32;  // blocks of a collective; block i waits for block i of every other rank
constexpr int64_t region_bytes = 64 << 10;   // bytes that a channel stages in one round; two regions alternate

constexpr int64_t nccl_bytes = 1 << 20;

enum class Collective : uint32_t { all_reduce, all_gather, reduce_scatter, broadcast };

// Pinned words that kernels of all ranks read while they wait.
struct alignas(64) SharedWords {
  uint32_t ended;  // the communicator was destroyed, or a rank gave up
  uint64_t limit;  // nanoseconds that a kernel waits for another rank
};

// The reason why a kernel of a rank gave up. The kernel writes the reason to pinned memory, where the host reads it.
enum class Reason : uint32_t { none, ended, late, different };
struct alignas(64) Report {
  Reason reason;
  Collective op;
  uint32_t peers;  // bit r is set if rank r was late or made a different call
  int64_t bytes;
};

// The arguments of a kernel of one rank. A flag is (round << 32 | tag): the last round that a rank has reached, and the
// tag of the rank's call in that round. Tag 0 means that the rank gave up.
struct PeerTable {
  char* staging[max_ranks];        // of each rank: (channels, 2, region_bytes)
  uint64_t* flags[max_ranks];      // of each rank: (channels, max_ranks)
  const char* sources[max_ranks];  // in place: address of each rank's input
  char* results[max_ranks];        // in place: address of each rank's output
  uint32_t* rounds;                // (channels) this rank's last round
  SharedWords* words;
  Report* report;
  int64_t bytes;                   // bytes of the call, for the report
  Collective op;
  uint32_t tag;
  int32_t rank, ranks;
};

class Peers {
 public:
  explicit Peers(int32_t ranks);
  ~Peers();
  Peers(const Peers&) = delete;
  Peers& operator=(const Peers&) = delete;

  int32_t ranks() const { return meeting_.ranks(); }
  void set_limit(double seconds);
  // Allocates the memory that a rank exposes to the other ranks. A context that joins again keeps its earlier memory.
  ingrain_status allocate(ingrain_context* ctx, int32_t rank);
  // The first call waits until all ranks have joined, and then connects them. Sets *nccl to the NCCL communicator to
  // use, or to null if the kernels of this library must be used. NCCL is used in two cases: between devices without
  // peer access, and outside of captures for messages larger than nccl_bytes. NCCL is never used if a rank is
  // deterministic or two ranks share a device. Before an NCCL call the host threads of all ranks wait for each other,
  // so that no rank waits in NCCL for a rank that is late.
  ingrain_status route(ingrain_context* ctx, Collective op, int64_t bytes, Nccl** nccl);
  // Waits until the host threads of all ranks make the same call. Each thread then passes this call to NCCL.
  ingrain_status meet(ingrain_context* ctx, Call call);
  // Returns the first call that this context's rank passed to NCCL in a capture, and forgets it. If there was no such
  // call, the op of the result is null. The caller that launches the graph must call meet() first, as route() does
  // outside of graphs.
  Call take_captured(const ingrain_context* ctx);
  // Fills the table of this context's rank for a call. route() must have been called before.
  void table_of(const ingrain_context* ctx, Collective op, int64_t bytes, PeerTable* table);
  // A collective call. Exchanges the addresses of the buffers that the ranks pass.
  ingrain_status show(ingrain_context* ctx, void* pointer, int64_t bytes);
  // Ends all current and future waits, on the host and in kernels.
  void end();
  // Returns the error that a kernel of this context's rank reported, or INGRAIN_OK if there is none.
  ingrain_status check(ingrain_context* ctx);

 private:
  struct RankMemory {
    int device = 0;
    void* data = nullptr;
    const ingrain_context* owner = nullptr;
    std::atomic<bool> connected = false;
    bool deterministic = false;
    bool reaches = false;        // this rank can access the memory of all other ranks
    bool all_reach = false;      // every rank can access the memory of all other ranks
    std::unique_ptr<Nccl> nccl;  // null if NCCL is not used
    std::string no_nccl;         // the error that prevented the use of NCCL; empty if NCCL was not wanted
    Call last{};                 // the last call passed to NCCL
    Call captured{};             // the first call passed to NCCL in the present capture
    int64_t buffers = 0;  // number of buffers registered so far
  };
  // Enables access to the memory of a device if the hardware supports it; otherwise sets *reaches to false.
  static ingrain_status enable_peer(ingrain_context* ctx, int device, bool* reaches);
  // Returns whether NCCL must be opened: every rank has a device of its own, and no rank is deterministic.
  bool wants_nccl() const;
  bool connect_nccl(RankMemory& own, int32_t rank);
  ingrain_status connect(ingrain_context* ctx, Call call);
  ingrain_status refuse_ended(ingrain_context* ctx, Call call);
  // Returns the error of a rank whose kernel gave up because another rank was late or made a different call, else "".
  std::string cause_of(int32_t rank);

  Meeting meeting_;
  std::mutex mutex_;
  std::vector<RankMemory> memories_;  // until all ranks have joined, only rank r accesses entry r
  SharedWords* words_ = nullptr;      // pinned; behind it are the reports. Allocated by the first rank to join
  Report* reports_ = nullptr;
  NcclId nccl_id_{};                  // made by rank 0
  std::string no_nccl_id_;
  bool ended_ = false;
};

// Returns the registered buffer of the context's communicator that contains these bytes, or null if there is none. All
// ranks get the same result, because they register and free corresponding buffers.
const Shown* find_shown(const ingrain_context* ctx, const void* pointer, int64_t bytes);
// Removes a buffer from the registered buffers. Must be called before the buffer is freed.
void forget_shown(ingrain_context* ctx, const void* pointer);

}  // namespace ingrain
