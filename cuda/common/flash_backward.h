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
  int item;
};

// The part of a tile that a warp computes: one half of its rows and one quarter of its columns.
struct Place {
  int lane = threadIdx.x % 32, half = threadIdx.x / 128, quarter = threadIdx.x / 32 % 4;
};

// Copies tiles of q, dy, lse and delta to shared memory. The addresses are those of this thread's first elements.
// Elements of tokens that do not exist become zeros, so these tokens add nothing to a sum.
template <int EP> struct QueryCopies {
  static constexpr int step = threads / (EP / 8);  // rows that the block copies at a time
  const bf16 *q, *dy;
  const float* term;

  __device__ __forceinline__ void start(const FlashBackward& a, const SequenceTile& at, int begin) {
    const int r = threadIdx.x / (EP / 8), u = threadIdx.x % (EP / 8), head = at.kv * a.heads.group;
    const int64_t t = at.first + begin;
    q = a.qkv + (t + r) * a.heads.ld() + head * a.heads.E + 8 * u;
    dy = a.dy + ((t + r) * a.heads.H + head) * a.heads.E + 8 * u;
    term = (threadIdx.x < tokens ? a.lse : a.delta) + (t + threadIdx.x % tokens) * a.heads.H + head;
  }
  // `left` is the number of tokens from the first token of the tile to the end of the sequence. Afterwards, the
  // addresses are those of the next head.
  __device__ __forceinline__ void fetch(bf16 (&side)[2][tokens * tile_stride<EP>], float (&terms)[2][tokens],
                                        const FlashBackward& a, int left) {
    const int r = threadIdx.x / (EP / 8), u = threadIdx.x % (EP / 8), rows = 8 * u < a.heads.E ? left - r : 0;
    const int to = r * tile_stride<EP> + 8 * u;
    const int64_t q_step = step * a.heads.ld(), dy_step = int64_t{step} * a.heads.H * a.heads.E;
#pragma unroll
    for (int i = 0; i < tokens / step; ++i) {
      copy_async16(side[0] + to + i * step * tile_stride<EP>, q + i * q_step, i * step < rows);
      copy_async16(side[1] + to + i * step * tile_stride<EP>, dy + i * dy_step, i * step < rows);
    }
    if (threadIdx.x < 2 * tokens)
      copy_async4(terms[0] + threadIdx.x, term, static_cast<int>(threadIdx.x) % tokens < left);
    q += a.heads.E, dy += a.heads.E, ++term;
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

template <int EP, int keys, int stages>
__device__ void key_tile(Shared<EP, keys, stages>& shared, const FlashBackward& a, const SequenceTile& at) {
  constexpr int row_stride = tile_stride<EP>, key_stride = tile_stride<keys>, columns = EP / 4, own = keys / 4;
  const Place place;
  const int E = a.heads.E, group = a.heads.group, first_column = columns * place.quarter;
  const int64_t first = at.first + at.begin;
  fetch_rows<EP, keys, threads>(shared.k, E, a.qkv + a.heads.key(first, at.kv), a.heads.ld(), at.end - at.begin);
  fetch_rows<EP, keys, threads>(shared.v, E, a.qkv + a.heads.value(first, at.kv), a.heads.ld(), at.end - at.begin);
  // This lane's first element of p and ds: row `row` and key `key`.
  const int row = 32 * place.half + place.lane / 4, key = own * place.quarter + place.lane % 4 * 2;
  const float log2_scale = a.scale * log2_e;
  float dk[keys / 32][EP / 32][4] = {}, dv[keys / 32][EP / 32][4] = {};
  QueryCopies<EP> copies;
  int begin = (at.length - 1) / tokens * tokens, g = 0, stage = 0;
  copies.start(a, at, begin);
  copies.fetch(shared.side[0], shared.terms[0], a, at.length - begin);
  copy_commit();
  for (unsigned steps = 0; begin >= at.begin; ++steps) {
    copy_wait<0>();
    __syncthreads();  // the tile has arrived, and all warps have completed the step before
    if (steps > 0 && threadIdx.x == 0) a.order.complete(shared.item, steps);
    const bf16 *q = shared.side[stage][0], *dy = shared.side[stage][1];
    const float *lse = shared.terms[stage][0] + row, *delta = shared.terms[stage][1] + row;
    const int head = at.kv * group + g, t = begin;
    if (++g == group) {
      g = 0, begin -= tokens;
      copies.start(a, at, begin);
    }
    const int to = (stage + 1) % stages;
    const auto fetch_next = [&] {
      if (begin >= at.begin) copies.fetch(shared.side[to], shared.terms[to], a, at.length - begin);
      copy_commit();
    };
    if (stages > 1) fetch_next();
    // The tokens see the first `visible` keys of the tile, at least in part.
    const bool diagonal = t < at.begin + keys;
    const int visible = diagonal ? t + tokens - at.begin : keys;
    if (own * place.quarter < visible) {
      float p[2][own / 8][4], ds[2][own / 8][4];
      scores_of_two<EP>(p, q + 32 * place.half * row_stride, shared.k + own * place.quarter * row_stride);
      scores_of_two<EP>(ds, dy + 32 * place.half * row_stride, shared.v + own * place.quarter * row_stride);
      __syncwarp();  // so that the compiler loads no fragments before this point; otherwise registers spill
      score_gradients(p, ds, lse, delta, log2_scale, diagonal, at.begin + key - (t + row));
      store_tile<key_stride>(shared.p + row * key_stride + key, p);
      store_tile<key_stride>(shared.ds + row * key_stride + key, ds);
    }
    if (at.begin > 0 && threadIdx.x == 0) a.order.wait(shared.item - a.heads.K, steps + 1);
    __syncthreads();  // p and ds are complete
    Sums<EP> dq;
    dq.zero();
    // This lane's first element of the sums of dq.
    float* const sums = a.sums + ((at.first + t + row) * a.heads.H + head) * E + first_column + place.lane % 4 * 4;
    const int sums_ld = a.heads.H * E, left = at.length - t - row, own_columns = E - first_column;
    if (at.begin > 0) dq.load(sums, sums_ld, left, own_columns);
    if (keys / 2 * place.half < visible) {
      const int from = keys / 2 * place.half;
      add_product<true, key_stride, row_stride, tokens / 16>(dv, shared.p + from, dy + first_column);
      __syncwarp();  // the same
      add_product<true, key_stride, row_stride, tokens / 16>(dk, shared.ds + from, q + first_column);
    }
    if (stages == 1) {
      __syncthreads();  // no warp reads the tile any more
      fetch_next();
    }
#pragma unroll
    for (int from = 0; from < keys; from += 64)
      if (from == 0 || from < visible)
        add_product<false, key_stride, row_stride, 4>(dq.x, shared.ds + 32 * place.half * key_stride + from,
                                                      shared.k + from * row_stride + first_column);
    if (diagonal)
      dq.finish(a.dqkv + (at.first + t + row) * a.heads.ld() + head * E + first_column, a.heads.ld(), left, own_columns,
                a.scale);
    else dq.store(sums, sums_ld, left, own_columns);
    stage = to;
  }
  __syncthreads();  // all warps have completed the last step
  if (threadIdx.x == 0) a.order.complete(shared.item, ~0u >> 1);
#pragma unroll
  for (int m = 0; m < keys / 32; ++m) {
    bf16 *to_k[2], *to_v[2];
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      const int j = keys / 2 * place.half + 16 * m + 8 * r + place.lane / 4;
      to_k[r] = at.begin + j < at.end ? a.dqkv + a.heads.key(first + j, at.kv) + first_column : nullptr;
      to_v[r] = at.begin + j < at.end ? a.dqkv + a.heads.value(first + j, at.kv) + first_column : nullptr;
    }
    store_rows(to_k[0], to_k[1], dk[m], a.scale, E - first_column);
    store_rows(to_v[0], to_v[1], dv[m], 1, E - first_column);
  }
}

template <int EP, int keys, int stages>
__global__ void __launch_bounds__(threads, 1) gradients(__grid_constant__ const FlashBackward a) {
  auto& shared = *dynamic_shared<Shared<EP, keys, stages>>();
  SequenceTiles tiles(a.offsets, a.S, keys, a.heads.K);
  SequenceTile at;
  for (int item = a.order.take(&shared.item); tiles.at(item, at); item = a.order.take(&shared.item)) {
    at.mirror(keys);  // starts with the first keys of a sequence, which have the most query rows
    key_tile(shared, a, at);
  }
}

}  // namespace flash_backward
