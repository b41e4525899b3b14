// Collectives through staging memory, for buffers that were not registered. Block i copies its slice to memory that
// other ranks can read, waits for block i of every other rank, and reads the slices of all ranks. Longer messages take
// several rounds.
#pragma once
#include "chunk_sums.h"

#include <algorithm>

namespace {

using ingrain::channels, ingrain::region_bytes;

constexpr int64_t least_slice = rank_threads * 16;  // bytes

__device__ __forceinline__ char* region_of(const PeerTable& table, int rank, uint32_t round) {
  return table.staging[rank] + (blockIdx.x * 2 + round % 2) * region_bytes;
}

// Divides the elements of this block into slices. Three steps follow for each slice. stage(region, first, count) fills
// a region of the staging buffer. The ranks wait for each other at the barrier. take(round, first, count) reads the
// regions of all ranks, where `round` is the number of the slice. Rounds r and r + 2 use the same region. A rank reads
// the regions of round r before it arrives at the barrier of round r + 1. A rank stages round r + 2 only after this
// barrier. So no rank still reads the region of round r.
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

template <class E, int W>
__global__ void __launch_bounds__(rank_threads)
    reduce(E* y, const float* partials, PeerTable table, int chunks, int64_t n, int64_t slice) {
  const int begin = static_cast<int>(threadIdx.x) * W, step = rank_threads * W;
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

// y (ranks, bytes) = the x of every rank, copied W bytes at a time.
template <int W>
__global__ void __launch_bounds__(rank_threads)
    gather(char* y, const char* x, PeerTable table, int64_t bytes, int64_t slice) {
  using Piece = Vec<unsigned char, W>;
  const int begin = static_cast<int>(threadIdx.x) * W, step = rank_threads * W;
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

// y (n) = this rank's slice of the sum over all ranks and chunks of partials (chunks, ranks·n).
template <class E, int W>
__global__ void __launch_bounds__(rank_threads)
    scatter(E* y, const float* partials, PeerTable table, int chunks, int64_t n, int64_t slice) {
  const int begin = static_cast<int>(threadIdx.x) * W, step = rank_threads * W, all = chunks * table.ranks;
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

// y (bytes) = the root's x, copied W bytes at a time.
template <int W>
__global__ void __launch_bounds__(rank_threads)
    spread(char* y, const char* x, PeerTable table, int64_t bytes, int64_t slice, int root) {
  using Piece = Vec<unsigned char, W>;
  const int begin = static_cast<int>(threadIdx.x) * W, step = rank_threads * W;
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

// A slice contains the same range of elements from every chunk. Returns the size of this range in bytes. `bytes` is the
// length of a whole chunk. A long message is divided among all channels, that is, thread blocks. A short message uses
// fewer channels, because a slice has at least `least_slice` bytes.
int64_t slice_bytes(int64_t bytes, int64_t chunks) {
  const int64_t even = ((bytes + channels - 1) / channels + 15) / 16 * 16, most = region_bytes / chunks / 16 * 16;
  return std::min(std::max(even, least_slice), most);
}

}  // namespace
