// attention_backward: the gradients of attention.cu, computed from its log-sum-exp.
//   Dao et al. 2022, arXiv:2205.14135; Dao 2023, arXiv:2307.08691
//   p = exp(scale·q·k − lse)   dv = pᵀ·dy   ds = p·(dy·v − delta)   dq = scale·ds·K   dk = scale·dsᵀ·Q
//   delta = Σ_e dy·y
// Shapes   dqkv, qkv (T, (H + 2K)·E) · dy, y (T, H·E) · delta, lse (T, H) · offsets (S + 1)   Types  f32|bf16, sums f32
//          operands is not used: f32 products are exact, and the tensor core reads bf16
// Needs    E % 2 == 0, E <= 256, H % K == 0, scratch 0 · tensor core if bf16, E % 16 == 0, E <= 128, H/K <= 64, else
//          one warp per row
// Mapping  delta: one warp or half a warp per (token, head) · dk, dv: a block of eight warps computes 64 keys of one kv
//          head. It processes the query heads in order, 64 tokens at a time. Warps 0 to 3 sum over the first 32 of
//          these tokens and warps 4 to 7 over the last 32. At the end the two sums are added · dq: (kv head, 64 query
//          rows) per block of four warps, 32 keys at a time. Both kernels compute the scores, so that each
//          sum is computed by one block alone, in a fixed order
// Bound    tensor core: 14·E FLOP per (query row, key)
// Oracle   native/ops/attention_backward.cc
// Test     AttentionParityTest
#include "plain_attention_backward.h"

namespace {

constexpr int warps = 4, threads = 32 * warps, rows = 16 * warps, tile = 32;

struct Arguments {
  bf16* dqkv;
  const float* delta;
  const bf16* dy;
  const bf16* qkv;
  const float* lse;
  const int32_t* offsets;
  int S;
  PackedHeads heads;
  float scale;
};

// ---- dk and dv: the rows of a tile are keys, the columns are query rows ---------------------------------------------
constexpr int key_threads = 2 * threads, tokens = 2 * tile;

// On devices with too little shared memory for two stages, the kernel uses one stage and waits while this stage is
// loaded. At the end the two halves of the block use the same memory to exchange their sums.
template <int EP, int stages> struct KeyShared {
  bf16 k[rows * tile_stride<EP>], v[rows * tile_stride<EP>];
  bf16 side[stages][2][tokens * tile_stride<EP>];  // [stage][q, dy]
  float terms[stages][2][tokens];                  // [stage][lse, delta]
};

// Copies tiles of q, dy, lse and delta one after another, to alternating stages. The addresses are those of this
// thread's first element. Elements of tokens that do not exist become zeros, so these tokens add nothing to a sum.
template <int EP> struct QueryCopies {
  static constexpr int step = key_threads / (EP / 8);  // rows that the block copies at a time
  const bf16 *q, *dy;
  const float* term;

  __device__ __forceinline__ void start(const Arguments& a, const SequenceTile& at, int h) {
    const int r = threadIdx.x / (EP / 8), u = threadIdx.x % (EP / 8), head = at.kv * a.heads.group + h;
    const int64_t t = at.first + at.begin;
    q = a.qkv + (t + r) * a.heads.ld() + head * a.heads.E + 8 * u;
    dy = a.dy + ((t + r) * a.heads.H + head) * a.heads.E + 8 * u;
    term = (threadIdx.x < tokens ? a.lse : a.delta) + (t + threadIdx.x % tokens) * a.heads.H + head;
  }
  // `left` is the number of tokens from the tile's first token to the end of the sequence.
  template <int stages>
  __device__ __forceinline__ void fetch(KeyShared<EP, stages>& shared, const Arguments& a, int stage, int left) {
    const int r = threadIdx.x / (EP / 8), u = threadIdx.x % (EP / 8), rows = 8 * u < a.heads.E ? left - r : 0;
    const int to = r * tile_stride<EP> + 8 * u;
    const int64_t q_step = step * a.heads.ld(), dy_step = step * a.heads.H * a.heads.E;
#pragma unroll
    for (int i = 0; i < tokens; i += step, q += q_step)
      copy_async16(shared.side[stage][0] + to + i * tile_stride<EP>, q, i < rows);
#pragma unroll
    for (int i = 0; i < tokens; i += step, dy += dy_step)
      copy_async16(shared.side[stage][1] + to + i * tile_stride<EP>, dy, i < rows);
    if (threadIdx.x < 2 * tokens)
      copy_async4(shared.terms[stage][0] + threadIdx.x, term, static_cast<int>(threadIdx.x) % tokens < left);
    term += tokens * a.heads.H;
  }
};

// Adds the terms of 32 query rows of a stage to dk and dv of this warp's 16 keys. `key` contains the positions of the
// lane's two keys, relative to the position of the first query row.
template <int EP, int stages>
__device__ __forceinline__ void add_queries(float (&dk)[EP / 8][4], float (&dv)[EP / 8][4],
                                            const KeyShared<EP, stages>& shared, int stage, int row0, int part,
                                            float log2_scale, bool diagonal, const int (&key)[2]) {
  const bf16 *q = shared.side[stage][0] + part * tile_stride<EP>, *dy = shared.side[stage][1] + part * tile_stride<EP>;
  const float *lse = shared.terms[stage][0] + part, *delta = shared.terms[stage][1] + part;
  float p[tile / 8][4], ds[tile / 8][4];
  unsigned left[tile / 16][4];
  scores<EP>(p, shared.k + row0 * tile_stride<EP>, q);
  scores<EP>(ds, shared.v + row0 * tile_stride<EP>, dy);
  const int first = threadIdx.x % 4 * 2;
  if (diagonal) {
#pragma unroll
    for (int n = 0; n < tile / 8; ++n)
#pragma unroll
      for (int i = 0; i < 4; ++i)
        if (8 * n + first + i % 2 < key[i / 2]) p[n][i] = -INFINITY;
  }
#pragma unroll
  for (int n = 0; n < tile / 8; ++n)
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const int r = 8 * n + first + i % 2;
      p[n][i] = exp2_approximate(fmaf(p[n][i], log2_scale, -log2_e * lse[r]));
      ds[n][i] = p[n][i] * (ds[n][i] - delta[r]);
    }
  to_left(left, p);
  weigh<EP>(dv, left, dy);
  to_left(left, ds);
  weigh<EP>(dk, left, q);
}

