#include "communicator.h"

namespace ingrain {

namespace {

constexpr size_t staging_bytes = 2 * channels * region_bytes;
constexpr size_t flag_bytes = channels * max_ranks * sizeof(uint32_t), round_bytes = channels * sizeof(uint32_t);
constexpr int words_apart = 16;  // a rank's word has a cache line of its own

}  // namespace

Peers::~Peers() {
  for (const RankMemory& memory : memories_)
    if (memory.data && cudaSetDevice(memory.device) == cudaSuccess) cudaFree(memory.data);
  if (words_) cudaFreeHost(words_);
}

uint32_t* Peers::word(int32_t index) { return words_ + index * words_apart; }

ingrain_status Peers::allocate(ingrain_context* ctx, int32_t rank) {
  std::lock_guard lock(mutex_);
  RankMemory& memory = memories_[static_cast<size_t>(rank)];
  if (memory.data && memory.owner == ctx) return INGRAIN_OK;
  if (memory.data)
    return refuse(ctx, INGRAIN_INVALID_ARGUMENT, "rank %d: another context has joined as this rank", rank);
  if (ingrain_status status = cuda_status(ctx, ctx->use(), "communicator_join")) return status;
  if (ingrain_status status = cuda_status(ctx, load_collectives(), "communicator_join")) return status;
  if (!words_) {
    const size_t bytes = static_cast<size_t>(words_apart * (1 + ranks())) * sizeof(uint32_t);
    void* words = nullptr;
    if (ingrain_status status = cuda_status(ctx, cudaMallocHost(&words, bytes), "communicator_join")) return status;
    memset(words, 0, bytes);
    words_ = static_cast<uint32_t*>(words);
    *words_ = ended_;
  }
  if (ingrain_status status =
          cuda_status(ctx, cudaMalloc(&memory.data, staging_bytes + flag_bytes + round_bytes), "communicator_join"))
    return status;
  memory.device = ctx->device;
  memory.owner = ctx;
  char* flags = static_cast<char*>(memory.data) + staging_bytes;
  if (ingrain_status status = ingrain_fill_zero(ctx, flags, flag_bytes + round_bytes)) return status;
  return ingrain_synchronize(ctx);
}

ingrain_status Peers::enable_peer(ingrain_context* ctx, int device) {
  if (device == ctx->device) return INGRAIN_OK;
  int can = 0;
  if (ingrain_status status = cuda_status(ctx, cudaDeviceCanAccessPeer(&can, ctx->device, device), "communicator"))
    return status;
  if (!can)
    return refuse(ctx, INGRAIN_UNSUPPORTED, "device %d cannot read the memory of device %d: ranks need peer access",
                  ctx->device, device);
  const cudaError_t error = cudaDeviceEnablePeerAccess(device, 0);
  if (error != cudaErrorPeerAccessAlreadyEnabled) return cuda_status(ctx, error, "communicator");
  cudaGetLastError();
  return INGRAIN_OK;
}

ingrain_status Peers::table_of(ingrain_context* ctx, PeerTable* table) {
  RankMemory& own = memories_[static_cast<size_t>(ctx->rank)];
  if (!own.connected) {
    if (!meeting_.publish(ctx->rank, &own)) return communicator_ended(ctx);
    ingrain_status status = cuda_status(ctx, ctx->use(), "communicator");
    for (size_t r = 0; r < memories_.size() && status == INGRAIN_OK; ++r)
      status = enable_peer(ctx, memories_[r].device);
    if (!meeting_.release()) return communicator_ended(ctx);
    if (status != INGRAIN_OK) return status;
    own.connected = true;
  }
  if (*static_cast<volatile uint32_t*>(word(0))) return communicator_ended(ctx);
  for (size_t r = 0; r < memories_.size(); ++r) {
    table->staging[r] = static_cast<char*>(memories_[r].data);
    table->flags[r] = reinterpret_cast<uint32_t*>(table->staging[r] + staging_bytes);
  }
  table->rounds = reinterpret_cast<uint32_t*>(table->staging[ctx->rank] + staging_bytes + flag_bytes);
  table->ended = word(0);
  table->missed = word(1 + ctx->rank);
  table->rank = ctx->rank;
  table->ranks = ranks();
  return INGRAIN_OK;
}

void Peers::end() {
  meeting_.end();
  std::lock_guard lock(mutex_);
  ended_ = true;
  if (words_) *static_cast<volatile uint32_t*>(words_) = 1;
}

bool Peers::missed(int32_t rank) { return *static_cast<volatile uint32_t*>(word(1 + rank)); }

ingrain_status communicator_ended(ingrain_context* ctx) {
  return refuse(ctx, INGRAIN_DEVICE_ERROR,
                "rank %d: the communicator was destroyed: another rank failed, or did not come within 60 s", ctx->rank);
}

ingrain_status check_ranks(ingrain_context* ctx) {
  return ctx->peers && ctx->peers->missed(ctx->rank) ? communicator_ended(ctx) : INGRAIN_OK;
}

}  // namespace ingrain

// A handle: contexts that joined keep the memory that ranks show each other, so that whoever still reads it may.
struct ingrain_communicator {
  std::shared_ptr<ingrain::Peers> peers;
};

extern "C" {

ingrain_status ingrain_communicator_create(ingrain_communicator** communicator, int32_t ranks) {
  *communicator = nullptr;
  if (ranks < 1 || ranks > ingrain::max_ranks) return INGRAIN_INVALID_ARGUMENT;
  *communicator = new ingrain_communicator{std::make_shared<ingrain::Peers>(ranks)};
  return INGRAIN_OK;
}

ingrain_status ingrain_communicator_destroy(ingrain_communicator* communicator) {
  communicator->peers->end();
  delete communicator;
  return INGRAIN_OK;
}

ingrain_status ingrain_communicator_join(ingrain_context* ctx, ingrain_communicator* communicator, int32_t rank) {
  if (rank < 0 || rank >= communicator->peers->ranks())
    return refuse(ctx, INGRAIN_INVALID_ARGUMENT, "rank %d: expected 0 to %d", rank, communicator->peers->ranks() - 1);
  if (ingrain_status status = ingrain_synchronize(ctx)) return status;
  if (ingrain_status status = communicator->peers->allocate(ctx, rank)) return status;
  ctx->peers = communicator->peers;
  ctx->rank = rank;
  return INGRAIN_OK;
}

}  // extern "C"
