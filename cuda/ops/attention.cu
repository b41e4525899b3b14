// attention: causal attention of packed sequences without a cache, for training.
//   Dao et al. 2022, arXiv:2205.14135; Dao 2023, arXiv:2307.08691
//   y = softmax(scale·q·Kᵀ)·V    lse = log Σ exp(scale·q·k), kept for backward
// Shapes   y (T, H·E) · lse (T, H) · qkv (T, (H + 2K)·E) · offsets (S + 1)   Types  qkv, y f32|bf16 · lse, sums f32
//          operands is not used: f32 products are exact, and the tensor core reads bf16
// Needs    E % 2 == 0, E <= 256, H % K == 0, scratch 0 · tensor core if bf16, E % 16 == 0, E <= 128, H/K <= 64, else
//          one warp per row
// Mapping  (kv head, 128 rows = tokens × H/K heads) per block of four warps, 64 keys at a time. A warp has 32 rows, so
//          each fragment of keys or values in its registers is the operand of four products. Shared memory contains
//          the queries, one tile of keys and one of values: values are copied during the product of queries and keys,
//          the next keys during the product with the values
// Bound    tensor core: 4·E FLOP per (row, key)   Oracle native/ops/attention.cc   Test AttentionParityTest
#include "plain_attention.h"
#include "sequence_tiles.h"

namespace {

struct Arguments {
  bf16* y;
  float* lse;
  const bf16* qkv;
  const int32_t* offsets;
  int S;
  PackedHeads heads;
  float scale;
};

constexpr int warps = 4, threads = 32 * warps, rows = 32 * warps, keys = 64;
constexpr unsigned resident = 2;  // blocks per multiprocessor: their barriers are independent, so one block's products
                                  // run during the other's softmax

template <int EP> struct Tiles {
  bf16 q[rows * tile_stride<EP>], k[keys * tile_stride<EP>], v[keys * tile_stride<EP>];
};

// Starts copying the query rows of an item. Rows that do not exist become zeros.
template <int EP>
__device__ __forceinline__ void fetch_queries(bf16* tile, const Arguments& a, const SequenceTile& at) {
  constexpr int units = EP / 8, step = threads / units;
  const int u = threadIdx.x % units, first = at.begin * a.heads.group;
  for (int r = threadIdx.x / units; r < rows; r += step)
    copy_async16(tile + r * tile_stride<EP> + 8 * u, a.qkv + a.heads.query(at.first, at.kv, first + r) + 8 * u,
                 first + r < at.end * a.heads.group && 8 * u < a.heads.E);
}

// Writes the maxima of the scores of a lane's rows, which are those of two tiles of 16 rows.
template <int S> __device__ __forceinline__ void maxima_of_two(float (&maximum)[2][2], const float (&s)[2][S][4]) {
#pragma unroll
  for (int r = 0; r < 4; ++r) {
    const auto& tile = s[r / 2];
    const int i = r % 2 * 2;
    float m = tile[0][i];
#pragma unroll
    for (int n = 0; n < S; ++n) m = fmaxf(m, fmaxf(tile[n][i], tile[n][i + 1]));
    maximum[r / 2][r % 2] = m;
  }
#pragma unroll
  for (int apart = 2; apart > 0; apart /= 2)
#pragma unroll
    for (int r = 0; r < 4; ++r) {
      float& m = maximum[r / 2][r % 2];
      m = fmaxf(m, __shfl_xor_sync(0xffffffffu, m, apart));
    }
}

// Stores y and lse of the lane's rows `low` and low + 8 of a softmax.
template <int N>
__device__ __forceinline__ void store(const Softmax<N>& softmax, const Arguments& a, const SequenceTile& at, int low,
                                      int end) {
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    const int row = low + 8 * r;
    if (row >= end) continue;
    const int64_t head = a.heads.head(at.first, at.kv, row);
    const float l = softmax.l[2 * r];
    bf16* y = a.y + head * a.heads.E + threadIdx.x % 4 * 2;
#pragma unroll
    for (int n = 0; n < N; ++n)
      if (8 * n < a.heads.E)
        *reinterpret_cast<unsigned*>(y + 8 * n) =
            pack_bf16(softmax.o[n][2 * r] * (1 / l), softmax.o[n][2 * r + 1] * (1 / l));
    if (threadIdx.x % 4 == 0) a.lse[head] = fmaf(softmax.m[r], a.scale, logf(l));
  }
}

