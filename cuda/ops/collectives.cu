// collectives: communication between the ranks of a tensor-parallel model; a rank is a thread of this process with its
// own context.
//   all_reduce: y = Σ over ranks, then chunks, of partials      all_gather: y = every rank's x, concatenated
//   reduce_scatter: y = this rank's slice of that sum           broadcast: y = the root's x
// Shapes   partials (chunks, n or ranks·n) f32 · y (n), or (ranks, n)
// Types    y f32|bf16, sums f32; all_gather and broadcast: bytes
// Needs    every rank makes the same calls and allocates nothing between them: an allocation may wait for the device,
//          and so for who spins
// Mapping  one shot: a block stages its slice where the others can read it, says so, waits for the block of its number
//          on every rank, reads them all; longer messages in rounds. The round's number lives on the device: a graph
//          may be replayed
// Bound    latency, then NVLink: (ranks − 1)·chunks·n elements a rank (no NCCL: its order of summation is another)
// Oracle   native/ops/collectives.cc      Test CollectivesTest
#include "rank_barrier.h"
#include "dtype.h"

#include <algorithm>

namespace {

using ingrain::channels, ingrain::PeerTable, ingrain::region_bytes;

constexpr int threads = 256, in_flight = 8;
constexpr int64_t least_slice = threads * 16;  // bytes

// stage(region, first, count), then take(region of a rank, first, count), for each slice of this block's channel. Two
// regions in turn: a rank that stages round r + 2 has passed the barrier of round r + 1, so none still reads round
// r.
template <class Stage, class Take>
__device__ void rounds(const PeerTable& table, int64_t n, int64_t slice, const Stage& stage, const Take& take) {
  uint32_t round = table.rounds[blockIdx.x];
  for (int64_t first = blockIdx.x * slice; first < n; first += gridDim.x * slice) {
    const int count = static_cast<int>(n - first < slice ? n - first : slice);
    ++round;
    stage(region_of(table, table.rank, round), first, count);
    if (!barrier(table, round)) return;
    take(round, first, count);
  }
  if (threadIdx.x == 0) table.rounds[blockIdx.x] = round;
}

// The sum of `parts` vectors, part(k) where the kth lies, k ascending; several are on their way at once.
template <int W, class Part> __device__ __forceinline__ Vec<float, W> sum_in_order(int parts, const Part& part) {
  Vec<float, W> total, next[in_flight];
  for (int k = 0; k < parts; k += in_flight) {
#pragma unroll
    for (int j = 0; j < in_flight; ++j)
      if (k + j < parts) next[j] = part(k + j);
#pragma unroll
    for (int j = 0; j < in_flight; ++j)
      if (k + j < parts)
#pragma unroll
        for (int i = 0; i < W; ++i) total.v[i] = k + j == 0 ? next[j].v[i] : total.v[i] + next[j].v[i];
  }
  return total;
}

template <class E, int W> __device__ __forceinline__ void put(E* y, const Vec<float, W>& x) {
  Vec<E, W> out;
#pragma unroll
  for (int i = 0; i < W; ++i) out.v[i] = from_float<E>(x.v[i]);
  store(y, out);
}

template <class E, int W>
__global__ void __launch_bounds__(threads)
    reduce(E* y, const float* partials, PeerTable table, int chunks, int64_t n, int64_t slice) {
  const int begin = static_cast<int>(threadIdx.x) * W, step = threads * W;
  rounds(table, n, slice,
         [&](char* region, int64_t first, int count) {
           for (int c = 0; c < chunks; ++c)
             for (int i = begin; i < count; i += step)
               store(reinterpret_cast<float*>(region) + c * slice + i, load<W>(partials + c * n + first + i));
         },
         [&](uint32_t round, int64_t first, int count) {
           for (int i = begin; i < count; i += step)
             put<E, W>(y + first + i, sum_in_order<W>(table.ranks * chunks, [&](int k) {
               const float* region = reinterpret_cast<const float*>(region_of(table, k / chunks, round));
               return load_shown(reinterpret_cast<const Vec<float, W>*>(region + k % chunks * slice + i));
             }));
         });
}

// The same where there is one rank.
template <class E, int W>
__global__ void __launch_bounds__(threads) reduce_alone(E* y, const float* partials, int chunks, int64_t n) {
  const int64_t i = (static_cast<int64_t>(blockIdx.x) * threads + threadIdx.x) * W;
  if (i < n) put<E, W>(y + i, sum_in_order<W>(chunks, [&](int c) { return load<W>(partials + c * n + i); }));
}

// W bytes at a time.
template <int W>
__global__ void __launch_bounds__(threads)
    gather(char* y, const char* x, PeerTable table, int64_t bytes, int64_t slice) {
  using Piece = Vec<unsigned char, W>;
  const int begin = static_cast<int>(threadIdx.x) * W, step = threads * W;
  rounds(
      table, bytes, slice,
      [&](char* region, int64_t first, int count) {
        for (int i = begin; i < count; i += step)
          *reinterpret_cast<Piece*>(region + i) = *reinterpret_cast<const Piece*>(x + first + i);
      },
      [&](uint32_t round, int64_t first, int count) {
        for (int r = 0; r < table.ranks; ++r)
          for (int i = begin; i < count; i += step)
            *reinterpret_cast<Piece*>(y + r * bytes + first + i) =
                load_shown(reinterpret_cast<const Piece*>(region_of(table, r, round) + i));
      });
}

// y (n) of each rank: its slice of the sum of partials (chunks, ranks·n).
template <class E, int W>
__global__ void __launch_bounds__(threads)
    scatter(E* y, const float* partials, PeerTable table, int chunks, int64_t n, int64_t slice) {
  const int begin = static_cast<int>(threadIdx.x) * W, step = threads * W, all = chunks * table.ranks;
  rounds(table, n, slice,
         [&](char* region, int64_t first, int count) {
           for (int k = 0; k < all; ++k)
             for (int i = begin; i < count; i += step)
               store(reinterpret_cast<float*>(region) + k * slice + i, load<W>(partials + k * n + first + i));
         },
         [&](uint32_t round, int64_t first, int count) {
           for (int i = begin; i < count; i += step)
             put<E, W>(y + first + i, sum_in_order<W>(all, [&](int k) {
               const float* region = reinterpret_cast<const float*>(region_of(table, k / chunks, round));
               const int part = k % chunks * table.ranks + table.rank;
               return load_shown(reinterpret_cast<const Vec<float, W>*>(region + part * slice + i));
             }));
         });
}

// W bytes at a time, of the root's x.
template <int W>
__global__ void __launch_bounds__(threads)
    spread(char* y, const char* x, PeerTable table, int64_t bytes, int64_t slice, int root) {
  using Piece = Vec<unsigned char, W>;
  const int begin = static_cast<int>(threadIdx.x) * W, step = threads * W;
  rounds(
      table, bytes, slice,
      [&](char* region, int64_t first, int count) {
        for (int i = table.rank == root ? begin : count; i < count; i += step)
          *reinterpret_cast<Piece*>(region + i) = *reinterpret_cast<const Piece*>(x + first + i);
      },
      [&](uint32_t round, int64_t first, int count) {
        for (int i = begin; i < count; i += step)
          *reinterpret_cast<Piece*>(y + first + i) =
              load_shown(reinterpret_cast<const Piece*>(region_of(table, root, round) + i));
      });
}

// How long a slice is, in bytes a chunk: all channels at work where the message is long enough, else as few as there is
// work for.
int64_t slice_bytes(int64_t bytes, int64_t chunks) {
  const int64_t even = ((bytes + channels - 1) / channels + 15) / 16 * 16, most = region_bytes / chunks / 16 * 16;
  return std::min(std::max(even, least_slice), most);
}

bool alone(const ingrain_context* ctx) { return !ctx->peers || ctx->peers->ranks() == 1; }

}  // namespace

