// attention: causal attention of packed sequences without a cache, for training.
//   Dao et al. 2022, arXiv:2205.14135; Dao 2023, arXiv:2307.08691
//   y = softmax(scale·q·Kᵀ)·V    lse = log Σ exp(scale·q·k), kept for backward
// Shapes   y (T, H·E) · lse (T, H) · qkv (T, (H + 2K)·E) · offsets (S + 1)   Types  qkv, y f32|bf16 · lse, sums f32
//          operands is not used: f32 products are exact, and the tensor core reads bf16
// Needs    E % 2 == 0, E <= 256, H % K == 0, scratch 0 · tensor core if bf16, E % 16 == 0, E <= 128, H/K <= 64, else
//          one warp per row
// Mapping  (kv head, 128 rows = tokens × H/K heads) per block of eight warps, 64 keys at a time, the next 64 prefetched
// Bound    tensor core: 4·E FLOP per (row, key)   Oracle native/ops/attention.cc   Test AttentionParityTest
#include "plain_attention.h"
#include "sequence_tiles.h"

namespace {

constexpr int warps = 8, threads = 32 * warps, rows = 16 * warps, keys = 64;

struct Arguments {
  bf16* y;
  float* lse;
  const bf16* qkv;
  const int32_t* offsets;
  int S;
  PackedHeads heads;
  float scale;
};

template <int EP> struct Stages { bf16 tile[2][2][keys * tile_stride<EP>]; };  // [stage][keys, values]

template <int EP>
__device__ __forceinline__ void fetch(Stages<EP>& stages, const Arguments& a, const SequenceTile& at, int tile,
                                      bool valid) {
  const int64_t t = at.first + tile * keys;
#pragma unroll
  for (int part = 0; part < 2; ++part) {
    const bf16* from = a.qkv + (part ? a.heads.value(t, at.kv) : a.heads.key(t, at.kv));
    if (valid)
      fetch_rows<EP, keys, threads>(stages.tile[tile % 2][part], a.heads.E, from, a.heads.ld(), at.end - tile * keys);
    copy_commit();
  }
}

template <int EP> __device__ void attend_tile(Stages<EP>& stages, const Arguments& a, const SequenceTile& at) {
  const int lane = threadIdx.x % 32, row0 = at.begin * a.heads.group + 16 * (threadIdx.x / 32),
            end = at.end * a.heads.group;
  const int row[2] = {row0 + lane / 4, row0 + lane / 4 + 8};
  const int visible[2] = {row[0] < end ? row[0] / a.heads.group + 1 : 0, row[1] < end ? row[1] / a.heads.group + 1 : 0};
  auto query = [&](int r) { return r < end ? a.qkv + a.heads.query(at.first, at.kv, r) : nullptr; };
  const float log2_scale = a.scale * log2_e;
  unsigned q[EP / 16][4];
  load_rows<EP>(q, query(row[0]), query(row[1]), a.heads.E);
  Softmax<EP / 8> softmax;
  softmax.start();
  const int tiles = (at.end + keys - 1) / keys, last_seen = (min(row0 + 16, end) - 1) / a.heads.group;
  fetch(stages, a, at, 0, true);
  for (int tile = 0; tile < tiles; ++tile) {
    copy_wait<1>();
    __syncthreads();  // the tile's keys are in shared memory, and no warp reads the other stage any more
    fetch(stages, a, at, tile + 1, tile + 1 < tiles);
    const bool active = row0 < end && tile * keys <= last_seen;
    unsigned p[keys / 16][4];
    if (active) {
      float s[keys / 8][4], maximum[2];
      scores<EP>(s, q, stages.tile[tile % 2][0]);
      mask(s, tile * keys, visible);
      row_maxima(maximum, s);
      softmax.raise(maximum, log2_scale);
      softmax.weights(s, log2_scale);
      softmax.sum(s);
      to_left(p, s);
    }
    copy_wait<2>();
    __syncthreads();  // the tile's values are in shared memory
    if (active) weigh<EP>(softmax.o, p, stages.tile[tile % 2][1]);
  }
  softmax.complete();
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    if (row[r] >= end) continue;
    const int64_t head = a.heads.head(at.first, at.kv, row[r]);
    const float l = softmax.l[2 * r];
    bf16* y = a.y + head * a.heads.E + lane % 4 * 2;
#pragma unroll
    for (int n = 0; n < EP / 8; ++n)
      if (8 * n < a.heads.E)
        *reinterpret_cast<unsigned*>(y + 8 * n) =
            pack_bf16(softmax.o[n][2 * r] * (1 / l), softmax.o[n][2 * r + 1] * (1 / l));
    if (lane % 4 == 0) a.lse[head] = fmaf(softmax.m[r], a.scale, logf(l));
  }
}

template <int EP> __global__ void __launch_bounds__(threads, 1) attend(__grid_constant__ const Arguments a) {
  Stages<EP>& stages = *dynamic_shared<Stages<EP>>();
  SequenceTiles tiles(a.offsets, a.S, rows / a.heads.group, a.heads.K);
  SequenceTile at;
  for (int i = blockIdx.x; tiles.at(i, at); i += gridDim.x) {
    attend_tile(stages, a, at);
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
  unsigned blocks = 0;
  if (const ingrain_status status = persistent_blocks(ctx, &blocks)) return status;
  const PackedHeads heads{static_cast<int>(H), static_cast<int>(K), static_cast<int>(E), static_cast<int>(H / K)};
  if (fits_tensor_core(dtype, H / K, E, qkv, y)) {
    const Arguments arguments{
        static_cast<bf16*>(y), lse, static_cast<const bf16*>(qkv), offsets, static_cast<int>(S), heads, scale};
    if (E <= 64) return launch(attend<64>, blocks, threads, sizeof(Stages<64>), ctx, arguments);
    return launch(attend<128>, blocks, threads, sizeof(Stages<128>), ctx, arguments);
  }
  return with_dtype(ctx, dtype, [&]<class X>() {
    return launch(attend_plainly<X>, 4 * blocks, 32 * plain_warps, 0, ctx, static_cast<X*>(y), lse,
                  static_cast<const X*>(qkv), offsets, S, heads, scale);
  });
}
INGRAIN_EXPORT_OP(attention_forward)