// `give` and `take` exchange sums between the two halves of the block, so that each half completes one of the two
// gradients.
template <int N> __device__ __forceinline__ void give(float* sums, const float (&x)[N][4]) {
#pragma unroll
  for (int n = 0; n < N; ++n)
#pragma unroll
    for (int i = 0; i < 4; ++i) sums[(4 * n + i) * key_threads + threadIdx.x] = x[n][i];
}
template <int N> __device__ __forceinline__ void take(float (&x)[N][4], const float* sums) {
#pragma unroll
  for (int n = 0; n < N; ++n)
#pragma unroll
    for (int i = 0; i < 4; ++i) x[n][i] += sums[(4 * n + i) * key_threads + (threadIdx.x ^ threads)];
}

template <int EP, int stages>
__device__ void key_tile(KeyShared<EP, stages>& shared, const Arguments& a, const SequenceTile& at) {
  const int lane = threadIdx.x % 32, half = threadIdx.x / threads, row0 = threadIdx.x % threads / 32 * 16,
            E = a.heads.E;
  const int64_t first = at.first + at.begin;
  fetch_rows<EP, rows, key_threads>(shared.k, E, a.qkv + a.heads.key(first, at.kv), a.heads.ld(), at.end - at.begin);
  fetch_rows<EP, rows, key_threads>(shared.v, E, a.qkv + a.heads.value(first, at.kv), a.heads.ld(), at.end - at.begin);
  const int row[2] = {row0 + lane / 4, row0 + lane / 4 + 8}, part = half * tile,
            key[2] = {row[0] - part, row[1] - part};
  const float log2_scale = a.scale * log2_e;
  float dk[EP / 8][4] = {}, dv[EP / 8][4] = {};
  QueryCopies<EP> copies;
  copies.start(a, at, 0);
  copies.fetch(shared, a, 0, at.length - at.begin);
  copy_commit();
  for (int h = 0, t = at.begin, stage = 0; h < a.heads.group; stage = (stage + 1) % stages) {
    copy_wait<0>();
    __syncthreads();  // the tile has arrived, and no warp reads the other stage any more
    const bool diagonal = t == at.begin;  // true if some of these tokens are before some of these keys
    t += tokens;
    if (t >= at.length) {
      t = at.begin, ++h;
      copies.start(a, at, h);
    }
    const int to = (stage + 1) % stages;
    const bool more = h < a.heads.group;
    if (stages > 1 && more) copies.fetch(shared, a, to, at.length - t);
    copy_commit();
    if (!diagonal || row0 < part + tile) add_queries(dk, dv, shared, stage, row0, part, log2_scale, diagonal, key);
    if (stages == 1) {
      __syncthreads();
      if (more) copies.fetch(shared, a, to, at.length - t);
      copy_commit();
    }
  }
  __syncthreads();  // no warp reads a tile any more
  auto* sums = reinterpret_cast<float*>(&shared);
  auto out = [&](int i) {
    const int64_t t = first + row[i];
    return at.begin + row[i] < at.end ? a.dqkv + (half ? a.heads.value(t, at.kv) : a.heads.key(t, at.kv)) : nullptr;
  };
  if (half) give(sums, dk); else give(sums, dv);
  __syncthreads();
  if (half) take(dv, sums); else take(dk, sums);
  if (half) store_rows(out(0), out(1), dv, 1, E); else store_rows(out(0), out(1), dk, a.scale, E);
}

