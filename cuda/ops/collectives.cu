// collectives: communication between the ranks of a tensor-parallel model. A rank is a thread of this process with its
// own context.
//   all_reduce: y = Σ of the partials of all ranks: ranks in ascending order, chunks of a rank in ascending order
//   reduce_scatter: y = elements [rank·n, (rank + 1)·n) of all_reduce's y
//   all_gather: y = x of every rank, in ascending order of the ranks     broadcast: y = x of the root
// Shapes   all_reduce: partials (chunks, n), y (n) · reduce_scatter: partials (chunks, ranks·n), y (n) · all_gather:
//          x (n), y (ranks, n) · broadcast: x (n), y (n)
// Types    partials f32, y f32|bf16, sums f32; all_gather and broadcast: bytes
// Needs    every rank makes the same calls and allocates nothing between these calls. An allocation may wait until all
//          kernels of the device have ended, and one of these kernels may wait for another rank
// Mapping  registered buffers: in place (in_place.h). all_reduce of at most 256 KiB per rank: each rank computes all
//          sums (one shot). Larger all_reduce: each rank computes a share of the sums and writes it to all ranks (two
//          shots). Both variants add in the same order. Other buffers: staged (staged.h). NCCL computes the
//          collectives for which Peers::route chooses it, and adds in its own order.
//          Round counters are in device memory, so that graphs can be replayed
// Bound    latency, then NVLink: (ranks − 1)·chunks·n elements per rank with one shot, (chunks + 1)·n with two
// Oracle   native/ops/collectives.cc      Test CollectivesTest
#include "communicator.h"
#include "in_place.h"
#include "staged.h"

#include <initializer_list>

namespace {

using ingrain::Collective, ingrain::find_shown, ingrain::Nccl, ingrain::Shown;

constexpr int64_t one_shot_bytes = 256 << 10;

// y (n) = the sum over the chunks of this rank's partials (chunks, ld).
template <class E, int W>
__global__ void __launch_bounds__(rank_threads)
    add_chunks(E* y, const float* partials, int chunks, int64_t n, int64_t ld) {
  const int64_t i = (static_cast<int64_t>(blockIdx.x) * rank_threads + threadIdx.x) * W;
  if (i < n) put<E, W>(y + i, sum_in_order<W>(chunks, [&](int c) { return load<W>(partials + c * ld + i); }));
}

bool alone(const ingrain_context* ctx) { return !ctx->peers || ctx->peers->ranks() == 1; }

// Returns the tag of a call: an FNV-1a hash of its values, never 0. Ranks that make the same call get the same tag.
uint32_t tag_of_call(std::initializer_list<int64_t> values) {
  uint32_t hash = 2166136261u;
  for (int64_t value : values)
    for (int i = 0; i < 8; ++i) hash = (hash ^ static_cast<uint8_t>(value >> 8 * i)) * 16777619u;
  return hash ? hash : 1;
}

// Returns a number that identifies a registered buffer and an offset in it. The number is equal on all ranks; it is 0
// if `buffer` is null.
int64_t place_of(const ingrain_context* ctx, const Shown* buffer, const void* pointer) {
  if (!buffer) return 0;
  const int64_t offset = static_cast<const char*>(pointer) - buffer->at[static_cast<size_t>(ctx->rank)];
  return buffer->number ^ offset << 16;
}

// `pointer` is an address in this rank's registered buffer. For each rank, writes the corresponding address in that
// rank's buffer to `addresses`. The offset in the buffer increases by `step` bytes from each rank to the next.
template <class P>
void fill(P* addresses, const ingrain_context* ctx, const Shown* buffer, const void* pointer, int64_t step = 0) {
  if (!buffer) return;
  const int64_t offset =
      static_cast<const char*>(pointer) - buffer->at[static_cast<size_t>(ctx->rank)] - ctx->rank * step;
  for (size_t r = 0; r < buffer->at.size(); ++r)
    addresses[r] = buffer->at[r] + offset + static_cast<int64_t>(r) * step;
}

template <class... P> bool aligned(int64_t elements, int64_t multiple, const P*... pointers) {
  return elements % multiple == 0 && (... && (reinterpret_cast<uintptr_t>(pointers) % 16 == 0));
}

// Returns the number of blocks for an in-place collective. All ranks need the same number of blocks, so this number
// does not depend on the alignment of a rank's buffers.
unsigned blocks_in_place(int64_t bytes) {
  return static_cast<unsigned>(std::clamp<int64_t>(blocks_for(bytes, rank_threads * 16), 1, channels));
}

// The arguments of a call that computes y (n) = elements [first, first + n) of the sum of partials (chunks, ld) over
// all ranks and chunks.
struct Sum {
  Collective op;
  void* y;
  const float* partials;
  int64_t chunks, n, ld, first;

