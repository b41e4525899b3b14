// Loads tiles of keys and values from the paged cache for the tensor core. Asynchronous copies alternate between two
// stages of shared memory. If the cache is fp8, a further pass converts the elements of a stage to bf16.
#pragma once
#include "flash.h"
#include "paged_plan.h"

constexpr int paged_threads = plan_threads, paged_warps = paged_threads / 32;

// The shared memory of a block; the plan is stored after it. keys_ is the number of keys per tile: 64, or 32 on a
// device with too little shared memory.
template <class C, int EP, int keys_> struct PagedShared {
  static constexpr int row_bytes = EP * sizeof(C) + 16, keys = keys_;
  static constexpr bool wide = sizeof(C) == 1;
  alignas(16) char stage[2][2][keys * row_bytes];                               // [stage][keys, values]
  alignas(16) bf16 widened[wide ? 2 : 1][wide ? keys * tile_stride<EP> : 8];   // [keys, values]
  float total[EP / 8 * 4][paged_threads];  // o over the chunks so far, for rows that are not split
  alignas(16) bf16 weights[16 * (keys + 8)];  // (16, keys), used if the warps share 16 rows
  float maxima[paged_warps][16];
  int64_t runs[2][chunk_keys / 16];  // for two chunks: the byte offset in the cache of each group of 16 keys
  int slot[tile_rows], position[tile_rows];  // slot and position of each token of the tile
  int last[tile_rows];  // nonzero if this block merges the chunks of the token
  int scratch[plan_threads / 32];
};

template <class C, int EP, int keys> class PagedTiles {
  using Shared = PagedShared<C, EP, keys>;

 public:
  __device__ PagedTiles(Shared& shared, const char* cache, const CacheShape& shape, const int32_t* table, int kv, int E,
                        int limit)
      : shared_(shared), cache_(cache), shape_(shape), table_(table), kv_(kv),
        units_(E * static_cast<int>(sizeof(C)) / 16), limit_(limit) {}

  // Writes the cache offsets of a chunk's keys to `runs`. Other threads may read them after a barrier.
  __device__ void find(int chunk) {
    if (threadIdx.x >= chunk_keys / 16) return;
    const int64_t key = static_cast<int64_t>(chunk) * chunk_keys + 16 * threadIdx.x;
    shared_.runs[chunk % 2][threadIdx.x] =
        key < limit_ ? shape_.key(table_[key / shape_.block_size], kv_, key % shape_.block_size) : 0;
  }

  // Starts the asynchronous copies of a tile: one copy group for the keys and one for the values. Keys and values at
  // positions >= limit become 0, as do columns >= E.
  __device__ void fetch(int tile, bool valid) {
    for (int part = 0; part < 2; ++part) {
      if (valid) fetch_part(tile, part);
      copy_commit();
    }
  }

  // Returns the tile's keys (part 0) or values (part 1) as bf16. For an fp8 cache (`wide`) the caller must call a
  // barrier before it reads them.
  __device__ const bf16* ready(int tile, int part) {
    const char* stage = shared_.stage[tile % 2][part];
    if constexpr (!Shared::wide) return reinterpret_cast<const bf16*>(stage);
    else {
      bf16* to = shared_.widened[part];
      for (int i = threadIdx.x; i < Shared::keys * (EP / 8); i += paged_threads) {
        const int row = i / (EP / 8), e = i % (EP / 8) * 8;
        const Vec<fp8, 8> x = load<8>(reinterpret_cast<const fp8*>(stage + row * Shared::row_bytes) + e);
        Vec<bf16, 8> y;
#pragma unroll
        for (int j = 0; j < 8; ++j) y.v[j] = from_float<bf16>(to_float(x.v[j]));
        store_shared(to + row * tile_stride<EP> + e, y);
      }
      return to;
    }
  }

 private:
  __device__ void fetch_part(int tile, int part) {
    constexpr int units = EP * static_cast<int>(sizeof(C)) / 16, per_chunk = chunk_keys / Shared::keys;
    const int64_t* runs = shared_.runs[tile / per_chunk % 2] + tile % per_chunk * (Shared::keys / 16);
    char* stage = shared_.stage[tile % 2][part];
    const char* from = cache_ + (part ? shape_.value_distance() : 0);
#pragma unroll 2  // a higher factor would use registers that the sums need
    for (int i0 = 0; i0 < Shared::keys * units; i0 += paged_threads) {
      const int i = i0 + threadIdx.x, row = i / units, u = i % units;
      const bool valid = tile * Shared::keys + row < limit_ && u < units_;
      copy_async16(stage + row * Shared::row_bytes + 16 * u,
                   from + (valid ? runs[row / 16] + row % 16 * shape_.row_bytes + 16 * u : 0), valid);
    }
  }

  Shared& shared_;
  const char* cache_;
  CacheShape shape_;
  const int32_t* table_;
  int kv_, units_, limit_;
};