template <int EP, int stages>
__global__ void __launch_bounds__(key_threads, 1) key_gradients(__grid_constant__ const Arguments a) {
  KeyShared<EP, stages>& shared = *dynamic_shared<KeyShared<EP, stages>>();
  static_assert(sizeof(shared) >= EP / 2 * key_threads * sizeof(float));
  SequenceTiles tiles(a.offsets, a.S, rows, a.heads.K);
  SequenceTile at;
  for (int i = blockIdx.x; tiles.at(i, at); i += gridDim.x) {
    at.mirror(rows);  // starts with the first keys of a sequence, which have the most query rows
    key_tile(shared, a, at);
    __syncthreads();
  }
}

// ---- dq: the rows of a tile are query rows, the columns are keys ----------------------------------------------------
template <int EP> struct QueryShared { bf16 side[2][2][tile * tile_stride<EP>]; };  // [stage][k, v]

template <int EP>
__device__ __forceinline__ void fetch_keys(QueryShared<EP>& shared, const Arguments& a, const SequenceTile& at,
                                           int first_key, int stage) {
  const int64_t t = at.first + first_key, ld = a.heads.ld();
  fetch_rows<EP, tile, threads>(shared.side[stage][0], a.heads.E, a.qkv + a.heads.key(t, at.kv), ld,
                                at.end - first_key);
  fetch_rows<EP, tile, threads>(shared.side[stage][1], a.heads.E, a.qkv + a.heads.value(t, at.kv), ld,
                                at.end - first_key);
}

template <int EP> __device__ void query_tile(QueryShared<EP>& shared, const Arguments& a, const SequenceTile& at) {
  const int lane = threadIdx.x % 32, E = a.heads.E, group = a.heads.group, end = at.end * group;
  const int row0 = at.begin * group + 16 * (static_cast<int>(threadIdx.x) / 32) + lane / 4, row[2] = {row0, row0 + 8};
  const int seen[2] = {row[0] / group, row[1] / group};  // for each of the two rows, the last key that it sees
  const bool inside[2] = {row[0] < end, row[1] < end};
  const int64_t head[2] = {a.heads.head(at.first, at.kv, row[0]), a.heads.head(at.first, at.kv, row[1])};
  unsigned q[EP / 16][4], dy[EP / 16][4];
  float lse[2], delta[2], dq[EP / 8][4] = {};
  bf16* out[2];
  const bf16 *from_q[2], *from_dy[2];
  for (int r = 0; r < 2; ++r) {
    const int64_t query = a.heads.query(at.first, at.kv, row[r]);
    from_q[r] = inside[r] ? a.qkv + query : nullptr;
    from_dy[r] = inside[r] ? a.dy + head[r] * E : nullptr;
    out[r] = inside[r] ? a.dqkv + query : nullptr;
    lse[r] = inside[r] ? a.lse[head[r]] * log2_e : INFINITY;
    delta[r] = inside[r] ? a.delta[head[r]] : 0;
  }
  load_rows<EP>(q, from_q[0], from_q[1], E);
  load_rows<EP>(dy, from_dy[0], from_dy[1], E);
  const float log2_scale = a.scale * log2_e;
  fetch_keys(shared, a, at, 0, 0);
  copy_commit();
  for (int key = 0, stage = 0; key < at.end; key += tile, stage ^= 1) {
    copy_wait<0>();
    __syncthreads();  // the tile has arrived, and no warp reads the other stage any more
    if (key + tile < at.end) fetch_keys(shared, a, at, key + tile, stage ^ 1);
    copy_commit();
    float p[tile / 8][4], ds[tile / 8][4];
    unsigned left[tile / 16][4];
    scores<EP>(p, q, shared.side[stage][0]);
    scores<EP>(ds, dy, shared.side[stage][1]);
    const bool diagonal = key + tile - 1 > min(seen[0], seen[1]);  // true if either row does not see all of these keys
#pragma unroll
    for (int n = 0; n < tile / 8; ++n)
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const int r = i / 2;
        ds[n][i] = exp2_approximate(fmaf(p[n][i], log2_scale, -lse[r])) * (ds[n][i] - delta[r]);
        if (diagonal && key + 8 * n + lane % 4 * 2 + i % 2 > seen[r]) ds[n][i] = 0;
      }
    to_left(left, ds);
    weigh<EP>(dq, left, shared.side[stage][0]);
  }
  store_rows(out[0], out[1], dq, a.scale, E);
}

