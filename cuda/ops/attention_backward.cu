// attention_backward: gradients of attention.cu from its log-sum-exp.     Dao et al. 2022, arXiv:2205.14135; Dao 2023, arXiv:2307.08691
//   p = exp(scale·q·k − lse)   dv = pᵀ·dy   ds = p·(dy·v − delta)   dq = scale·ds·K   dk = scale·dsᵀ·Q   delta = Σ_e dy·y
// Shapes   dqkv, qkv (T, (H + 2K)·E) · dy, y (T, H·E) · delta, lse (T, H) · offsets (S + 1)   Types  f32|bf16, sums f32
// Needs    E % 2 == 0, E <= 256, H % K == 0, scratch 0 · tensor core where bf16, E % 16 == 0, E <= 128, H/K <= 64, else one warp a row
// Mapping  delta: one warp a (token, head) · dk, dv: (kv head, 64 keys) a block, 32 query rows at a time · dq: (kv head, 64 query rows)
//          a block, 32 keys at a time; scores twice, but no sum is shared by two blocks and every sum has one order
// Bound    tensor core: 14·E FLOP a (query row, key)                   Oracle native/ops/attention_backward.cc  Test AttentionParityTest
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

template <class X> __global__ void row_sums(float* delta, const X* dy, const X* y, const int32_t* offsets, int S, int H, int E) {
  const int64_t count = static_cast<int64_t>(offsets[S]) * H, step = static_cast<int64_t>(gridDim.x) * plain_warps;
  for (int64_t row = static_cast<int64_t>(blockIdx.x) * plain_warps + threadIdx.x / 32; row < count; row += step) {
    float sum = 0;
    for (int e = threadIdx.x % 32; e < E; e += 32) sum = fmaf(to_float(dy[row * E + e]), to_float(y[row * E + e]), sum);
    sum = warp_reduce<Sum>(sum);
    if (threadIdx.x % 32 == 0) delta[row] = sum;
  }
}

// Accumulators of 16 rows as bf16 rows of E; a null row is not written.
template <int N> __device__ __forceinline__ void store_rows(bf16* low, bf16* high, const float (&x)[N][4], float factor, int E) {
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    bf16* row = r ? high : low;
    if (!row) continue;
#pragma unroll
    for (int n = 0; n < N; ++n)
      if (8 * n < E) *reinterpret_cast<unsigned*>(row + 8 * n + threadIdx.x % 4 * 2) = pack_bf16(x[n][2 * r] * factor, x[n][2 * r + 1] * factor);
  }
}

// ---- dk, dv: rows are keys, columns query rows ------------------------------------------------------------------------
template <int EP> struct KeyShared {
  bf16 k[rows * tile_stride<EP>], v[rows * tile_stride<EP>];
  bf16 side[2][2][tile * tile_stride<EP>];   // [stage][q, dy]
  float lse[2][tile], delta[2][tile];        // lse in powers of 2; of rows that are none: p becomes 0
};

template <int EP> __device__ void fetch_queries(KeyShared<EP>& shared, const Arguments& a, const SequenceTile& at, int first_row, int stage) {
  const int end = at.length * a.heads.group;
  fetch_rows<EP, tile, threads>(shared.side[stage][0], a.heads.E, a.qkv, [&](int r) {
    return first_row + r < end ? a.qkv + a.heads.query(at.first, at.kv, first_row + r) : nullptr;
  });
  fetch_rows<EP, tile, threads>(shared.side[stage][1], a.heads.E, a.qkv, [&](int r) {
    return first_row + r < end ? a.dy + a.heads.head(at.first, at.kv, first_row + r) * a.heads.E : nullptr;
  });
  if (threadIdx.x < tile) {
    const int r = first_row + threadIdx.x;
    const int64_t head = a.heads.head(at.first, at.kv, r);
    shared.lse[stage][threadIdx.x] = r < end ? a.lse[head] * log2_e : INFINITY;
    shared.delta[stage][threadIdx.x] = r < end ? a.delta[head] : 0;
  }
}

template <int EP> __device__ void key_tile(KeyShared<EP>& shared, const Arguments& a, const SequenceTile& at) {
  const int lane = threadIdx.x % 32, row0 = 16 * (threadIdx.x / 32), E = a.heads.E, group = a.heads.group;
  const int key[2] = {at.begin + row0 + lane / 4, at.begin + row0 + lane / 4 + 8};
  for (int part = 0; part < 2; ++part)
    fetch_rows<EP, rows, threads>(part ? shared.v : shared.k, E, a.qkv, [&](int r) {
      const int64_t t = at.first + at.begin + r;
      return at.begin + r < at.end ? a.qkv + (part ? a.heads.value(t, at.kv) : a.heads.key(t, at.kv)) : nullptr;
    });
  const int begin = at.begin * group, end = at.length * group;
  const float log2_scale = a.scale * log2_e;
  float dk[EP / 8][4] = {}, dv[EP / 8][4] = {};
  fetch_queries(shared, a, at, begin, 0);
  copy_commit();
  for (int r0 = begin, stage = 0; r0 < end; r0 += tile, stage ^= 1) {
    copy_wait<0>();
    __syncthreads();  // the tile is there, and nobody reads the other stage any more
    if (r0 + tile < end) fetch_queries(shared, a, at, r0 + tile, stage ^ 1);
    copy_commit();
    const bf16 *q = shared.side[stage][0], *dy = shared.side[stage][1];
    const bool diagonal = r0 / group < at.begin + rows;  // some of these rows stand before some of these keys
    float p[tile / 8][4], ds[tile / 8][4];
    unsigned left[tile / 16][4];
    scores<EP>(p, shared.k + row0 * tile_stride<EP>, q);
    scores<EP>(ds, shared.v + row0 * tile_stride<EP>, dy);
#pragma unroll
    for (int n = 0; n < tile / 8; ++n)
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const int r = 8 * n + lane % 4 * 2 + i % 2;
        const float weight = exp2f(fmaf(p[n][i], log2_scale, -shared.lse[stage][r]));
        p[n][i] = diagonal && (r0 + r) / group < key[i / 2] ? 0 : weight;
        ds[n][i] = p[n][i] * (ds[n][i] - shared.delta[stage][r]);
      }
    to_left(left, p);
    weigh<EP>(dv, left, dy);
    to_left(left, ds);
    weigh<EP>(dk, left, q);
  }
  auto row = [&](int i, bool value) {
    const int64_t t = at.first + key[i];
    return key[i] < at.end ? a.dqkv + (value ? a.heads.value(t, at.kv) : a.heads.key(t, at.kv)) : nullptr;
  };
  store_rows(row(0, false), row(1, false), dk, a.scale, E);
  store_rows(row(0, true), row(1, true), dv, 1, E);
}

