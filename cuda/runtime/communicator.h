// Ranks that are threads of one process, each with a context on a GPU, the same or another: the memory that each of
// them exposes to the others. Kernels synchronise through flags in that memory; the host threads synchronise once, when
// every rank makes its first collective call.
#pragma once
#include "meeting.h"
#include "context.h"

#include <vector>

namespace ingrain {

constexpr int32_t max_ranks = 16;
constexpr int64_t channels = 32;  // blocks of a collective: each meets the block of its number on the other ranks
constexpr int64_t region_bytes = 64 << 10;   // what a channel of a rank stages in one round; two regions, used in turn

// What a kernel of one rank needs to know.
struct PeerTable {
  char* staging[max_ranks];    // of each rank: (channels, 2, region_bytes)
  uint32_t* flags[max_ranks];  // of each rank: (channels, max_ranks) the last round that a rank has staged
  uint32_t* rounds;            // (channels) this rank's last round
  uint32_t* ended;             // (1) pinned: the communicator was destroyed
  uint32_t* missed;            // (1) pinned: a kernel of this rank gave up waiting for the others
  int32_t rank, ranks;
};

class Peers {
 public:
  explicit Peers(int32_t ranks) : meeting_(ranks), memories_(static_cast<size_t>(ranks)) {}
  ~Peers();
  Peers(const Peers&) = delete;
  Peers& operator=(const Peers&) = delete;

  int32_t ranks() const { return meeting_.ranks(); }
  // Allocates what a rank exposes to the others; a context that comes back finds its own again.
  ingrain_status allocate(ingrain_context* ctx, int32_t rank);
  // The table of this context's rank. Its first call waits until every rank has joined and made its own.
  ingrain_status table_of(ingrain_context* ctx, PeerTable* table);
  // Ends every wait, now and later, on the host and in kernels.
  void end();
  // Whether a kernel of this rank gave up its wait.
  bool missed(int32_t rank);

 private:
  struct RankMemory {
    int device = 0;
    void* data = nullptr;
    const ingrain_context* owner = nullptr;
    bool connected = false;
  };
  static ingrain_status enable_peer(ingrain_context* ctx, int device);
  uint32_t* word(int32_t index);

  Meeting meeting_;
  std::mutex mutex_;
  std::vector<RankMemory> memories_;  // each entry is its rank's own until all have joined
  uint32_t* words_ = nullptr;    // pinned: ended, then missed of each rank; made by the first who joins
  bool ended_ = false;
};

// Loads the kernels of the collectives on the current device: a kernel's first launch may wait for all work there, and
// so for a rank that waits for this one. cuda/ops/collectives.cu
cudaError_t load_collectives();

// Sets the context's error to why the communicator ended.
ingrain_status communicator_ended(ingrain_context* ctx);

}  // namespace ingrain