template <int EP> __global__ void __launch_bounds__(threads, 2) query_gradients(__grid_constant__ const Arguments a) {
  QueryShared<EP>& shared = *dynamic_shared<QueryShared<EP>>();
  SequenceTiles tiles(a.offsets, a.S, rows / a.heads.group, a.heads.K);
  SequenceTile at;
  for (int round = 0; tiles.at(item_of_round(round), at); ++round) {
    query_tile(shared, a, at);
    __syncthreads();
  }
}

template <int EP> ingrain_status launch_tiles(ingrain_context* ctx, const Arguments& arguments, unsigned blocks) {
  using Two = KeyShared<EP, 2>;
  size_t most = 0;
  if (ingrain_status status = cuda_status(ctx, most_dynamic_shared(key_gradients<EP, 2>, &most), "attention_backward"))
    return status;
  const bool two = most >= sizeof(Two);
  if (ingrain_status status = launch(two ? key_gradients<EP, 2> : key_gradients<EP, 1>, blocks, key_threads,
                                     two ? sizeof(Two) : sizeof(KeyShared<EP, 1>), ctx, arguments)) return status;
  return launch(query_gradients<EP>, blocks, threads, sizeof(QueryShared<EP>), ctx, arguments);
}

}  // namespace

extern "C" ingrain_status ingrain_attention_backward(ingrain_context* ctx, void* dqkv, float* delta, const void* dy,
                                                     const void* qkv, const void* y, const float* lse,
                                                     const int32_t* offsets, int32_t dtype, int32_t, int64_t S,
                                                     int64_t H, int64_t K, int64_t E, float scale) {
  if (const ingrain_status bad = check_heads(ctx, "attention_backward", H, K, E)) return bad;
  if (S == 0) return INGRAIN_OK;
  unsigned blocks = 0;
  if (const ingrain_status status = persistent_blocks(ctx, &blocks)) return status;
  const PackedHeads heads{static_cast<int>(H), static_cast<int>(K), static_cast<int>(E), static_cast<int>(H / K)};
  return with_dtype(ctx, dtype, [&]<class X>() {
    const auto *gradient = static_cast<const X*>(dy), *input = static_cast<const X*>(qkv);
    auto* out = static_cast<X*>(dqkv);
    const auto* output = static_cast<const X*>(y);
    const auto add_up = [&](auto kernel) {
      return launch(kernel, 4 * blocks, 32 * plain_warps, 0, ctx, delta, gradient, output, offsets, S, H, E);
    };
    if constexpr (std::is_same_v<X, bf16>) {
      if (fits_tensor_core(dtype, H / K, E, qkv, dy)) {
        const Arguments arguments{out, delta, gradient, input, lse, offsets, static_cast<int>(S), heads, scale};
        const auto sums = fits_vectors<X>(E, output) ? row_sums_wide : row_sums<X>;
        if (ingrain_status status = add_up(sums)) return status;
        return E <= 64 ? launch_tiles<64>(ctx, arguments, blocks) : launch_tiles<128>(ctx, arguments, blocks);
      }
    }
    if (ingrain_status status = add_up(row_sums<X>)) return status;
    const PlainBackward<X> arguments{out, delta, gradient, input, lse, offsets, static_cast<int>(S), heads, scale};
    return launch(plain_backward<X>, 4 * blocks, 32 * plain_warps, 0, ctx, arguments);
  });
}
INGRAIN_EXPORT_OP(attention_backward)
