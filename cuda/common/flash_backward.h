// The gradients of attention on the tensor core; see attention_backward.cu.
#pragma once
#include "block_order.h"
#include "sequence_tiles.h"

namespace flash_backward {

constexpr int threads = 256, tokens = 64;

struct FlashBackward {
  bf16* dqkv;
  float* sums;  // of dq, (T, H, E); the order of the elements of a row differs, see Sums
  const float* delta;
  const bf16* dy;
  const bf16* qkv;
  const float* lse;
  const int32_t* offsets;
  BlockOrder order;
  int S;
  PackedHeads heads;
  float scale;
};

// If the shared memory suffices for one stage only, the next tile is loaded after the last read of the current tile.
template <int EP, int keys, int stages> struct Shared {
  bf16 k[keys * tile_stride<EP>], v[keys * tile_stride<EP>];
  bf16 side[stages][2][tokens * tile_stride<EP>];           // [stage][q, dy]
  bf16 p[tokens * tile_stride<keys>], ds[tokens * tile_stride<keys>];
  float terms[stages][2][tokens];                           // [stage][lse, delta]
  // Of the current item; in shared memory, because registers are scarce.
  SequenceTile at;
  int item;
  bool present;
};

// The part of a tile that a warp computes: one half of its rows and one quarter of its columns.
struct Place {
  int lane = threadIdx.x % 32, half = threadIdx.x / 128, quarter = threadIdx.x / 32 % 4;
};

// Copies tiles of q, dy, lse and delta to shared memory: all heads of a group for 64 tokens, then the 64 tokens before.
// The addresses are those of this thread's first elements of the next tile. Elements of tokens that do not exist become
// zeros, so these tokens add nothing to a sum.
template <int EP> struct QueryCopies {
  static constexpr int step = threads / (EP / 8);  // rows that the block copies at a time
  const bf16 *q, *dy;
  const float* term;
  int begin, g;  // first token and head in its group of the next tile

  __device__ __forceinline__ void start(const FlashBackward& a, const SequenceTile& at, int first_token) {
    const int r = threadIdx.x / (EP / 8), u = threadIdx.x % (EP / 8), head = at.kv * a.heads.group;
    begin = first_token;
    g = 0;
    const int64_t t = at.first + begin;
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
      if (++g == a.heads.group) start(a, shared.at, begin - tokens);
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

// The part of dq (64 tokens, one head) of this warp: 32 tokens and EP/4 columns. In memory, the sum has f32 elements. A
// lane's four elements of 16 columns are adjacent there, so the order of the columns is not that of dq.
template <int EP> struct Sums {
  float x[2][EP / 32][4];

  __device__ __forceinline__ void zero() {
#pragma unroll
    for (auto& tile : x)
#pragma unroll
      for (auto& four : tile) four[0] = four[1] = four[2] = four[3] = 0;
  }
  // Calls f(to, x, y, z, w) for the four elements of each 16 columns, with their address. `to` is the address of this
  // lane's first element, `ld` the distance of two tokens, and `left` the number of tokens from this lane's first token
  // to the end of the sequence. The elements exist in the first `columns` columns.
  template <class F>
  __device__ __forceinline__ void each(float* to, int ld, int left, int columns, const F& f) {
#pragma unroll
    for (int i = 0; i < 4; ++i)
#pragma unroll
      for (int n = 0; n < EP / 32; n += 2)
        if (8 * i < left && 8 * n < columns)
          f(reinterpret_cast<float4*>(to + 8 * i * ld + 8 * n), x[i / 2][n][i % 2 * 2], x[i / 2][n][i % 2 * 2 + 1],
            x[i / 2][n + 1][i % 2 * 2], x[i / 2][n + 1][i % 2 * 2 + 1]);
  }
  __device__ __forceinline__ void load(float* from, int ld, int left, int columns) {
    each(from, ld, left, columns, [](const float4* from, float& x, float& y, float& z, float& w) {
      const float4 four = __ldcg(from);
      x = four.x, y = four.y, z = four.z, w = four.w;
    });
  }
  __device__ __forceinline__ void store(float* to, int ld, int left, int columns) {
    each(to, ld, left, columns, [](float4* to, float x, float y, float z, float w) {
      __stcg(to, float4{x, y, z, w});
    });
  }
  // Writes the sum, multiplied by `factor`, to dq. `to` is the address of the first column of this lane's first token.
  __device__ __forceinline__ void finish(bf16* to, int64_t ld, int left, int columns, float factor) const {
    store_rows(left > 0 ? to : nullptr, left > 8 ? to + 8 * ld : nullptr, x[0], factor, columns);
    store_rows(left > 16 ? to + 16 * ld : nullptr, left > 24 ? to + 24 * ld : nullptr, x[1], factor, columns);
  }
};

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

// Stores this warp's part of dk or dv. to: this lane's first row; left: the number of keys from this row on.
template <int M, int N>
__device__ __forceinline__ void store_keys(bf16* to, int64_t ld, int left, const float (&x)[M][N][4], float factor,
                                           int columns) {
#pragma unroll
  for (int m = 0; m < M; ++m, to += 16 * ld, left -= 16)
    store_rows(left > 0 ? to : nullptr, left > 8 ? to + 8 * ld : nullptr, x[m], factor, columns);
}

template <int EP, int keys, int stages>
__device__ void key_tile(Shared<EP, keys, stages>& shared, const FlashBackward& a) {
  constexpr int row_stride = tile_stride<EP>, key_stride = tile_stride<keys>, half_keys = keys / 2;
  const Place place;
  const SequenceTile& at = shared.at;
  const int E = a.heads.E, column = EP / 4 * place.quarter;
  const int64_t first = at.first + at.begin, ld = a.heads.ld();
  fetch_rows<EP, keys, threads>(shared.k, E, a.qkv + a.heads.key(first, at.kv), ld, at.end - at.begin);
  fetch_rows<EP, keys, threads>(shared.v, E, a.qkv + a.heads.value(first, at.kv), ld, at.end - at.begin);
  float dk[keys / 32][EP / 32][4] = {}, dv[keys / 32][EP / 32][4] = {};
  QueryCopies<EP> copies;
  int t = (at.length - 1) / tokens * tokens, g = 0, stage = 0;
  copies.start(a, at, t);
  copies.fetch(shared, a, 0);
  for (unsigned steps = 0; t >= at.begin; ++steps) {
    copy_wait<0>();
    __syncthreads();  // the tile has arrived, and all warps have completed the step before
    if (steps > 0 && threadIdx.x == 0) a.order.complete(shared.item, steps);
    const bf16 *q = shared.side[stage][0] + column, *dy = shared.side[stage][1] + column;
    if (stages > 1) copies.fetch(shared, a, 1 - stage);
    // At least one of the tokens sees the first `visible` keys of the tile.
    const bool diagonal = t < at.begin + keys;
    const int visible = diagonal ? t + tokens - at.begin : keys;
    if (keys / 4 * place.quarter < visible)
      write_scores(shared, stage, place, a.scale * log2_e, diagonal, at.begin - t);
    if (at.begin > 0 && threadIdx.x == 0) a.order.wait(shared.item - a.heads.K, steps + 1);
    __syncthreads();  // p and ds are complete
    // This lane's first row of dq, and its first element of the sums.
    const int row = t + 32 * place.half + place.lane / 4, left = at.length - row, head = at.kv * a.heads.group + g;
    float* const sums = a.sums + ((at.first + row) * a.heads.H + head) * E + column + place.lane % 4 * 4;
    Sums<EP> dq;
    dq.zero();
    if (at.begin > 0) dq.load(sums, a.heads.H * E, left, E - column);
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
        add_product<false, key_stride, row_stride, 4>(dq.x, shared.ds + 32 * place.half * key_stride + k,
                                                      shared.k + k * row_stride + column);
    if (diagonal) dq.finish(a.dqkv + (at.first + row) * ld + head * E + column, ld, left, E - column, a.scale);
    else dq.store(sums, a.heads.H * E, left, E - column);
    if (++g == a.heads.group) g = 0, t -= tokens;
    stage = stages - 1 - stage;
  }
  __syncthreads();  // all warps have completed the last step
  if (threadIdx.x == 0) a.order.complete(shared.item, ~0u >> 1);
  const int own = half_keys * place.half + place.lane / 4, left = at.end - at.begin - own;
  store_keys(a.dqkv + a.heads.key(first + own, at.kv) + column, ld, left, dk, a.scale, E - column);
  store_keys(a.dqkv + a.heads.value(first + own, at.kv) + column, ld, left, dv, 1, E - column);
}

template <int EP, int keys, int stages>
__global__ void __launch_bounds__(threads, 1) gradients(__grid_constant__ const FlashBackward a) {
  auto& shared = *dynamic_shared<Shared<EP, keys, stages>>();
  SequenceTiles tiles(a.offsets, a.S, keys, a.heads.K);
  while (true) {
    __syncthreads();  // all warps have completed the item before
    if (threadIdx.x == 0) {
      shared.item = a.order.take();
      shared.present = tiles.at(shared.item, shared.at);
      if (shared.present) shared.at.mirror(keys);  // the first keys of a sequence come first: most query rows see them
    }
    __syncthreads();
    if (!shared.present) return;
    key_tile(shared, a);
  }
}

}  // namespace flash_backward