  int64_t bytes() const { return chunks * ld * static_cast<int64_t>(sizeof(float)); }
};

template <class E> ingrain_status start_in_place(ingrain_context* ctx, const Sum& s, PeerTable table, bool everywhere) {
  const bool wide = aligned(s.n, 4, s.y, s.partials) && s.ld % 4 == 0;
  const int width = wide ? 4 : 1, chunks = static_cast<int>(s.chunks);
  E* y = static_cast<E*>(s.y);
  if (!everywhere)
    return launch(wide ? sum_in_place<E, 4, false> : sum_in_place<E, 1, false>, blocks_in_place(s.n * 4),
                  rank_threads, 0, ctx, y, table, chunks, Share{s.first, s.n, s.ld});
  const int64_t part = (s.n / width + table.ranks - 1) / table.ranks * width, first = std::min(s.n, table.rank * part);
  return launch(wide ? sum_in_place<E, 4, true> : sum_in_place<E, 1, true>, blocks_in_place(s.n * 4 / table.ranks),
                rank_threads, 0, ctx, y, table, chunks, Share{first, std::min(part, s.n - first), s.ld});
}

template <class E> ingrain_status start_staged(ingrain_context* ctx, const Sum& s, const PeerTable& table) {
  constexpr int64_t size = sizeof(float);
  const bool wide = aligned(s.n, 4, s.y, s.partials);
  const bool scattered = s.op == Collective::reduce_scatter;
  const int64_t slice = slice_bytes(s.n * size, scattered ? s.chunks * table.ranks : s.chunks) / size;
  const unsigned blocks = std::min<unsigned>(channels, blocks_for(s.n, slice));
  const auto kernel = scattered ? (wide ? scatter<E, 4> : scatter<E, 1>) : (wide ? reduce<E, 4> : reduce<E, 1>);
  return launch(kernel, blocks, rank_threads, 0, ctx, static_cast<E*>(s.y), s.partials, table,
                static_cast<int>(s.chunks), s.n, slice);
}

template <class E>
ingrain_status start_alone(ingrain_context* ctx, E* y, const float* partials, int64_t chunks, int64_t n, int64_t ld) {
  const bool wide = aligned(n, 4, y, partials) && ld % 4 == 0;
  return launch(wide ? add_chunks<E, 4> : add_chunks<E, 1>, blocks_for(n, rank_threads * (wide ? 4 : 1)), rank_threads,
                0, ctx, y, partials, static_cast<int>(chunks), n, ld);
}

ingrain_status nccl_status(ingrain_context* ctx, const std::string& failure) {
  return failure.empty() ? INGRAIN_OK : refuse(ctx, INGRAIN_DEVICE_ERROR, "%s", failure.c_str());
}

// Computes the sum with NCCL in f32. A kernel writes the sum of this rank's chunks to the workspace, NCCL adds the sums
// of all ranks, and a kernel converts the result to E. An all_reduce that is larger than the workspace is done in
// several pieces.
template <class E> ingrain_status sum_by_nccl(ingrain_context* ctx, const Sum& s, Nccl& nccl) {
  E* const y = static_cast<E*>(s.y);
  float* const scratch = static_cast<float*>(ctx->workspace);
  const int64_t most = ctx->workspace_bytes / static_cast<int64_t>(sizeof(float)) / 4 * 4;
  const bool scattered = s.op == Collective::reduce_scatter;
  if constexpr (std::is_same_v<E, float>)
    if (scattered && s.chunks == 1) return nccl_status(ctx, nccl.reduce_scatter(y, s.partials, s.n, ctx->stream));
  if (scattered && s.ld > most)
    return refuse(ctx, INGRAIN_UNSUPPORTED, "reduce_scatter of %ld elements by NCCL, expected at most %ld",
                  static_cast<long>(s.ld), static_cast<long>(most));
  for (int64_t at = 0; at < s.ld; at += most) {
    const int64_t count = std::min(most, s.ld - at), own = scattered ? s.n : count;
    float* const total = scratch + (scattered ? s.first : 0);
    if (ingrain_status status = start_alone(ctx, scratch, s.partials + at, s.chunks, count, s.ld)) return status;
    const std::string failure = scattered ? nccl.reduce_scatter(total, scratch, s.n, ctx->stream)
                                          : nccl.all_reduce(scratch, scratch, count, ctx->stream);
    if (ingrain_status status = nccl_status(ctx, failure)) return status;
    if (ingrain_status status = start_alone(ctx, y + at, total, 1, own, own)) return status;
  }
  return INGRAIN_OK;
}

ingrain_status sum(ingrain_context* ctx, const char* name, const Sum& s, int32_t dtype) {
  const int64_t most = region_bytes / 16 / (s.ld / std::max<int64_t>(s.n, 1) + (s.n == 0));
  if (s.chunks < 1 || s.chunks > most)
    return refuse(ctx, INGRAIN_UNSUPPORTED, "%s: %ld chunks, expected 1 to %ld", name, static_cast<long>(s.chunks),
                  static_cast<long>(most));
  return with_dtype(ctx, dtype, [&]<class E>() {
    if (alone(ctx)) return start_alone(ctx, static_cast<E*>(s.y), s.partials, s.chunks, s.n, s.ld);
    Nccl* nccl = nullptr;
    if (ingrain_status status = ctx->peers->route(ctx, s.op, s.bytes(), &nccl)) return status;
    if (nccl) return sum_by_nccl<E>(ctx, s, *nccl);
    PeerTable table{};
    ctx->peers->table_of(ctx, s.op, s.bytes(), &table);
    const Shown* const in = find_shown(ctx, s.partials, s.bytes());
    const Shown* const out =
        s.op == Collective::all_reduce ? find_shown(ctx, s.y, s.n * static_cast<int64_t>(sizeof(E))) : nullptr;
    const bool everywhere = in && out && s.bytes() > one_shot_bytes;
    table.tag = tag_of_call({static_cast<int64_t>(s.op), dtype, s.chunks, s.n, place_of(ctx, in, s.partials),
                             everywhere ? place_of(ctx, out, s.y) : 0});
    fill(table.sources, ctx, in, s.partials);
    fill(table.results, ctx, out, s.y);
    return in ? start_in_place<E>(ctx, s, table, everywhere) : start_staged<E>(ctx, s, table);
  });
}

}  // namespace