template <int EP> __device__ void attend_tile(Tiles<EP>& shared, const Arguments& a, const SequenceTile& at) {
  const int lane = threadIdx.x % 32, group = a.heads.group, local = threadIdx.x / 32 * 32,
            row0 = at.begin * group + local, end = at.end * group;
  const float log2_scale = a.scale * log2_e;
  const auto fetch = [&](bf16* to, const bf16* from, int key) {
    fetch_rows<EP, keys, threads>(to, a.heads.E, from, a.heads.ld(), at.end - key);
    copy_commit();
  };
  const bf16* from = a.qkv + a.heads.key(at.first, at.kv);
  const int first_hidden = row0 / group + 1, last_seen = row0 < end ? (min(row0 + 32, end) - 1) / group : -1;
  Softmax<EP / 8> softmax[2];
  softmax[0].start();
  softmax[1].start();
  fetch_queries<EP>(shared.q, a, at);
  fetch(shared.k, from, 0);
  for (int key = 0; key < at.end; key += keys) {
    copy_wait<0>();
    __syncthreads();  // the keys are in shared memory, and no warp reads the values any more
    fetch(shared.v, from + a.heads.K * a.heads.E, key);  // the values of these keys
    float s[2][keys / 8][4], maximum[2][2];
    if (key <= last_seen) {
      scores_of_two<EP>(s, shared.q + local * tile_stride<EP>, shared.k);
      if (key + keys > first_hidden) {
#pragma unroll
        for (int i = 0; i < 2; ++i) {
          const int row = row0 + 16 * i + lane / 4, visible[2] = {row / group + 1, (row + 8) / group + 1};
          mask(s[i], key, visible);
        }
      }
      maxima_of_two(maximum, s);
    }
    copy_wait<0>();
    __syncthreads();  // the values are in shared memory, and no warp reads the keys any more
    from += keys * a.heads.ld();
    if (key + keys < at.end) fetch(shared.k, from, key + keys);
    if (key <= last_seen) {
      softmax[0].raise(maximum[0], log2_scale);
      softmax[1].raise(maximum[1], log2_scale);
#pragma unroll
      for (int j = 0; j < keys / 16; ++j) {
        unsigned p[2][1][4];
#pragma unroll
        for (int i = 0; i < 2; ++i) {
          auto& part = reinterpret_cast<float(&)[2][4]>(s[i][2 * j]);
          softmax[i].weights(part, log2_scale);
          softmax[i].sum(part);
          to_left(p[i], part);
        }
        weigh_two<EP>(softmax[0].o, softmax[1].o, p, shared.v + 16 * j * tile_stride<EP>);
      }
    }
  }
#pragma unroll
  for (int i = 0; i < 2; ++i) {
    softmax[i].complete();
    store(softmax[i], a, at, row0 + 16 * i + lane / 4, end);
  }
}

template <int EP> __global__ void __launch_bounds__(threads, resident) attend(__grid_constant__ const Arguments a) {
  Tiles<EP>& shared = *dynamic_shared<Tiles<EP>>();
  SequenceTiles tiles(a.offsets, a.S, rows / a.heads.group, a.heads.K);
  SequenceTile at;
  for (int round = 0; tiles.at(item_of_round(round), at); ++round) {
    attend_tile(shared, a, at);
    __syncthreads();
  }
}

// A warp computes one (token, query head) after another.
template <class X>
__global__ void attend_plainly(X* y, float* lse, const X* qkv, const int32_t* offsets, int S, PackedHeads heads,
                               float scale) {
  const int warp = threadIdx.x / 32, E = heads.E;
  __shared__ float queries[plain_warps][max_head_dim];
  const int64_t count = static_cast<int64_t>(offsets[S]) * heads.H;
  for (int64_t row = static_cast<int64_t>(blockIdx.x) * plain_warps + warp; row < count;
       row += static_cast<int64_t>(gridDim.x) * plain_warps) {
    const int64_t t = row / heads.H, first = offsets[sequence_of(offsets, S, t)];
    const int h = static_cast<int>(row % heads.H), kv = h / heads.group;
    __syncwarp();
    plain_copy(queries[warp], qkv + t * heads.ld() + h * E, E);
    PlainRow out;
    out.attend(
        queries[warp], static_cast<int>(t - first) + 1, E, scale, [&](int j) { return qkv + heads.key(first + j, kv); },
        [&](int j) { return qkv + heads.value(first + j, kv); });
    out.store_scaled(y + row * E, 1 / out.l, E);
    if (threadIdx.x % 32 == 0) lse[row] = out.m + logf(out.l);
  }
}

}  // namespace

extern "C" ingrain_status ingrain_attention_forward(ingrain_context* ctx, void* y, float* lse, const void* qkv,
                                                    const int32_t* offsets, int32_t dtype, int32_t, int64_t S,
                                                    int64_t H, int64_t K, int64_t E, float scale) {
  if (const ingrain_status bad = check_heads(ctx, "attention_forward", H, K, E)) return bad;
  if (S == 0) return INGRAIN_OK;
  DeviceLimits device;
  if (const ingrain_status status = device_limits(ctx, &device)) return status;
  const PackedHeads heads{static_cast<int>(H), static_cast<int>(K), static_cast<int>(E), static_cast<int>(H / K)};
  if (fits_tensor_core(dtype, H / K, E, qkv, y)) {
    const Arguments arguments{
        static_cast<bf16*>(y), lse, static_cast<const bf16*>(qkv), offsets, static_cast<int>(S), heads, scale};
    const auto start = [&]<int EP>() {
      constexpr size_t shared = sizeof(Tiles<EP>);
      return launch(attend<EP>, device.resident(resident, shared), threads, shared, ctx, arguments);
    };
    return E <= 64 ? start.template operator()<64>() : start.template operator()<128>();
  }
  return with_dtype(ctx, dtype, [&]<class X>() {
    return launch(attend_plainly<X>, 8 * device.multiprocessors, 32 * plain_warps, 0, ctx, static_cast<X*>(y), lse,
                  static_cast<const X*>(qkv), offsets, S, heads, scale);
  });
}
INGRAIN_EXPORT_OP(attention_forward)
