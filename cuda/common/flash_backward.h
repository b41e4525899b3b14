// The gradients of attention on the tensor core; see attention_backward.cu.
#pragma once
#include "block_order.h"
#include "sequence_tiles.h"

namespace flash_backward {

// item_heads: query heads of an item. With more heads, there would be fewer and longer items, and the multiprocessors
// would have less equal shares of the work.
constexpr int threads = 256, tokens = 64, item_heads = 2;

inline __host__ __device__ int parts_of(int group) { return (group + item_heads - 1) / item_heads; }

struct FlashBackward {
  bf16* dqkv;
  float* sums;  // (T, (H + 2K)·E): dqkv before it is complete; see each_four for the order of the elements of a row
  const float* delta;
  const bf16* dy;
  const bf16* qkv;
  const float* lse;
  const int32_t* offsets;
  BlockOrder order;
  int S, before;  // before: distance from an item to the item of the preceding keys, K·parts
  PackedHeads heads;
  float scale;
};

// If the shared memory suffices for one stage only, the next tile is loaded after the last read of the current tile.
template <int EP, int keys, int stages> struct Shared {
  bf16 k[keys * tile_stride<EP>], v[keys * tile_stride<EP>];
  bf16 side[stages][2][tokens * tile_stride<EP>];           // [stage][q, dy]
  bf16 p[tokens * tile_stride<keys>], ds[tokens * tile_stride<keys>];
  float terms[stages][2][tokens];                           // [stage][lse, delta]
  // The current item; in shared memory, because registers are scarce.
  SequenceTile at;
  int item, head, head_end;  // query heads [head, head_end)
  bool present;
};

// The part of a tile that a warp computes: one half of its rows and one quarter of its columns.
struct Place {
  int lane = threadIdx.x % 32, half = threadIdx.x / 128, quarter = threadIdx.x / 32 % 4;
};

// Copies tiles of q, dy, lse and delta to shared memory: the item's heads for 64 tokens, then for the 64 tokens before.
// The addresses are those of this thread's first elements of the next tile. Elements of tokens that do not exist become
// zeros, so these tokens add nothing to a sum.
template <int EP> struct QueryCopies {
  static constexpr int step = threads / (EP / 8);  // rows that the block copies at a time
  const bf16 *q, *dy;
  const float* term;
  int begin, head;  // first token and head of the next tile

  template <int keys, int stages>
  __device__ __forceinline__ void start(const Shared<EP, keys, stages>& shared, const FlashBackward& a,
                                        int first_token) {
    const int r = threadIdx.x / (EP / 8), u = threadIdx.x % (EP / 8);
    begin = first_token;
    head = shared.head;
    const int64_t t = shared.at.first + begin;
    q = a.qkv + (t + r) * a.heads.ld() + head * a.heads.E + 8 * u;
    dy = a.dy + ((t + r) * a.heads.H + head) * a.heads.E + 8 * u;
    term = (threadIdx.x < tokens ? a.lse : a.delta) + (t + threadIdx.x % tokens) * a.heads.H + head;
  }
  // Starts copying the next tile to a stage if there is one.
  template <int keys, int stages>
  __device__ __forceinline__ void fetch(Shared<EP, keys, stages>& shared, const FlashBackward& a, int stage) {
    if (begin >= shared.at.begin) {
      const int r = threadIdx.x / (EP / 8), u = threadIdx.x % (EP / 8), left = shared.at.length - begin,
                rows = 8 * u < a.heads.E ? left - r : 0, to = r * tile_stride<EP> + 8 * u;
      const int64_t q_step = step * a.heads.ld(), dy_step = int64_t{step} * a.heads.H * a.heads.E;
#pragma unroll
      for (int i = 0; i < tokens / step; ++i) {
        copy_async16(shared.side[stage][0] + to + i * step * tile_stride<EP>, q + i * q_step, i * step < rows);
        copy_async16(shared.side[stage][1] + to + i * step * tile_stride<EP>, dy + i * dy_step, i * step < rows);
      }
      if (threadIdx.x < 2 * tokens)
        copy_async4(shared.terms[stage][0] + threadIdx.x, term, static_cast<int>(threadIdx.x) % tokens < left);
      q += a.heads.E, dy += a.heads.E, ++term;
      if (++head == shared.head_end) start(shared, a, begin - tokens);
    }
    copy_commit();
  }
};

// sum (16·M, 8·N) += a · b, or aᵀ · b, for b (16·J, 8·N) in shared memory.
template <bool transposed, int left_stride, int right_stride, int J, int M, int N>
__device__ __forceinline__ void add_product(float (&sum)[M][N][4], const bf16* a, const bf16* b) {
  const int lane = threadIdx.x % 32;
  const bf16* left = a + (transposed ? (lane / 16 * 8 + lane % 8) * left_stride + lane / 8 % 2 * 8
                                     : lane % 16 * left_stride + lane / 16 * 8);
  const bf16* right = b + lane % 16 * right_stride + lane / 16 * 8;
#pragma unroll
  for (int j = 0; j < J; ++j) {
    unsigned x[M][4];
#pragma unroll
    for (int m = 0; m < M; ++m)
      load_matrices<transposed>(x[m], left + 16 * (transposed ? j * left_stride + m : m * left_stride + j));
#pragma unroll
    for (int n = 0; n < N; n += 2) {
      unsigned y[4];
      load_matrices<true>(y, right + 16 * j * right_stride + 8 * n);
#pragma unroll
      for (int m = 0; m < M; ++m) {
        mma(sum[m][n], x[m], {y[0], y[1]});
        mma(sum[m][n + 1], x[m], {y[2], y[3]});
      }
    }
  }
}

// The next functions move the part of a warp, 16·M rows and 8·N columns, between its accumulators and memory. `at` is
// the address of the lane's first row (lane / 4) in the warp's first column, and `ld` the distance of two rows. Rows
// from `left` on, counted from the lane's first row, and columns from `columns` on do not exist in memory.

// Calls f(address, x, y, z, w) for the lane's four elements of each 16 columns. In memory, these four are adjacent, so
// the order of the columns is not that of the matrix.
template <int M, int N, class F>
__device__ __forceinline__ void each_four(float (&x)[M][N][4], float* at, int ld, int left, int columns, const F& f) {
#pragma unroll
  for (int i = 0; i < 2 * M; ++i)
#pragma unroll
    for (int n = 0; n < N; n += 2) {
      auto &low = x[i / 2][n], &high = x[i / 2][n + 1];
      const int r = i % 2 * 2;
      if (8 * i < left && 8 * n < columns)
        f(reinterpret_cast<float4*>(at + 8 * i * ld + 8 * n + threadIdx.x % 4 * 4), low[r], low[r + 1], high[r],
          high[r + 1]);
    }
}
template <int M, int N>
__device__ __forceinline__ void load_sums(float (&x)[M][N][4], float* at, int ld, int left, int columns) {
  each_four(x, at, ld, left, columns, [](const float4* from, float& x, float& y, float& z, float& w) {
    const float4 four = __ldcg(from);
    x = four.x, y = four.y, z = four.z, w = four.w;
  });
}
template <int M, int N>
__device__ __forceinline__ void add_sums(float (&x)[M][N][4], float* at, int ld, int left, int columns) {
  each_four(x, at, ld, left, columns, [](const float4* from, float& x, float& y, float& z, float& w) {
    const float4 four = __ldcg(from);
    x += four.x, y += four.y, z += four.z, w += four.w;
  });
}
template <int M, int N>
__device__ __forceinline__ void store_sums(float (&x)[M][N][4], float* at, int ld, int left, int columns) {
  each_four(x, at, ld, left, columns,
            [](float4* to, float x, float y, float z, float w) { __stcg(to, float4{x, y, z, w}); });
}
// Stores the accumulators, multiplied by `factor`, as bf16.
template <int M, int N>
__device__ __forceinline__ void store_tiles(const float (&x)[M][N][4], bf16* at, int64_t ld, int left, int columns,
                                            float factor) {
#pragma unroll
  for (int m = 0; m < M; ++m, at += 16 * ld, left -= 16)
    store_rows(left > 0 ? at : nullptr, left > 8 ? at + 8 * ld : nullptr, x[m], factor, columns);
}

// For 32 tokens and 8·N keys: replaces the scores p by softmax weights, and the products ds = dy·v by the gradients of
// the scores. lse and delta belong to this lane's first token. diagonal: some keys are hidden from some tokens. hidden:
// the position of this lane's first key minus that of its first token.
template <int N>
__device__ __forceinline__ void score_gradients(float (&p)[2][N][4], float (&ds)[2][N][4], const float* lse,
                                                const float* delta, float log2_scale, bool diagonal, int hidden) {
#pragma unroll
  for (int m = 0; m < 2; ++m)
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      const float base = -log2_e * lse[16 * m + 8 * r], mean = delta[16 * m + 8 * r];
#pragma unroll
      for (int n = 0; n < N; ++n)
#pragma unroll
        for (int i = 2 * r; i < 2 * r + 2; ++i) {
          p[m][n][i] = exp2_approximate(fmaf(p[m][n][i], log2_scale, base));
          ds[m][n][i] = p[m][n][i] * (ds[m][n][i] - mean);
        }
    }
  if (!diagonal) return;
#pragma unroll
  for (int m = 0; m < 2; ++m)
#pragma unroll
    for (int n = 0; n < N; ++n)
#pragma unroll
      for (int i = 0; i < 4; ++i)
        if (hidden + 8 * n + i % 2 > 16 * m + i / 2 * 8) p[m][n][i] = ds[m][n][i] = 0;
}

