// Collectives that read and write the ranks' own registered buffers. At the beginning, block i of every rank waits for
// block i of all other ranks. After this wait, the kernels of all ranks have started, so all inputs are complete and
// all outputs may be overwritten. At the end the blocks wait for each other again. After this second wait, all reads
// and writes are done, so the next work of each stream may start.
#pragma once
#include "chunk_sums.h"

namespace {

// Runs work() between the barriers at the beginning and at the end.
template <class Work> __device__ __forceinline__ void between_meetings(const PeerTable& table, const Work& work) {
  const uint32_t round = table.rounds[blockIdx.x];
  if (barrier(table, round + 1)) {
    work();
    barrier(table, round + 2);
  }
  if (threadIdx.x == 0) table.rounds[blockIdx.x] = round + 2;
}

// The range [first, first + count) of elements that one rank computes. Each element is a sum over partials (chunks,
// ld).
struct Share {
  int64_t first, count, ld;
};

// If `Everywhere` is false (one shot), each rank computes all sums that it needs and writes them to y (count). If
// `Everywhere` is true (two shots), each rank computes the sums of its share and writes them to the result of every
// rank.
template <class E, int W, bool Everywhere>
__global__ void __launch_bounds__(rank_threads) sum_in_place(E* y, PeerTable table, int chunks, Share share) {
  between_meetings(table, [&] {
    const int64_t step = static_cast<int64_t>(gridDim.x) * rank_threads * W;
    for (int64_t i = (static_cast<int64_t>(blockIdx.x) * rank_threads + threadIdx.x) * W; i < share.count; i += step) {
      const Vec<float, W> total = sum_in_order<W>(table.ranks * chunks, [&](int k) {
        const float* part = reinterpret_cast<const float*>(table.sources[k / chunks]) + k % chunks * share.ld;
        return load_shown(reinterpret_cast<const Vec<float, W>*>(part + share.first + i));
      });
      if constexpr (Everywhere) {
        for (int r = 0; r < table.ranks; ++r)  // each rank begins with its own result, which spreads the writes
          put<E, W>(reinterpret_cast<E*>(table.results[(table.rank + r) % table.ranks]) + share.first + i, total);
      } else {
        put<E, W>(y + i, total);
      }
    }
  });
}

// y (end - begin, bytes) = the inputs of ranks [begin, end), copied W bytes at a time.
template <int W>
__global__ void __launch_bounds__(rank_threads)
    copy_in_place(char* y, PeerTable table, int64_t bytes, int begin, int end) {
  using Piece = Vec<unsigned char, W>;
  between_meetings(table, [&] {
    const int64_t step = static_cast<int64_t>(gridDim.x) * rank_threads * W;
    for (int r = 0; r < end - begin; ++r) {
      const int from = begin + (table.rank + r) % (end - begin);
      char* const to = y + (from - begin) * bytes;
      if (to == table.sources[from]) continue;
      for (int64_t i = (static_cast<int64_t>(blockIdx.x) * rank_threads + threadIdx.x) * W; i < bytes; i += step)
        *reinterpret_cast<Piece*>(to + i) = load_shown(reinterpret_cast<const Piece*>(table.sources[from] + i));
    }
  });
}

}  // namespace
