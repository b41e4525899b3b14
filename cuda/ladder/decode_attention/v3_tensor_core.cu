// decode attention, rung 3: a block computes all query heads of one key-value head over a chunk of 256 keys. The heads
// are the rows of one tensor core matrix, so the cache is read once, by asynchronous copies of 16 bytes that bypass the
// registers. Each of four warps handles 16 keys of a tile; the warps' results are merged at the end. The weights of the
// softmax are split into two bf16 terms, because one term would round the weights to 8 bits. Three optimisations of the
// built-in op are missing: the built-in op prefetches the next keys during the computation, reads a shared prefix once
// per group of sequences, and merges the chunks in the same launch.
#include "mma.h"
#include "split.h"

namespace {

constexpr int warps = 4, threads = 32 * warps, keys = 16 * warps, query_rows = 16;

template <int EP> struct Shared {
  static constexpr int stride = EP + 8;  // a multiple of 128 bytes plus 16, which avoids bank conflicts between rows
  bf16 query[query_rows][stride], key[keys][stride], value[keys][stride];
  float tops[warps][query_rows], totals[warps][query_rows], sums[query_rows][EP];
};

// Copies rows in pieces of 16 bytes. `from(row)` returns the address of a row. Rows [rows, all) do not exist in memory
// and become zeros.
template <int stride, class From>
__device__ __forceinline__ void fetch(bf16 (*to)[stride], int all, int rows, int E, const From& from) {
  const int pieces = E / 8;
  for (int i = threadIdx.x; i < all * pieces; i += threads) {
    const int row = i / pieces, piece = i % pieces;
    copy_async16(&to[row][8 * piece], from(row < rows ? row : 0) + 8 * piece, row < rows);
  }
}

// Adds a lane's part of the scores to the softmax of one row: updates the maximum, replaces the scores with weights and
// returns the factor by which all earlier sums must be multiplied.
__device__ __forceinline__ float update_softmax(float& top, float& total, float (&score)[4]) {
  float next = fmaxf(fmaxf(score[0], score[1]), fmaxf(score[2], score[3]));
  next = fmaxf(next, __shfl_xor_sync(0xffffffffu, next, 1));
  next = fmaxf(top, fmaxf(next, __shfl_xor_sync(0xffffffffu, next, 2)));
  const float shift = next == -INFINITY ? 0 : next, shrink = expf(top - shift);
  top = next;
  total *= shrink;
#pragma unroll
  for (int i = 0; i < 4; ++i) total += score[i] = expf(score[i] - shift);
  return shrink;
}

// A warp's running softmax of its rows lane / 4 and lane / 4 + 8.
template <int EP> struct Running {
  float top[2] = {-INFINITY, -INFINITY}, total[2] = {}, sum[EP / 8][4] = {};
};

// Computes the weights of this warp's 16 keys of a tile; only the first `present` keys exist. Writes the weights as two
// bf16 terms to `terms`, and the rescaling factors to `shrink`.
template <int EP>
__device__ __forceinline__ void weigh(unsigned (&terms)[2][4], float (&shrink)[2], Running<EP>& running,
                                      const Shared<EP>& shared, int present, int E, float scale) {
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, low = lane % 8, second = lane / 8 % 2, third = lane / 16;
  float score[2][4] = {}, weight[2][4];
  for (int e = 0; e < E; e += 16) {
    unsigned a[4], b[4];
    load_matrices(a, &shared.query[low + 8 * second][e + 8 * third]);
    load_matrices(b, &shared.key[16 * warp + low + 8 * third][e + 8 * second]);
    mma(score[0], a, {b[0], b[1]});
    mma(score[1], a, {b[2], b[3]});
  }
#pragma unroll
  for (int half = 0; half < 2; ++half) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const bool there = 16 * warp + 8 * (i / 2) + 2 * (lane % 4) + i % 2 < present;
      weight[half][i] = there ? score[i / 2][2 * half + i % 2] * scale : -INFINITY;
    }
    shrink[half] = update_softmax(running.top[half], running.total[half], weight[half]);
  }
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    float* const w = &weight[i % 2][i / 2 * 2];
    terms[0][i] = pack_bf16(w[0], w[1]);
    terms[1][i] = pack_bf16(w[0] - to_float(from_float<bf16>(w[0])), w[1] - to_float(from_float<bf16>(w[1])));
  }
}

// Rescales the sums and adds the weighted values of this warp's 16 keys.
template <int EP>
__device__ __forceinline__ void add_values(Running<EP>& running, const unsigned (&terms)[2][4],
                                           const float (&shrink)[2], const Shared<EP>& shared, int E) {
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, low = lane % 8, second = lane / 8 % 2, third = lane / 16;
#pragma unroll
  for (int e = 0; e < EP; e += 16) {
    if (e >= E) break;
    unsigned b[4];
    load_matrices<true>(b, &shared.value[16 * warp + low + 8 * second][e + 8 * third]);
#pragma unroll
    for (int n = 0; n < 2; ++n) {
      float(&sum)[4] = running.sum[e / 8 + n];
#pragma unroll
      for (int i = 0; i < 4; ++i) sum[i] *= shrink[i / 2];
      mma(sum, terms[1], {b[2 * n], b[2 * n + 1]});
      mma(sum, terms[0], {b[2 * n], b[2 * n + 1]});
    }
  }
}