// Rounds 32 rows of accumulators to bf16 and stores them at `to`, the address of this lane's first pair.
template <int stride, int N> __device__ __forceinline__ void store_tile(bf16* to, const float (&x)[2][N][4]) {
#pragma unroll
  for (int m = 0; m < 2; ++m)
#pragma unroll
    for (int n = 0; n < N; ++n)
#pragma unroll
      for (int r = 0; r < 2; ++r)
        *reinterpret_cast<unsigned*>(to + (16 * m + 8 * r) * stride + 8 * n) =
            pack_bf16(x[m][n][2 * r], x[m][n][2 * r + 1]);
}

// Computes p and ds of this warp's 32 tokens and keys/4 keys and stores them in shared memory. ahead: the position of
// the first key of the tile minus that of the first token.
template <int EP, int keys, int stages>
__device__ __forceinline__ void write_scores(Shared<EP, keys, stages>& shared, int stage, const Place& place,
                                             float log2_scale, bool diagonal, int ahead) {
  constexpr int row_stride = tile_stride<EP>, key_stride = tile_stride<keys>, own = keys / 4;
  const int rows = 32 * place.half * row_stride, columns = own * place.quarter * row_stride;
  // The first row and key of this lane.
  const int row = 32 * place.half + place.lane / 4, key = own * place.quarter + place.lane % 4 * 2;
  float p[2][own / 8][4], ds[2][own / 8][4];
  scores_of_two<EP>(p, shared.side[stage][0] + rows, shared.k + columns);
  scores_of_two<EP>(ds, shared.side[stage][1] + rows, shared.v + columns);
  score_gradients(p, ds, shared.terms[stage][0] + row, shared.terms[stage][1] + row, log2_scale, diagonal,
                  ahead + key - row);
  store_tile<key_stride>(shared.p + row * key_stride + key, p);
  store_tile<key_stride>(shared.ds + row * key_stride + key, ds);
}

