// collectives: what the ranks of a tensor-parallel model tell one another; a rank is a thread of this process with its
// own context.
//   all_reduce: y = Σ over ranks, then chunks, of partials      all_gather: y = every rank's x, one behind the other
// Shapes   partials (chunks, n) f32 · y (n), or (ranks, n)      Types  y f32|bf16 (all_gather: bytes), sums f32
// Needs    every rank makes the same calls and allocates nothing between them: an allocation may wait for the device,
//          and so for who spins
// Mapping  one shot: a block stages its slice where the others can read it, says so, waits for the block of its number
//          on every rank, reads them all; longer messages in rounds. The round's number lives on the device: a graph
//          may be replayed
// Bound    latency, then NVLink: (ranks − 1)·chunks·n elements a rank (no NCCL: its order of summation is another)
// Oracle   native/ops/collectives.cc      Test CollectivesTest
#include "communicator.h"
#include "dtype.h"

#include <algorithm>
#include <type_traits>

namespace {

using ingrain::channels, ingrain::max_ranks, ingrain::PeerTable, ingrain::region_bytes;

constexpr int threads = 256, in_flight = 8;
constexpr int64_t least_slice = threads * 16;  // bytes
constexpr uint64_t patience = 60'000'000'000;  // ns that a rank waits for another

// Words that other devices and the host change while a kernel looks at them.
__device__ __forceinline__ uint32_t load_acquire(const uint32_t* p) {
#ifdef INGRAIN_SIMT
  return __atomic_load_n(p, __ATOMIC_ACQUIRE);
#else
  uint32_t x;
  asm volatile("ld.acquire.sys.global.u32 %0, [%1];" : "=r"(x) : "l"(p) : "memory");
  return x;
#endif
}
__device__ __forceinline__ void store_release(uint32_t* p, uint32_t x) {
#ifdef INGRAIN_SIMT
  __atomic_store_n(p, x, __ATOMIC_RELEASE);
#else
  asm volatile("st.release.sys.global.u32 [%0], %1;" ::"l"(p), "r"(x) : "memory");
#endif
}

// Nanoseconds of a clock that all multiprocessors share.
__device__ __forceinline__ uint64_t now() {
#ifdef INGRAIN_SIMT
  return simt::nanoseconds();
#else
  uint64_t ns;
  asm volatile("mov.u64 %0, %globaltimer;" : "=l"(ns));
  return ns;
#endif
}

// From L2 or another device, never from this SM's own cache, which may hold the round before last.
template <class T> __device__ __forceinline__ T load_shown(const T* p) {
  using Bits = std::conditional_t<sizeof(T) == 16, uint4, std::conditional_t<sizeof(T) == 4, unsigned, unsigned char>>;
  static_assert(sizeof(Bits) == sizeof(T));
  const Bits bits = __ldcg(reinterpret_cast<const Bits*>(p));
  T x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

__device__ __forceinline__ char* region_of(const PeerTable& table, int rank, uint32_t round) {
  return table.staging[rank] + (blockIdx.x * 2 + round % 2) * region_bytes;
}

// Tells every rank that this block has staged its round, and waits for theirs. False where the communicator was
// destroyed, or a rank does not arrive in time: then all ranks give up.
__device__ bool barrier(const PeerTable& table, uint32_t round) {
  __threadfence_system();
  __syncthreads();
  bool arrived = true;
  const int peer = static_cast<int>(threadIdx.x);
  if (peer < table.ranks && peer != table.rank) {
    store_release(table.flags[peer] + blockIdx.x * max_ranks + table.rank, round);
    const uint32_t* flag = table.flags[table.rank] + blockIdx.x * max_ranks + peer;
    const uint64_t begin = now();
    for (unsigned spins = 1; arrived && static_cast<int32_t>(load_acquire(flag) - round) < 0; ++spins) {
      if (spins > 64) __nanosleep(40);
      if (spins % 256 == 0) arrived = !load_acquire(table.ended) && now() - begin < patience;
    }
    if (!arrived) store_release(table.missed, 1), store_release(table.ended, 1);
  }
  return __syncthreads_and(arrived);
}

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
  for (auto kernel : {gather<16>, gather<1>})
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
