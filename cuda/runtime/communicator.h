// Ranks that are threads of one process, each with a context on a GPU, the same or another: the memory that each of
// them shows the others. The kernels meet through flags in that memory; the host meets once, when every rank makes its
// first collective call.
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
  uint32_t* missed;            // (1) pinned: this rank went home without having met the others
  int32_t rank, ranks;
};

class Peers {
 public:
  explicit Peers(int32_t ranks) : meeting_(ranks), seats_(static_cast<size_t>(ranks)) {}
  ~Peers();
  Peers(const Peers&) = delete;
  Peers& operator=(const Peers&) = delete;

  int32_t ranks() const { return meeting_.ranks(); }
  // Allocates what a rank shows the others.
  ingrain_status sit(ingrain_context* ctx, int32_t rank);
  // The table of this context's rank. Its first call waits until every rank has joined and made its own.
  ingrain_status meet(ingrain_context* ctx, PeerTable* table);
  // Sends home everybody who waits now or later, on the host or in a kernel.
  void end();
  // Whether a kernel of this rank was sent home.
  bool missed(int32_t rank);

 private:
  struct Seat {
    int device = 0;
    void* memory = nullptr;
    bool met = false;
  };
  static ingrain_status reach(ingrain_context* ctx, int device);
  uint32_t* word(int32_t index);

  Meeting meeting_;
  std::mutex mutex_;
  std::vector<Seat> seats_;      // a seat's fields are its rank's until the meeting
  uint32_t* words_ = nullptr;    // pinned: ended, then missed of each rank; made by the first who joins
  bool ended_ = false;
};

// Loads the kernels of the collectives on the current device: a kernel's first launch may wait for all work there, and
// so for a rank that waits for this one. cuda/ops/collectives.cu
cudaError_t load_collectives();

// Why a rank stands alone, as its context's error.
ingrain_status sent_home(ingrain_context* ctx);

}  // namespace ingrain