// Adds the sums dk and dv of this item to those of the item with the preceding heads, if there is one. If this item has
// the last heads of the group, the results are written to dqkv, otherwise to the sums.
template <int EP, int keys, int stages, int M, int N>
__device__ __forceinline__ void finish_keys(const Shared<EP, keys, stages>& shared, const FlashBackward& a,
                                            float (&dk)[M][N][4], float (&dv)[M][N][4]) {
  const Place place;
  const SequenceTile& at = shared.at;
  const int column = EP / 4 * place.quarter, row = keys / 2 * place.half + place.lane / 4,
            left = at.end - at.begin - row, columns = a.heads.E - column, ld = static_cast<int>(a.heads.ld());
  const int64_t k = a.heads.key(at.first + at.begin + row, at.kv) + column,
                v = a.heads.value(at.first + at.begin + row, at.kv) + column;
  const int first_head = at.kv * a.heads.group;
  if (shared.head > first_head) {
    if (threadIdx.x == 0) a.order.wait(shared.item - 1, BlockOrder::all);
    __syncthreads();
    add_sums(dk, a.sums + k, ld, left, columns);
    add_sums(dv, a.sums + v, ld, left, columns);
  }
  if (shared.head_end == first_head + a.heads.group) {
    store_tiles(dk, a.dqkv + k, ld, left, columns, a.scale);
    store_tiles(dv, a.dqkv + v, ld, left, columns, 1);
  } else {
    store_sums(dk, a.sums + k, ld, left, columns);
    store_sums(dv, a.sums + v, ld, left, columns);
    __syncthreads();
    if (threadIdx.x == 0) a.order.complete(shared.item, BlockOrder::all);
  }
}