template <int EP> __global__ void __launch_bounds__(threads, 2) key_gradients(__grid_constant__ const Arguments a) {
  KeyShared<EP>& shared = *dynamic_shared<KeyShared<EP>>();
  SequenceTiles tiles(a.offsets, a.S, rows, a.heads.K);
  SequenceTile at;
  for (int i = blockIdx.x; tiles.at(i, at); i += gridDim.x) {
    key_tile(shared, a, at);
    __syncthreads();
  }
}

// ---- dq: rows are query rows, columns keys ----------------------------------------------------------------------------
template <int EP> struct QueryShared { bf16 side[2][2][tile * tile_stride<EP>]; };  // [stage][k, v]

template <int EP> __device__ void fetch_keys(QueryShared<EP>& shared, const Arguments& a, const SequenceTile& at, int first_key, int stage) {
  for (int part = 0; part < 2; ++part)
    fetch_rows<EP, tile, threads>(shared.side[stage][part], a.heads.E, a.qkv, [&](int r) {
      const int64_t t = at.first + first_key + r;
      return first_key + r < at.end ? a.qkv + (part ? a.heads.value(t, at.kv) : a.heads.key(t, at.kv)) : nullptr;
    });
}

template <int EP> __device__ void query_tile(QueryShared<EP>& shared, const Arguments& a, const SequenceTile& at) {
  const int lane = threadIdx.x % 32, E = a.heads.E, group = a.heads.group, end = at.end * group;
  const int row0 = at.begin * group + 16 * (static_cast<int>(threadIdx.x) / 32) + lane / 4, row[2] = {row0, row0 + 8};
  const int seen[2] = {row[0] / group, row[1] / group};  // the last key
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
    __syncthreads();  // the tile is there, and nobody reads the other stage any more
    if (key + tile < at.end) fetch_keys(shared, a, at, key + tile, stage ^ 1);
    copy_commit();
    float p[tile / 8][4], ds[tile / 8][4];
    unsigned left[tile / 16][4];
    scores<EP>(p, q, shared.side[stage][0]);
    scores<EP>(ds, dy, shared.side[stage][1]);
#pragma unroll
    for (int n = 0; n < tile / 8; ++n)
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const int r = i / 2;
        const float weight = exp2f(fmaf(p[n][i], log2_scale, -lse[r]));
        ds[n][i] = key + 8 * n + lane % 4 * 2 + i % 2 > seen[r] ? 0 : weight * (ds[n][i] - delta[r]);
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
  for (int i = blockIdx.x; tiles.at(i, at); i += gridDim.x) {
    query_tile(shared, a, at);
    __syncthreads();
  }
}

template <int EP> ingrain_status launch_tiles(ingrain_context* ctx, const Arguments& arguments) {
  if (ingrain_status status = launch(key_gradients<EP>, standing_blocks, threads, sizeof(KeyShared<EP>), ctx, arguments)) return status;
  return launch(query_gradients<EP>, standing_blocks, threads, sizeof(QueryShared<EP>), ctx, arguments);
}

}  // namespace

extern "C" ingrain_status ingrain_attention_backward(ingrain_context* ctx, void* dqkv, float* delta, const void* dy, const void* qkv,
                                                     const void* y, const float* lse, const int32_t* offsets, int32_t dtype, int64_t S,
                                                     int64_t H, int64_t K, int64_t E, float scale) {
  if (const ingrain_status bad = check_heads(ctx, "attention_backward", H, K, E)) return bad;
  if (S == 0) return INGRAIN_OK;
  const PackedHeads heads{static_cast<int>(H), static_cast<int>(K), static_cast<int>(E), static_cast<int>(H / K)};
  return with_dtype(ctx, dtype, [&]<class X>() {
    const auto *gradient = static_cast<const X*>(dy), *input = static_cast<const X*>(qkv);
    auto* out = static_cast<X*>(dqkv);
    if (ingrain_status status = launch(row_sums<X>, 4 * standing_blocks, 32 * plain_warps, 0, ctx, delta, gradient, static_cast<const X*>(y), offsets, S, H, E))
      return status;
    if constexpr (std::is_same_v<X, bf16>) {
      if (fits_tensor_core(dtype, H / K, E, qkv, dy)) {
        const Arguments arguments{out, delta, gradient, input, lse, offsets, static_cast<int>(S), heads, scale};
        return E <= 64 ? launch_tiles<64>(ctx, arguments) : launch_tiles<128>(ctx, arguments);
      }
    }
    const PlainBackward<X> arguments{out, delta, gradient, input, lse, offsets, static_cast<int>(S), heads, scale};
    return launch(plain_backward<X>, 4 * standing_blocks, 32 * plain_warps, 0, ctx, arguments);
  });
}
INGRAIN_EXPORT_OP(attention_backward)
