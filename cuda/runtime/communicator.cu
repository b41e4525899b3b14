#include "communicator.h"

#include "preload.h"

namespace ingrain {

namespace {

constexpr size_t staging_bytes = 2 * channels * region_bytes;
constexpr size_t flag_bytes = channels * max_ranks * sizeof(uint64_t), round_bytes = channels * sizeof(uint32_t);
constexpr double default_limit = 60;  // seconds

#ifdef INGRAIN_SIMT
constexpr const char* backend = "simt:";
#else
constexpr const char* backend = "cuda:";
#endif

uint64_t nanoseconds_of(double seconds) { return static_cast<uint64_t>(seconds * 1e9); }

Call call_of(Collective op, int64_t bytes) {
  constexpr const char* names[] = {"all_reduce", "all_gather", "reduce_scatter", "broadcast"};
  return {names[static_cast<uint32_t>(op)], bytes};
}

}  // namespace

Peers::Peers(int32_t ranks) : meeting_(ranks, default_limit), memories_(static_cast<size_t>(ranks)) {}

Peers::~Peers() {
  for (const RankMemory& memory : memories_)
    if (memory.data && cudaSetDevice(memory.device) == cudaSuccess) cudaFree(memory.data);
  if (words_) cudaFreeHost(words_);
}

void Peers::set_limit(double seconds) {
  meeting_.set_limit(seconds);
  std::lock_guard lock(mutex_);
  if (words_) static_cast<volatile SharedWords*>(words_)->limit = nanoseconds_of(seconds);
}

ingrain_status Peers::allocate(ingrain_context* ctx, int32_t rank) {
  std::lock_guard lock(mutex_);
  RankMemory& memory = memories_[static_cast<size_t>(rank)];
  if (memory.data && memory.owner == ctx) return INGRAIN_OK;
  if (memory.data)
    return refuse(ctx, INGRAIN_INVALID_ARGUMENT, "rank %d: another context has joined as this rank", rank);
  if (ingrain_status status = cuda_status(ctx, ctx->use(), "communicator_join")) return status;
  if (ingrain_status status = cuda_status(ctx, preload_kernels(), "communicator_join")) return status;
  if (!words_) {
    const size_t bytes = sizeof(SharedWords) + static_cast<size_t>(ranks()) * sizeof(Report);
    void* words = nullptr;
    if (ingrain_status status = cuda_status(ctx, cudaMallocHost(&words, bytes), "communicator_join")) return status;
    memset(words, 0, bytes);
    words_ = static_cast<SharedWords*>(words);
    reports_ = reinterpret_cast<Report*>(words_ + 1);
    words_->ended = ended_;
    words_->limit = nanoseconds_of(meeting_.limit());
  }
  if (ingrain_status status =
          cuda_status(ctx, cudaMalloc(&memory.data, staging_bytes + flag_bytes + round_bytes), "communicator_join"))
    return status;
  memory.device = ctx->device;
  memory.owner = ctx;
  meeting_.set_device(rank, backend + std::to_string(ctx->device));
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

ingrain_status Peers::connect(ingrain_context* ctx, Call call) {
  RankMemory& own = memories_[static_cast<size_t>(ctx->rank)];
  if (own.connected) return INGRAIN_OK;
  if (!meeting_.publish(ctx->rank, &own, call)) return refuse_ended(ctx, call);
  ingrain_status status = cuda_status(ctx, ctx->use(), "communicator");
  for (size_t r = 0; r < memories_.size() && status == INGRAIN_OK; ++r) status = enable_peer(ctx, memories_[r].device);
  if (!meeting_.release(ctx->rank)) return refuse_ended(ctx, call);
  own.connected = status == INGRAIN_OK;
  return status;
}

ingrain_status Peers::table_of(ingrain_context* ctx, Collective op, int64_t bytes, PeerTable* table) {
  if (ingrain_status status = connect(ctx, call_of(op, bytes))) return status;
  if (static_cast<volatile SharedWords*>(words_)->ended) {
    if (ingrain_status status = check(ctx)) return status;
    return refuse_ended(ctx, call_of(op, bytes));
  }
  for (size_t r = 0; r < memories_.size(); ++r) {
    table->staging[r] = static_cast<char*>(memories_[r].data);
    table->flags[r] = reinterpret_cast<uint64_t*>(table->staging[r] + staging_bytes);
  }
  table->rounds = reinterpret_cast<uint32_t*>(table->staging[ctx->rank] + staging_bytes + flag_bytes);
  table->words = words_;
  table->report = reports_ + ctx->rank;
  table->bytes = bytes;
  table->op = op;
  table->rank = ctx->rank;
  table->ranks = ranks();
  return INGRAIN_OK;
}

ingrain_status Peers::show(ingrain_context* ctx, void* pointer, int64_t bytes) {
  const Call call{"communicator_register", bytes};
  if (ingrain_status status = connect(ctx, call)) return status;
  if (!meeting_.publish(ctx->rank, pointer, call)) return refuse_ended(ctx, call);
  Shown buffer{ctx->peers, bytes, ++memories_[static_cast<size_t>(ctx->rank)].buffers, {}};
  for (int32_t r = 0; r < ranks(); ++r) buffer.at.push_back(static_cast<char*>(const_cast<void*>(meeting_.of(r))));
  ctx->shown.push_back(std::move(buffer));
  return meeting_.release(ctx->rank) ? INGRAIN_OK : refuse_ended(ctx, call);
}

void Peers::end() {
  meeting_.end({});
  std::lock_guard lock(mutex_);
  ended_ = true;
  if (words_) static_cast<volatile SharedWords*>(words_)->ended = 1;
}

std::string Peers::cause_of(int32_t rank) {
  if (!reports_) return {};
  const Reason reason = const_cast<const volatile Report&>(reports_[rank]).reason;
  if (reason != Reason::late && reason != Reason::different) return {};
  const Report& of = reports_[rank];
  std::string names;
  for (int32_t r = 0; r < ranks(); ++r)
    if (of.peers >> r & 1) names += (names.empty() ? "" : ", ") + meeting_.name(r);
  return meeting_.name(rank) + ": " + text_of(call_of(of.op, of.bytes)) + ": " + names +
         (reason == Reason::different ? " made another call"
                                      : " did not come within " + seconds_text(meeting_.limit()) + " s");
}

ingrain_status Peers::check(ingrain_context* ctx) {
  const Report& own = reports_[ctx->rank];
  if (const_cast<const volatile Report&>(own).reason == Reason::none) return INGRAIN_OK;
  return refuse_ended(ctx, call_of(own.op, own.bytes));
}

ingrain_status Peers::refuse_ended(ingrain_context* ctx, Call call) {
  for (int32_t r = 0; r < ranks(); ++r)
    if (const std::string cause = cause_of(r); !cause.empty()) meeting_.end(cause);
  return refuse(ctx, INGRAIN_DEVICE_ERROR, "%s", meeting_.failure(ctx->rank, call).c_str());
}

ingrain_status check_ranks(ingrain_context* ctx) { return ctx->peers ? ctx->peers->check(ctx) : INGRAIN_OK; }

const Shown* find_shown(const ingrain_context* ctx, const void* pointer, int64_t bytes) {
  const char* const at = static_cast<const char*>(pointer);
  for (const Shown& buffer : ctx->shown) {
    const char* const own = buffer.at[static_cast<size_t>(ctx->rank)];
    if (at >= own && at + bytes <= own + buffer.bytes && buffer.peers.lock() == ctx->peers) return &buffer;
  }
  return nullptr;
}

void forget_shown(ingrain_context* ctx, const void* pointer) {
  std::erase_if(ctx->shown, [&](const Shown& buffer) { return buffer.at[static_cast<size_t>(ctx->rank)] == pointer; });
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

ingrain_status ingrain_communicator_set_limit(ingrain_communicator* communicator, float seconds) {
  if (!(seconds > 0)) return INGRAIN_INVALID_ARGUMENT;
  communicator->peers->set_limit(seconds);
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

ingrain_status ingrain_communicator_register(ingrain_context* ctx, void* pointer, int64_t bytes) {
  return ctx->peers && ctx->peers->ranks() > 1 ? ctx->peers->show(ctx, pointer, bytes) : INGRAIN_OK;
}

}  // extern "C"