template <int EP, int keys, int stages>
__device__ void key_tile(Shared<EP, keys, stages>& shared, const FlashBackward& a) {
  constexpr int row_stride = tile_stride<EP>, key_stride = tile_stride<keys>, half_keys = keys / 2;
  constexpr int poller = 32;  // the thread that waits; not in the warp of the thread that signals
  const Place place;
  const SequenceTile& at = shared.at;
  const int E = a.heads.E, column = EP / 4 * place.quarter, ld = static_cast<int>(a.heads.ld());
  const int64_t first = at.first + at.begin;
  fetch_rows<EP, keys, threads>(shared.k, E, a.qkv + a.heads.key(first, at.kv), ld, at.end - at.begin);
  fetch_rows<EP, keys, threads>(shared.v, E, a.qkv + a.heads.value(first, at.kv), ld, at.end - at.begin);
  float dk[keys / 32][EP / 32][4] = {}, dv[keys / 32][EP / 32][4] = {};
  QueryCopies<EP> copies;
  int t = (at.length - 1) / tokens * tokens, head = shared.head, stage = 0;
  unsigned steps = 0, ready = 0;  // steps of this item, and of the item of the preceding keys, which are complete
  copies.start(shared, a, t);
  copies.fetch(shared, a, 0);
  while (t >= at.begin) {
    copy_wait<0>();
    __syncthreads();  // the tile has arrived, and all warps have completed the step before
    if (steps > 0 && threadIdx.x == 0) a.order.complete(shared.item, steps);
    const bool waits = at.begin > 0 && threadIdx.x == poller;
    if (waits && ready <= steps) ready = a.order.completed(shared.item - a.before);
    const bf16 *q = shared.side[stage][0] + column, *dy = shared.side[stage][1] + column;
    if (stages > 1) copies.fetch(shared, a, 1 - stage);
    // At least one of the tokens sees the first `visible` keys of the tile.
    const bool diagonal = t < at.begin + keys;
    const int visible = diagonal ? t + tokens - at.begin : keys;
    if (keys / 4 * place.quarter < visible)
      write_scores(shared, stage, place, a.scale * log2_e, diagonal, at.begin - t);
    if (waits && ready <= steps) ready = a.order.wait(shared.item - a.before, steps + 1);
    __syncthreads();  // p and ds are complete
    const int row = t + 32 * place.half + place.lane / 4, left = at.length - row;
    const int64_t own = (at.first + row) * ld + head * E + column;  // the lane's first row of dq
    float dq[2][EP / 32][4] = {};
    if (at.begin > 0) load_sums(dq, a.sums + own, ld, left, E - column);
    if (half_keys * place.half < visible) {
      add_product<true, key_stride, row_stride, tokens / 16>(dv, shared.p + half_keys * place.half, dy);
      add_product<true, key_stride, row_stride, tokens / 16>(dk, shared.ds + half_keys * place.half, q);
    }
    if (stages == 1) {
      __syncthreads();  // no warp reads the tile any more
      copies.fetch(shared, a, 0);
    }
#pragma unroll
    for (int k = 0; k < keys; k += 64)
      if (k == 0 || k < visible)
        add_product<false, key_stride, row_stride, 4>(dq, shared.ds + 32 * place.half * key_stride + k,
                                                      shared.k + k * row_stride + column);
    if (diagonal) store_tiles(dq, a.dqkv + own, ld, left, E - column, a.scale);
    else store_sums(dq, a.sums + own, ld, left, E - column);
    if (++head == shared.head_end) head = shared.head, t -= tokens;
    stage = stages - 1 - stage;
    ++steps;
  }
  __syncthreads();  // all warps have completed the last step
  if (threadIdx.x == 0) a.order.complete(shared.item, steps);
  finish_keys(shared, a, dk, dv);
}

template <int EP, int keys, int stages>
__global__ void __launch_bounds__(threads, 1) gradients(__grid_constant__ const FlashBackward a) {
  auto& shared = *dynamic_shared<Shared<EP, keys, stages>>();
  const int parts = parts_of(a.heads.group);
  SequenceTiles tiles(a.offsets, a.S, keys, a.heads.K * parts);
  while (true) {
    __syncthreads();  // all warps have completed the item before
    if (threadIdx.x == 0) {
      SequenceTile& at = shared.at;
      shared.item = a.order.take();
      shared.present = tiles.at(shared.item, at);
      if (shared.present) {
        at.mirror(keys);  // the first keys of a sequence come first: most query rows see them
        const int part = at.kv % parts;  // of the group's heads; until here, kv numbers the parts of all groups
        at.kv /= parts;
        shared.head = at.kv * a.heads.group + part * item_heads;
        shared.head_end = min(shared.head + item_heads, (at.kv + 1) * a.heads.group);
      }
    }
    __syncthreads();
    if (!shared.present) return;
    key_tile(shared, a);
  }
}

}  // namespace flash_backward