extern "C" ingrain_status ingrain_all_reduce(ingrain_context* ctx, void* y, const float* partials, int32_t dtype,
                                             int64_t chunks, int64_t n) {
  return sum(ctx, "all_reduce", {Collective::all_reduce, y, partials, chunks, n, n, 0}, dtype);
}
INGRAIN_EXPORT_OP(all_reduce)

extern "C" ingrain_status ingrain_reduce_scatter(ingrain_context* ctx, void* y, const float* partials, int32_t dtype,
                                                 int64_t chunks, int64_t n) {
  const int64_t ranks = alone(ctx) ? 1 : ctx->peers->ranks();
  return sum(ctx, "reduce_scatter", {Collective::reduce_scatter, y, partials, chunks, n, ranks * n, ctx->rank * n},
             dtype);
}
INGRAIN_EXPORT_OP(reduce_scatter)

extern "C" ingrain_status ingrain_all_gather(ingrain_context* ctx, void* y, const void* x, int64_t bytes) {
  if (alone(ctx)) return y == x ? INGRAIN_OK : ingrain_copy(ctx, y, x, bytes);
  Nccl* nccl = nullptr;
  if (ingrain_status status = ctx->peers->route(ctx, Collective::all_gather, bytes, &nccl)) return status;
  if (nccl) return nccl_status(ctx, nccl->all_gather(y, x, bytes, ctx->stream));
  PeerTable table{};
  ctx->peers->table_of(ctx, Collective::all_gather, bytes, &table);
  const Shown* const in = find_shown(ctx, x, bytes);
  // If x is this rank's part of y, the offset of x in the buffer increases by `step` bytes from each rank to the next.
  const int64_t step = static_cast<const char*>(x) == static_cast<char*>(y) + ctx->rank * bytes ? bytes : 0;
  const int64_t place = place_of(ctx, in, static_cast<const char*>(x) - ctx->rank * step);
  const bool wide = aligned(bytes, 16, y, x);
  char* const to = static_cast<char*>(y);
  table.tag = tag_of_call({static_cast<int64_t>(Collective::all_gather), bytes, place, step});
  if (in) {
    fill(table.sources, ctx, in, x, step);
    return launch(wide ? copy_in_place<16> : copy_in_place<1>, blocks_in_place(bytes), rank_threads, 0, ctx, to, table,
                  bytes, 0, table.ranks);
  }
  const int64_t slice = slice_bytes(bytes, 1);
  return launch(wide ? gather<16> : gather<1>, std::min<unsigned>(channels, blocks_for(bytes, slice)), rank_threads, 0,
                ctx, to, static_cast<const char*>(x), table, bytes, slice);
}
INGRAIN_EXPORT_OP(all_gather)

