// Tiles of packed sequences whose lengths only the device knows, and the copies that bring their rows into shared memory.
#pragma once
#include "flash.h"
#include "kv_cache.h"

// Tokens [begin, end) of a sequence of `length` tokens, whose first is row `first` of the batch.
struct SequenceTile {
  int64_t first;
  int begin, end, length, kv;
};

// Items (tile, key-value head), the last tiles of a sequence first: they see the most. Indices that are asked for ascend.
class SequenceTiles {
 public:
  __device__ SequenceTiles(const int32_t* offsets, int S, int tile_tokens, int K) : offsets_(offsets), S_(S), size_(tile_tokens), K_(K) {}

  __device__ bool at(int index, SequenceTile& tile) {
    for (; s_ < S_; ++s_) {
      const int first = offsets_[s_], length = offsets_[s_ + 1] - first, tiles = (length + size_ - 1) / size_, local = index - before_;
      if (local < tiles * K_) {
        const int begin = (tiles - 1 - local / K_) * size_;
        tile = {first, begin, min(begin + size_, length), length, local % K_};
        return true;
      }
      before_ += tiles * K_;
    }
    return false;
  }

 private:
  const int32_t* offsets_;
  int S_, size_, K_, s_ = 0, before_ = 0;
};

// A grid for kernels that take items in turn until there are none: how many there are is not known when they are launched.
constexpr unsigned standing_blocks = 264;

// Begins to copy `rows` rows of E elements into a tile of rows of EP; row(r) is where row r begins, null makes it zeros.
template <int EP, int rows, int threads, class Row> __device__ __forceinline__ void fetch_rows(bf16* tile, int E, const void* anywhere, const Row& row) {
  constexpr int units = EP / 8;
#pragma unroll 2
  for (int i = threadIdx.x; i < rows * units; i += threads) {
    const int r = i / units, u = i % units;
    const bf16* from = row(r);
    const bool valid = from != nullptr && 8 * u < E;
    copy_async16(tile + r * tile_stride<EP> + 8 * u, valid ? from + 8 * u : anywhere, valid);
  }
}

// Where q, k, v of packed rows lie. A row of a key-value head's queries: token r / group, query head r % group of that head's.
struct PackedHeads {
  int H, K, E, group;

  __device__ int64_t ld() const { return (H + 2 * K) * static_cast<int64_t>(E); }
  __device__ int64_t query(int64_t first, int kv, int r) const { return (first + r / group) * ld() + (kv * group + r % group) * E; }
  __device__ int64_t key(int64_t t, int kv) const { return t * ld() + (H + kv) * E; }
  __device__ int64_t value(int64_t t, int kv) const { return t * ld() + (H + K + kv) * E; }
  __device__ int64_t head(int64_t first, int kv, int r) const { return (first + r / group) * H + kv * group + r % group; }  // of (T, H)
};

// What the tensor core's kernels of training take; the rest goes a warp a row.
inline bool fits_tensor_core(int32_t dtype, int64_t group, int64_t E, const void* qkv, const void* other) {
  return dtype == INGRAIN_BF16 && E % 16 == 0 && E <= 128 && group <= 64 && fits_vectors<bf16>(E, qkv, other);
}
