// The gradients of attention without the tensor core. One warp computes the gradient of one query row, or of one key
// row and its value row. For a query row the warp reads the keys in tiles of 32, and for a key row it reads the queries
// in tiles of 32. For the scores each lane handles one row of the tile; for the sums each lane handles every 32nd
// column.
#pragma once
#include "plain_attention.h"
#include "sequence_tiles.h"

// Sets the words of a BlockOrder to 0, for S sequences of T tokens in all, which are divided into tiles of at least 64
// tokens with `parts` items each. All threads of the grid call this function.
__device__ inline void start_order(unsigned* words, int parts, int T, int S) {
  if (!words) return;
  const int64_t count = 1 + (T / 64 + int64_t{S}) * parts, step = static_cast<int64_t>(gridDim.x) * blockDim.x;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < count; i += step) words[i] = 0;
}

// delta (T, H) = Σ_e dy·y for dy, y (T, H, E). order and parts are for start_order; order may be null.
template <class X>
__global__ void row_sums(float* delta, unsigned* order, int parts, const X* dy, const X* y, const int32_t* offsets,
                         int S, int H, int E) {
  start_order(order, parts, offsets[S], S);
  const int64_t count = static_cast<int64_t>(offsets[S]) * H, step = static_cast<int64_t>(gridDim.x) * plain_warps;
  for (int64_t row = static_cast<int64_t>(blockIdx.x) * plain_warps + threadIdx.x / 32; row < count; row += step) {
    float sum = 0;
    for (int e = threadIdx.x % 32; e < E; e += 32) sum = fmaf(to_float(dy[row * E + e]), to_float(y[row * E + e]), sum);
    sum = warp_reduce<Sum>(sum);
    if (threadIdx.x % 32 == 0) delta[row] = sum;
  }
}

// Computes the same delta as row_sums, for rows of at most 128 elements that can be read 16 bytes at a time. Half a
// warp computes a row.
static __global__ void row_sums_wide(float* delta, unsigned* order, int parts, const bf16* dy, const bf16* y,
                                     const int32_t* offsets, int S, int H, int E) {
  start_order(order, parts, offsets[S], S);
  const int64_t count = static_cast<int64_t>(offsets[S]) * H, step = static_cast<int64_t>(gridDim.x) * 2 * plain_warps;
  const int lane = threadIdx.x % 16, half = threadIdx.x / 16 % 2;
  for (int64_t pair = (static_cast<int64_t>(blockIdx.x) * plain_warps + threadIdx.x / 32) * 2; pair < count;
       pair += step) {
    const int64_t row = pair + half;
    float sum = 0;
    if (row < count && 8 * lane < E) {
      const auto a = load<8>(dy + row * E + 8 * lane), b = load<8>(y + row * E + 8 * lane);
#pragma unroll
      for (int i = 0; i < 8; ++i) sum = fmaf(to_float(a.v[i]), to_float(b.v[i]), sum);
    }
    sum = warp_reduce<Sum, 16>(sum);
    if (lane == 0 && row < count) delta[row] = sum;
  }
}

template <class X> struct PlainBackward {
  X* dqkv;
  const float* delta;
  const X* dy;
  const X* qkv;
  const float* lse;
  const int32_t* offsets;
  int S;
  PackedHeads heads;
  float scale;
};

// For one (query, key) pair: the softmax weight p and the gradient ds of the score. score is scale·q·k, and dp is dy·v.
struct PlainGradient {
  float p, ds;
  __device__ PlainGradient(float score, float lse, float dp, float delta)
      : p(expf(score - lse)), ds(p * (dp - delta)) {}
};

// Shared memory of a warp: q and dy of its query, or k and v of its key.
using PlainRows = float[2][max_head_dim];

template <class X>
__device__ inline void plain_query_gradient(const PlainBackward<X>& a, PlainRows& rows, int64_t row) {
  const int lane = threadIdx.x % 32, E = a.heads.E, h = static_cast<int>(row % a.heads.H), kv = h / a.heads.group;
  const int64_t t = row / a.heads.H, first = a.offsets[sequence_of(a.offsets, a.S, t)];
  plain_copy(rows[0], a.qkv + t * a.heads.ld() + h * E, E);
  plain_copy(rows[1], a.dy + row * E, E);
  PlainRow dq;
  for (int64_t j0 = first; j0 <= t; j0 += 32) {
    float ds = 0;
    if (j0 + lane <= t) {
      const float score = plain_dot(rows[0], a.qkv + a.heads.key(j0 + lane, kv), E) * a.scale;
      ds = PlainGradient(score, a.lse[row], plain_dot(rows[1], a.qkv + a.heads.value(j0 + lane, kv), E), a.delta[row])
               .ds;
    }
    for (int64_t j = j0; j < min(j0 + 32, t + 1); ++j)
      dq.add(__shfl_sync(0xffffffffu, ds, static_cast<int>(j - j0)), a.qkv + a.heads.key(j, kv), E);
  }
  dq.store_scaled(a.dqkv + t * a.heads.ld() + h * E, a.scale, E);
}

template <class X> __device__ inline void plain_key_gradient(const PlainBackward<X>& a, PlainRows& rows, int64_t row) {
  const int lane = threadIdx.x % 32, E = a.heads.E, kv = static_cast<int>(row % a.heads.K),
            s = sequence_of(a.offsets, a.S, row / a.heads.K);
  const int64_t t = row / a.heads.K, end = a.offsets[s + 1];
  plain_copy(rows[0], a.qkv + a.heads.key(t, kv), E);
  plain_copy(rows[1], a.qkv + a.heads.value(t, kv), E);
  PlainRow dk, dv;
  for (int h = kv * a.heads.group; h < (kv + 1) * a.heads.group; ++h)
    for (int64_t i0 = t; i0 < end; i0 += 32) {
      float p = 0, ds = 0;
      const int64_t i = i0 + lane;
      if (i < end) {
        const float score = plain_dot(rows[0], a.qkv + i * a.heads.ld() + h * E, E) * a.scale;
        const int64_t at = i * a.heads.H + h;
        const PlainGradient gradient(score, a.lse[at], plain_dot(rows[1], a.dy + at * E, E), a.delta[at]);
        p = gradient.p;
        ds = gradient.ds;
      }
      for (int64_t j = i0; j < min(i0 + 32, end); ++j) {
        dv.add(__shfl_sync(0xffffffffu, p, static_cast<int>(j - i0)), a.dy + (j * a.heads.H + h) * E, E);
        dk.add(__shfl_sync(0xffffffffu, ds, static_cast<int>(j - i0)), a.qkv + j * a.heads.ld() + h * E, E);
      }
    }
  dk.store_scaled(a.dqkv + a.heads.key(t, kv), a.scale, E);
  dv.store_scaled(a.dqkv + a.heads.value(t, kv), 1, E);
}

template <class X> __global__ void plain_backward(PlainBackward<X> a) {
  __shared__ PlainRows rows[plain_warps];
  const int64_t T = a.offsets[a.S], queries = T * a.heads.H, warp = threadIdx.x / 32,
                step = static_cast<int64_t>(gridDim.x) * plain_warps;
  for (int64_t row = static_cast<int64_t>(blockIdx.x) * plain_warps + warp; row < queries + T * a.heads.K;
       row += step) {
    __syncwarp();
    if (row < queries) plain_query_gradient(a, rows[warp], row);
    else plain_key_gradient(a, rows[warp], row - queries);
  }
}