cudaError_t ingrain::load_collectives() {
  cudaFuncAttributes of{};
  for (auto kernel : {reduce<float, 4>, reduce<float, 1>})
    if (cudaError_t error = cudaFuncGetAttributes(&of, kernel)) return error;
  for (auto kernel : {reduce<bf16, 4>, reduce<bf16, 1>})
    if (cudaError_t error = cudaFuncGetAttributes(&of, kernel)) return error;
  for (auto kernel : {scatter<float, 4>, scatter<float, 1>})
    if (cudaError_t error = cudaFuncGetAttributes(&of, kernel)) return error;
  for (auto kernel : {scatter<bf16, 4>, scatter<bf16, 1>})
    if (cudaError_t error = cudaFuncGetAttributes(&of, kernel)) return error;
  for (auto kernel : {gather<16>, gather<1>})
    if (cudaError_t error = cudaFuncGetAttributes(&of, kernel)) return error;
  for (auto kernel : {spread<16>, spread<1>})
    if (cudaError_t error = cudaFuncGetAttributes(&of, kernel)) return error;
  return cudaSuccess;
}

extern "C" ingrain_status ingrain_all_reduce(ingrain_context* ctx, void* y, const float* partials, int32_t dtype,
                                             int64_t chunks, int64_t n) {
  if (chunks < 1 || chunks > region_bytes / 16)
    return refuse(ctx, INGRAIN_UNSUPPORTED, "all_reduce: %ld chunks, expected 1 to %ld", static_cast<long>(chunks),
                  static_cast<long>(region_bytes / 16));
  PeerTable table{};
  if (!alone(ctx))
    if (ingrain_status status = ctx->peers->table_of(ctx, &table)) return status;
  return with_dtype(ctx, dtype, [&]<class E>() {
    const bool wide =
        n % 4 == 0 && reinterpret_cast<uintptr_t>(y) % 16 == 0 && reinterpret_cast<uintptr_t>(partials) % 16 == 0;
    const int parts = static_cast<int>(chunks);
    E* out = static_cast<E*>(y);
    if (alone(ctx))
      return launch(wide ? reduce_alone<E, 4> : reduce_alone<E, 1>, blocks_for(n, threads * (wide ? 4 : 1)), threads, 0,
                    ctx, out, partials, parts, n);
    const int64_t slice =
        slice_bytes(n * static_cast<int64_t>(sizeof(float)), chunks) / static_cast<int64_t>(sizeof(float));
    const unsigned blocks = std::min<unsigned>(channels, blocks_for(n, slice));
    return launch(wide ? reduce<E, 4> : reduce<E, 1>, blocks, threads, 0, ctx, out, partials, table, parts, n, slice);
  });
}
INGRAIN_EXPORT_OP(all_reduce)

