// Tiles of packed sequences, and functions that copy rows to shared memory. The lengths of the sequences are in device
// memory and not available to the host.
#pragma once
#include "device_limits.h"
#include "flash.h"
#include "kv_cache.h"

// Tokens [begin, end) of a sequence of `length` tokens whose first token is row `first` of the batch.
struct SequenceTile {
  int64_t first;
  int begin, end, length, kv;

  // Replaces this tile with its mirror image: if this tile is the nth tile of `size` tokens from the start of the
  // sequence, it becomes the nth tile from the end.
  __device__ void mirror(int size) {
    begin = (length - 1) / size * size - begin;
    end = min(begin + size, length);
  }
};

// Enumerates the items (tile, key-value head). The last tiles of a sequence come first, because they see the most
// keys. Indices must be requested in ascending order.
class SequenceTiles {
 public:
  __device__ SequenceTiles(const int32_t* offsets, int S, int tile_tokens, int K)
      : offsets_(offsets), S_(S), size_(tile_tokens), K_(K) {}

  __device__ bool at(int index, SequenceTile& tile) {
    for (; s_ < S_; ++s_) {
      const int first = offsets_[s_], length = offsets_[s_ + 1] - first, tiles = (length + size_ - 1) / size_,
                local = index - before_;
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

// Starts copying `rows` rows of E elements, which are ld elements apart, to a tile with rows of EP elements.
// Rows >= count do not exist in memory and become zeros.
template <int EP, int rows, int threads>
__device__ __forceinline__ void fetch_rows(bf16* tile, int E, const bf16* first, int64_t ld, int count) {
  constexpr int units = EP / 8, step = threads / units;
  static_assert(threads % units == 0 && rows % step == 0);
  // The difference is computed in each call. The compiler would keep a sum r + i for each i in a register.
  const int r = threadIdx.x / units, u = threadIdx.x % units, left = 8 * u < E ? count - r : 0;
  const bf16* from = first + r * ld + 8 * u;
  bf16* to = tile + r * tile_stride<EP> + 8 * u;
#pragma unroll
  for (int i = 0; i < rows; i += step, from += step * ld) copy_async16(to + i * tile_stride<EP>, from, i < left);
}

// Two products of a warp that processes 32 rows. Each fragment of `b` or `v` is the operand of four mma instructions,
// two for each tile of 16 rows, so a warp reads shared memory half as often per product as with 16 rows.
//
// s (2·16, 8·N) = a (2·16, EP) · b (8·N, EP)ᵀ with both operands in shared memory.
template <int EP, int N>
__device__ __forceinline__ void scores_of_two(float (&s)[2][N][4], const bf16* a, const bf16* b) {
  const int lane = threadIdx.x % 32;
#pragma unroll
  for (int n = 0; n < N; ++n)
#pragma unroll
    for (int i = 0; i < 8; ++i) s[i / 4][n][i % 4] = 0;
  const bf16* from = b + (lane % 8 + lane / 16 * 8) * tile_stride<EP> + lane / 8 % 2 * 8;
#pragma unroll
  for (int k = 0; k < EP / 16; ++k) {
    unsigned left[2][4];
    load_left<EP>(left[0], a, k);
    load_left<EP>(left[1], a + 16 * tile_stride<EP>, k);
#pragma unroll
    for (int n = 0; n < N; n += 2) {
      unsigned m[4];
      load_matrices(m, from + 8 * n * tile_stride<EP> + 16 * k);
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        mma(s[i][n], left[i], {m[0], m[1]});
        mma(s[i][n + 1], left[i], {m[2], m[3]});
      }
    }
  }
}
// o (2·16, 8·N) += p (2·16, 16·J) · v (16·J, 8·N), v row-major in shared memory.
template <int EP, int J, int N>
__device__ __forceinline__ void weigh_two(float (&low)[N][4], float (&high)[N][4], const unsigned (&p)[2][J][4],
                                          const bf16* v) {
  const int lane = threadIdx.x % 32;
#pragma unroll
  for (int j = 0; j < J; ++j)
#pragma unroll
    for (int n = 0; n < N; n += 2) {
      unsigned m[4];
      load_matrices<true>(m, v + (16 * j + lane % 16) * tile_stride<EP> + 8 * n + lane / 16 * 8);
      mma(low[n], p[0][j], {m[0], m[1]});
      mma(low[n + 1], p[0][j], {m[2], m[3]});
      mma(high[n], p[1][j], {m[0], m[1]});
      mma(high[n + 1], p[1][j], {m[2], m[3]});
    }
}

// Multiplies the accumulators of 16 rows by `factor` and stores the rows as E bf16 elements each. A row whose pointer
// is null is not written.
template <int N>
__device__ __forceinline__ void store_rows(bf16* low, bf16* high, const float (&x)[N][4], float factor, int E) {
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    bf16* row = r ? high : low;
    if (!row) continue;
#pragma unroll
    for (int n = 0; n < N; ++n)
      if (8 * n < E)
        *reinterpret_cast<unsigned*>(row + 8 * n + threadIdx.x % 4 * 2) =
            pack_bf16(x[n][2 * r] * factor, x[n][2 * r + 1] * factor);
  }
}

// Offsets of q, k and v in packed rows. Query row r of a key-value head belongs to token r / group and to query head
// r % group of the key-value head's group.
struct PackedHeads {
  int H, K, E, group;

  __device__ int64_t ld() const { return (H + 2 * K) * static_cast<int64_t>(E); }
  __device__ int64_t query(int64_t first, int kv, int r) const {
    return (first + r / group) * ld() + (kv * group + r % group) * E;
  }
  __device__ int64_t key(int64_t t, int kv) const { return t * ld() + (H + kv) * E; }
  __device__ int64_t value(int64_t t, int kv) const { return t * ld() + (H + K + kv) * E; }
  // Returns the offset of row r in a tensor (T, H).
  __device__ int64_t head(int64_t first, int kv, int r) const {
    return (first + r / group) * H + kv * group + r % group;
  }
};

// Returns whether the tensor core kernels for training support this case; plain_attention.h computes all other cases.
inline bool fits_tensor_core(int32_t dtype, int64_t group, int64_t E, const void* qkv, const void* other) {
  return dtype == INGRAIN_BF16 && E % 16 == 0 && E <= 128 && group <= 64 && fits_vectors<bf16>(E, qkv, other);
}