extern "C" ingrain_status ingrain_broadcast(ingrain_context* ctx, void* y, const void* x, int64_t bytes, int32_t root) {
  const int32_t ranks = alone(ctx) ? 1 : ctx->peers->ranks();
  if (root < 0 || root >= ranks)
    return refuse(ctx, INGRAIN_INVALID_ARGUMENT, "broadcast: root %d, expected 0 to %d", root, ranks - 1);
  if (alone(ctx)) return y == x ? INGRAIN_OK : ingrain_copy(ctx, y, x, bytes);
  Nccl* nccl = nullptr;
  if (ingrain_status status = ctx->peers->route(ctx, Collective::broadcast, bytes, &nccl)) return status;
  if (nccl) return nccl_status(ctx, nccl->broadcast(y, x, bytes, root, ctx->stream));
  PeerTable table{};
  ctx->peers->table_of(ctx, Collective::broadcast, bytes, &table);
  const Shown* const in = find_shown(ctx, x, bytes);
  const bool wide = aligned(bytes, 16, y, x);
  char* const to = static_cast<char*>(y);
  table.tag = tag_of_call({static_cast<int64_t>(Collective::broadcast), bytes, root, place_of(ctx, in, x)});
  if (in) {
    fill(table.sources, ctx, in, x);
    return launch(wide ? copy_in_place<16> : copy_in_place<1>, blocks_in_place(bytes), rank_threads, 0, ctx, to, table,
                  bytes, root, root + 1);
  }
  const int64_t slice = slice_bytes(bytes, 1);
  return launch(wide ? spread<16> : spread<1>, std::min<unsigned>(channels, blocks_for(bytes, slice)), rank_threads, 0,
                ctx, to, static_cast<const char*>(x), table, bytes, slice, root);
}
INGRAIN_EXPORT_OP(broadcast)