extern "C" ingrain_status ingrain_all_gather(ingrain_context* ctx, void* y, const void* x, int64_t bytes) {
  if (alone(ctx)) return ingrain_copy(ctx, y, x, bytes);
  PeerTable table{};
  if (ingrain_status status = ctx->peers->table_of(ctx, &table)) return status;
  const bool wide =
      bytes % 16 == 0 && reinterpret_cast<uintptr_t>(y) % 16 == 0 && reinterpret_cast<uintptr_t>(x) % 16 == 0;
  const int64_t slice = slice_bytes(bytes, 1);
  const unsigned blocks = std::min<unsigned>(channels, blocks_for(bytes, slice));
  return launch(wide ? gather<16> : gather<1>, blocks, threads, 0, ctx, static_cast<char*>(y),
                static_cast<const char*>(x), table, bytes, slice);
}
INGRAIN_EXPORT_OP(all_gather)

// Through all_reduce's and all_gather's kernels: every rank stages all that any rank needs.
extern "C" ingrain_status ingrain_reduce_scatter(ingrain_context* ctx, void* y, const float* partials, int32_t dtype,
                                                 int64_t chunks, int64_t n) {
  if (alone(ctx)) return ingrain_all_reduce(ctx, y, partials, dtype, chunks, n);
  PeerTable table{};
  if (ingrain_status status = ctx->peers->table_of(ctx, &table)) return status;
  const int64_t all = chunks * table.ranks;
  if (chunks < 1 || all > region_bytes / 16)
    return refuse(ctx, INGRAIN_UNSUPPORTED, "reduce_scatter: %ld chunks, expected 1 to %ld", static_cast<long>(chunks),
                  static_cast<long>(region_bytes / 16 / table.ranks));
  return with_dtype(ctx, dtype, [&]<class E>() {
    const bool wide =
        n % 4 == 0 && reinterpret_cast<uintptr_t>(y) % 16 == 0 && reinterpret_cast<uintptr_t>(partials) % 16 == 0;
    const int64_t slice =
        slice_bytes(n * static_cast<int64_t>(sizeof(float)), all) / static_cast<int64_t>(sizeof(float));
    const unsigned blocks = std::min<unsigned>(channels, blocks_for(n, slice));
    return launch(wide ? scatter<E, 4> : scatter<E, 1>, blocks, threads, 0, ctx, static_cast<E*>(y), partials, table,
                  static_cast<int>(chunks), n, slice);
  });
}
INGRAIN_EXPORT_OP(reduce_scatter)

extern "C" ingrain_status ingrain_broadcast(ingrain_context* ctx, void* y, const void* x, int64_t bytes, int32_t root) {
  const int32_t ranks = alone(ctx) ? 1 : ctx->peers->ranks();
  if (root < 0 || root >= ranks)
    return refuse(ctx, INGRAIN_INVALID_ARGUMENT, "broadcast: root %d, expected 0 to %d", root, ranks - 1);
  if (alone(ctx)) return y == x ? INGRAIN_OK : ingrain_copy(ctx, y, x, bytes);
  PeerTable table{};
  if (ingrain_status status = ctx->peers->table_of(ctx, &table)) return status;
  const bool wide =
      bytes % 16 == 0 && reinterpret_cast<uintptr_t>(y) % 16 == 0 && reinterpret_cast<uintptr_t>(x) % 16 == 0;
  const int64_t slice = slice_bytes(bytes, 1);
  const unsigned blocks = std::min<unsigned>(channels, blocks_for(bytes, slice));
  return launch(wide ? spread<16> : spread<1>, blocks, threads, 0, ctx, static_cast<char*>(y),
                static_cast<const char*>(x), table, bytes, slice, root);
}
INGRAIN_EXPORT_OP(broadcast)
