#include "communicator.h"

#include "fallback.h"
#include "preload.h"

#include <utility>

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

// Atomic access to words that kernels read or change at the same time.
template <class T> T load_word(const T& word) {
  return std::atomic_ref<T>(const_cast<T&>(word)).load(std::memory_order_acquire);
}
template <class T> void store_word(T& word, std::type_identity_t<T> value) {
  std::atomic_ref<T>(word).store(value, std::memory_order_release);
}

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
  if (words_) store_word(words_->limit, nanoseconds_of(seconds));
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

ingrain_status Peers::enable_peer(ingrain_context* ctx, int device, bool* reaches) {
  if (device == ctx->device) return INGRAIN_OK;
  int can = 0;
  if (ingrain_status status = cuda_status(ctx, cudaDeviceCanAccessPeer(&can, ctx->device, device), "communicator"))
    return status;
  *reaches = *reaches && can;
  if (!can) return INGRAIN_OK;
  const cudaError_t error = cudaDeviceEnablePeerAccess(device, 0);
  if (error != cudaErrorPeerAccessAlreadyEnabled) return cuda_status(ctx, error, "communicator");
  cudaGetLastError();
  return INGRAIN_OK;
}

bool Peers::wants_nccl() const {
  for (size_t r = 0; r < memories_.size(); ++r) {
    if (memories_[r].deterministic) return false;
    for (size_t other = 0; other < r; ++other)
      if (memories_[other].device == memories_[r].device) return false;  // NCCL allows one rank per device
  }
  return true;
}

// Returns false if the meeting of the ranks has ended (meeting.h).
bool Peers::connect_nccl(RankMemory& own, int32_t rank) {
  if (rank == 0) no_nccl_id_ = Nccl::make_id(&nccl_id_);
  if (!meeting_.release(rank)) return false;
  own.no_nccl = no_nccl_id_;
  if (own.no_nccl.empty()) own.nccl = Nccl::join(nccl_id_, ranks(), rank, &own.no_nccl);
  if (!meeting_.release(rank)) return false;
  std::string reason;
  for (const RankMemory& memory : memories_)
    if (!memory.nccl) reason = memory.no_nccl;
  if (!meeting_.release(rank)) return false;
  if (reason.empty()) return true;
  own.nccl.reset();
  own.no_nccl = reason;
  return true;
}

ingrain_status Peers::connect(ingrain_context* ctx, Call call) {
  RankMemory& own = memories_[static_cast<size_t>(ctx->rank)];
  if (own.connected) return INGRAIN_OK;
  own.deterministic = ctx->deterministic;
  if (!meeting_.publish(ctx->rank, &own, call)) return refuse_ended(ctx, call);
  ingrain_status status = cuda_status(ctx, ctx->use(), "communicator");
  own.reaches = status == INGRAIN_OK;
  for (size_t r = 0; r < memories_.size() && status == INGRAIN_OK; ++r)
    status = enable_peer(ctx, memories_[r].device, &own.reaches);
  if (!meeting_.release(ctx->rank)) return refuse_ended(ctx, call);
  if (status != INGRAIN_OK) return status;
  own.all_reach = true;
  for (const RankMemory& memory : memories_) own.all_reach = own.all_reach && memory.reaches;
  const bool wanted = wants_nccl();
  if (wanted && !connect_nccl(own, ctx->rank)) return refuse_ended(ctx, call);
  if (!own.all_reach && !own.nccl)
    return refuse(ctx, INGRAIN_UNSUPPORTED,
                  "%s: not all devices of the ranks can access each other's memory, and NCCL cannot be used: %s",
                  meeting_.name(ctx->rank).c_str(),
                  wanted ? own.no_nccl.c_str() : "its sums have no fixed order, and it needs a device for each rank");
  own.connected = true;
  return INGRAIN_OK;
}

ingrain_status Peers::route(ingrain_context* ctx, Collective op, int64_t bytes, Nccl** nccl) {
  const Call call = call_of(op, bytes);
  *nccl = nullptr;
  if (ingrain_status status = connect(ctx, call)) return status;
  if (load_word(words_->ended)) return refuse_ended(ctx, call);
  RankMemory& own = memories_[static_cast<size_t>(ctx->rank)];
  if (own.all_reach && bytes <= nccl_bytes) return INGRAIN_OK;
  if (!own.nccl) {
    if (!own.no_nccl.empty())
      note_fallback(ctx, (std::string(call.op) + " over 1 MiB without NCCL: " + own.no_nccl).c_str());
    return INGRAIN_OK;
  }
  cudaStreamCaptureStatus capturing = cudaStreamCaptureStatusNone;
  if (ingrain_status status = cuda_status(ctx, cudaStreamIsCapturing(ctx->stream, &capturing), call.op)) return status;
  if (own.all_reach && capturing != cudaStreamCaptureStatusNone) return INGRAIN_OK;
  if (ingrain_status status = meet(ctx, call)) return status;
  if (capturing != cudaStreamCaptureStatusNone && !own.captured.op) own.captured = call;
  *nccl = own.nccl.get();
  return INGRAIN_OK;
}

ingrain_status Peers::meet(ingrain_context* ctx, Call call) {
  if (!meeting_.publish(ctx->rank, nullptr, call)) return refuse_ended(ctx, call);
  memories_[static_cast<size_t>(ctx->rank)].last = call;
  return INGRAIN_OK;
}

Call Peers::take_captured(const ingrain_context* ctx) {
  return std::exchange(memories_[static_cast<size_t>(ctx->rank)].captured, {});
}

void Peers::table_of(const ingrain_context* ctx, Collective op, int64_t bytes, PeerTable* table) {
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
}

ingrain_status Peers::show(ingrain_context* ctx, void* pointer, int64_t bytes) {
  const Call call{"communicator_register", bytes};
  if (ingrain_status status = connect(ctx, call)) return status;
  if (!memories_[static_cast<size_t>(ctx->rank)].all_reach) return INGRAIN_OK;  // only NCCL is used
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
  if (words_) store_word(words_->ended, 1);
  for (RankMemory& memory : memories_)
    if (memory.connected && memory.nccl) memory.nccl->abort();
}

std::string Peers::cause_of(int32_t rank) {
  if (!reports_) return {};
  const Reason reason = load_word(reports_[rank].reason);
  if (reason != Reason::late && reason != Reason::different) return {};
  const Report& of = reports_[rank];
  std::string names;
  for (int32_t r = 0; r < ranks(); ++r)
    if (of.peers >> r & 1) names += (names.empty() ? "" : ", ") + meeting_.name(r);
  return meeting_.name(rank) + ": " + text_of(call_of(of.op, of.bytes)) + ": " + names +
         (reason == Reason::different ? " made a different call"
                                      : " did not come within " + seconds_text(meeting_.limit()) + " s");
}

ingrain_status Peers::check(ingrain_context* ctx) {
  const Report& own = reports_[ctx->rank];
  if (const Call last = memories_[static_cast<size_t>(ctx->rank)].last;
      last.op && load_word(words_->ended))
    return refuse_ended(ctx, last);  // NCCL's call was aborted
  if (load_word(own.reason) == Reason::none) return INGRAIN_OK;
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

// A handle. The contexts that joined share ownership of the memory that the ranks expose to each other. So a rank can
// still read this memory after the communicator has been destroyed.
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
