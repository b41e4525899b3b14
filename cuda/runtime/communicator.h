// Ranks that are threads of one process, each with a context on a GPU, the same or another: the memory that each of
// them exposes to the others. Kernels synchronise through flags in that memory. The host threads synchronise when all
// ranks make their first collective call, and when they register a buffer.
#pragma once
#include "meeting.h"
#include "context.h"
#include "nccl.h"

#include <atomic>
#include <vector>

namespace ingrain {

constexpr int32_t max_ranks = 16;
constexpr int64_t channels = 32;  // blocks of a collective: each meets the block of its number on the other ranks
constexpr int64_t region_bytes = 64 << 10;   // what a channel of a rank stages in one round; two regions, used in turn

constexpr int64_t nccl_bytes = 1 << 20;

enum class Collective : uint32_t { all_reduce, all_gather, reduce_scatter, broadcast };

// Pinned words that kernels of all ranks read while they wait.
struct alignas(64) SharedWords {
  uint32_t ended;  // the communicator was destroyed, or a rank gave up
  uint64_t limit;  // nanoseconds that a kernel waits for another rank
};

// Why a kernel of a rank gave up; pinned, written by the kernel, read by the host.
enum class Reason : uint32_t { none, ended, late, different };
struct alignas(64) Report {
  Reason reason;
  Collective op;
  uint32_t peers;  // a bit for each rank that was late, or made another call
  int64_t bytes;
};

// What a kernel of one rank needs to know. A flag is (round << 32 | tag of the call): the last round that a rank has
// reached, and what it called. Tag 0: the rank gave up.
struct PeerTable {
  char* staging[max_ranks];        // of each rank: (channels, 2, region_bytes)
  uint64_t* flags[max_ranks];      // of each rank: (channels, max_ranks)
  const char* sources[max_ranks];  // in place: where each rank's input lies
  char* results[max_ranks];        // in place: where each rank's output lies
  uint32_t* rounds;                // (channels) this rank's last round
  SharedWords* words;
  Report* report;
  int64_t bytes;                   // of the call, for its report
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
  // Allocates what a rank exposes to the others; a context that comes back finds its own again.
  ingrain_status allocate(ingrain_context* ctx, int32_t rank);
  // Connects the ranks at the first call, which waits until all have joined. nccl: what to call instead of our kernels,
  // or null. It is used between devices without peer access, and for messages over nccl_bytes outside of captures,
  // unless a rank is deterministic. The hosts then meet, so that no rank waits in NCCL for one that is late.
  ingrain_status route(ingrain_context* ctx, Collective op, int64_t bytes, Nccl** nccl);
  // The table of this context's rank for a call, after route.
  void table_of(const ingrain_context* ctx, Collective op, int64_t bytes, PeerTable* table);
  // Exchanges the addresses of a buffer with the other ranks.
  ingrain_status show(ingrain_context* ctx, void* pointer, int64_t bytes);
  // Ends every wait, now and later, on the host and in kernels.
  void end();
  // OK, or the error that a kernel of this context's rank reported.
  ingrain_status check(ingrain_context* ctx);

 private:
  struct RankMemory {
    int device = 0;
    void* data = nullptr;
    const ingrain_context* owner = nullptr;
    std::atomic<bool> connected = false;
    bool deterministic = false;
    bool reaches = false;        // can access the memory of all other ranks
    bool all_reach = false;      // all ranks can
    std::unique_ptr<Nccl> nccl;  // null if it is not used; then the reason, or an empty text if it is not wanted
    std::string no_nccl;
    Call last{};                 // given to NCCL
    int64_t buffers = 0;  // registered so far
  };
  // Enables access to a device's memory where the hardware has it.
  static ingrain_status enable_peer(ingrain_context* ctx, int device, bool* reaches);
  // Whether NCCL is to be opened: every rank has a device of its own, and none is deterministic.
  bool wants_nccl() const;
  bool connect_nccl(RankMemory& own, int32_t rank);
  ingrain_status connect(ingrain_context* ctx, Call call);
  ingrain_status refuse_ended(ingrain_context* ctx, Call call);
  // The error of a rank whose kernel gave up, because another rank was late or made another call; else empty.
  std::string cause_of(int32_t rank);

  Meeting meeting_;
  std::mutex mutex_;
  std::vector<RankMemory> memories_;  // each entry is its rank's own until all have joined
  SharedWords* words_ = nullptr;      // pinned, with the reports of all ranks behind it; made by the first who joins
  Report* reports_ = nullptr;
  NcclId nccl_id_{};                  // made by rank 0
  std::string no_nccl_id_;
  bool ended_ = false;
};

// The registered buffer of the context's communicator that contains these bytes; null if there is none. The answer is
// the same on every rank, since ranks register and free corresponding buffers.
const Shown* find_shown(const ingrain_context* ctx, const void* pointer, int64_t bytes);
// Called before a buffer is freed.
void forget_shown(ingrain_context* ctx, const void* pointer);

}  // namespace ingrain