// Merges the sums of all warps in the order of the warps and writes them to shared.sums. Also stores the maxima and
// totals of each warp.
template <int EP> __device__ __forceinline__ void join_warps(Shared<EP>& shared, Running<EP>& running) {
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    float& total = running.total[half];
    total += __shfl_xor_sync(0xffffffffu, total, 1);
    total += __shfl_xor_sync(0xffffffffu, total, 2);
    if (lane % 4 == 0)
      shared.tops[warp][lane / 4 + 8 * half] = running.top[half], shared.totals[warp][lane / 4 + 8 * half] = total;
  }
  __syncthreads();
  float factor[2];
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    float highest = -INFINITY;
    for (int w = 0; w < warps; ++w) highest = fmaxf(highest, shared.tops[w][lane / 4 + 8 * half]);
    factor[half] = expf(running.top[half] - highest);
  }
  for (int w = 0; w < warps; ++w) {
    if (w == warp)
#pragma unroll
      for (int n = 0; n < EP / 8; ++n)
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          float& joined = shared.sums[lane / 4 + i / 2 * 8][8 * n + 2 * (lane % 4) + i % 2];
          joined = (w == 0 ? 0 : joined) + running.sum[n][i] * factor[i / 2];
        }
    __syncthreads();
  }
}

// Stores the chunk's partial results for `group` heads in rows [first, first + group).
template <int EP>
__device__ __forceinline__ void store(const Parts& parts, const Shared<EP>& shared, int64_t first, int group) {
  const int E = parts.E;
  for (int i = threadIdx.x; i < group * E; i += threads)
    parts.sums[parts.at(blockIdx.y, first + i / E) * E + i % E] = shared.sums[i / E][i % E];
  if (static_cast<int>(threadIdx.x) >= group) return;
  const int row = threadIdx.x;
  float highest = -INFINITY, all = 0;
  for (int w = 0; w < warps; ++w) highest = fmaxf(highest, shared.tops[w][row]);
  for (int w = 0; w < warps; ++w) all += shared.totals[w][row] * expf(shared.tops[w][row] - highest);
  const int64_t part = parts.at(blockIdx.y, first + row);
  parts.tops[part] = highest, parts.totals[part] = all;
}

template <int EP>
__global__ void __launch_bounds__(threads)
    attend(Parts parts, const bf16* qkv, const char* cache, ingrain_batch batch, CacheShape shape, int H, float scale) {
  constexpr int stride = Shared<EP>::stride;
  Shared<EP>& shared = *dynamic_shared<Shared<EP>>();
  const int K = static_cast<int>(shape.K), E = parts.E, group = H / K;
  const int64_t t = blockIdx.x / K, head = blockIdx.x % K, begin = static_cast<int64_t>(blockIdx.y) * chunk_keys;
  const int64_t end = min(begin + chunk_keys, int64_t{batch.positions[t]} + 1);
  if (begin >= end) return;
  const int32_t* table =
      batch.block_tables + sequence_of(batch.sequence_offsets, batch.sequences, t) * batch.max_blocks;
  fetch<stride>(shared.query, query_rows, group, E,
                [&](int row) { return qkv + (t * (H + 2 * K) + head * group + row) * E; });
  Running<EP> running;
  for (int64_t first = begin; first < end; first += keys) {
    const int present = static_cast<int>(min(end - first, int64_t{keys}));
    const auto key = [&](int row) {
      return cache + shape.key(table[(first + row) / shape.block_size], head, (first + row) % shape.block_size);
    };
    __syncthreads();
    fetch<stride>(shared.key, keys, present, E, [&](int row) { return reinterpret_cast<const bf16*>(key(row)); });
    fetch<stride>(shared.value, keys, present, E,
                  [&](int row) { return reinterpret_cast<const bf16*>(key(row) + shape.value_distance()); });
    copy_commit();
    copy_wait<0>();
    __syncthreads();
    unsigned terms[2][4];
    float shrink[2];
    weigh<EP>(terms, shrink, running, shared, present, E, scale);
    add_values<EP>(running, terms, shrink, shared, E);
  }
  join_warps<EP>(shared, running);
  store<EP>(parts, shared, t * H + head * group, group);
}

}  // namespace

extern "C" INGRAIN_API ingrain_status ingrain_attention_paged_forward(ingrain_context* ctx, void* y, const void* qkv,
                                                                      const void* cache, const ingrain_batch* batch,
                                                                      int32_t dtype, int32_t cache_dtype, int64_t H,
                                                                      int64_t K, int64_t E, float scale) {
  if (ingrain_status bad = check_cache(ctx, "attention_paged_forward", batch, H, K, E)) return bad;
  if (dtype != INGRAIN_BF16 || cache_dtype != INGRAIN_BF16 || E % 16 || E > 128 || H / K > query_rows)
    return refuse(
        ctx, INGRAIN_UNSUPPORTED,
        "this rung supports bf16, a bf16 cache, a head_dim of 16 to 128 in steps of 16, and at most %d query heads per "
        "key-value head",
        query_rows);
  Parts parts{};
  if (ingrain_status full = parts_of(ctx, parts, *batch, H, E)) return full;
  const auto attend_with = [&]<int EP>() {
    const dim3 grid(static_cast<unsigned>(batch->tokens * K), static_cast<unsigned>(chunks_of(*batch)));
    return launch(attend<EP>, grid, threads, sizeof(Shared<EP>), ctx, parts, static_cast<const bf16*>(qkv),
                  static_cast<const char*>(cache), *batch, cache_shape(cache_dtype, batch->block_size, K, E),
                  static_cast<int>(H), scale);
  };
  if (ingrain_status status = E <= 64 ? attend_with.template operator()<64>() : attend_with.template operator()<128>())
    return status;
  return join_parts<bf16>(ctx, y, parts, *batch, H);
}
INGRAIN_EXPORT_OP(attention_paged_forward)
