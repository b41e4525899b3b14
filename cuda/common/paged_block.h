// Computes one item of paged attention (see paged_plan.h) in a thread block: the attention of the item's rows over the
// item's chunks of keys, then the merge of the chunks' partial results.
#pragma once
#include "paged_tiles.h"

struct PagedArguments {
  bf16* y;
  const bf16* qkv;
  const char* cache;
  ingrain_batch batch;
  CacheShape cache_shape;
  PagedShape shape;
  float scale;
  float* partial_o;        // (slots, H, E)
  float2* partial_ml;      // (slots, H): maximum and sum of the softmax
  unsigned* arrivals;  // (T, K) number of finished chunks of each token and head; 0 before and after the op
};

template <class C, int EP, int keys> struct PagedBlock {
  using Shared = PagedShared<C, EP, keys>;
  static constexpr int per_chunk = chunk_keys / keys;

  const PagedArguments& a;
  Shared& shared;
  const PagedItem& item;
  int group, rows;

  // Loads the slot and the position of each token of the item. Returns the largest number of keys that a row of the
  // item sees.
  __device__ int open(const Planner& planner) const {
    const int i = threadIdx.x;
    if (i < item.end - item.begin) {
      const int t = item.begin + i;
      shared.position[i] = a.batch.positions[t];
      if (item.split)
        shared.slot[i] =
            planner.slot(item.prefix ? sequence_of(a.batch.sequence_offsets, a.batch.sequences, t) : item.sequence, t);
    }
    __syncthreads();
    const int n = item.end - item.begin, lane = i % 32;
    int limit = max(lane < n ? shared.position[lane] + 1 : 0, lane + 32 < n ? shared.position[lane + 32] + 1 : 0);
#pragma unroll
    for (int bits = 16; bits > 0; bits /= 2) limit = max(limit, __shfl_xor_sync(0xffffffffu, limit, bits));
    return limit;
  }

  // Computes the item. If `narrow` is true, the item has at most 16 rows. Each warp then computes all of these rows,
  // but only for the warp's part of the keys and of the columns.
  template <bool narrow> __device__ void run(int limit) const {
    constexpr int S = keys / 8 / (narrow ? paged_warps : 1), N = EP / 8 / (narrow ? paged_warps : 1);
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, row0 = narrow ? 0 : 16 * warp,
              key0 = narrow ? 8 * S * warp : 0;
    const bool active = row0 < rows;
    const int row[2] = {row0 + lane / 4, row0 + lane / 4 + 8};
    const int visible[2] = {visible_keys(row[0]), visible_keys(row[1])};
    unsigned q[EP / 16][4];
    load_rows<EP>(q, query(row[0]), query(row[1]), a.shape.E);
    const float log2_scale = a.scale * log2_e;
    PagedTiles<C, EP, keys> tiles(shared, a.cache, a.cache_shape,
                                  a.batch.block_tables + item.sequence * a.batch.max_blocks, item.kv, a.shape.E, limit);
    const int begin = item.chunk * per_chunk;
    const int end = min((limit + keys - 1) / keys, item.chunk_end < 0 ? 0x7fffffff : item.chunk_end * per_chunk);
    Softmax<N> softmax;
    float m[2] = {-INFINITY, -INFINITY}, l[2] = {0, 0};
    tiles.find(item.chunk);
    __syncthreads();
    tiles.fetch(begin, begin < end);
    for (int tile = begin; tile < end; ++tile) {
      copy_wait<1>();
      __syncthreads();  // the tile's keys are in shared memory, and no warp reads the other stage any more
      tiles.fetch(tile + 1, tile + 1 < end);
      if (tile % per_chunk == 0) {
        tiles.find(tile / per_chunk + 1);
        softmax.start();
      }
      const bf16* k = tiles.ready(tile, 0);
      if constexpr (Shared::wide) __syncthreads();
      unsigned p[keys / 16][4];
      if constexpr (narrow) shared_weights<S>(softmax, q, k, tile, key0, visible, log2_scale);
      else if (active) own_weights<S>(softmax, p, q, k, tile, visible, log2_scale);
      copy_wait<2>();
      __syncthreads();  // the tile's values and the weights of all warps are in shared memory
      const bf16* v = tiles.ready(tile, 1);
      if constexpr (Shared::wide) __syncthreads();
      if constexpr (narrow) {
#pragma unroll
        for (int j = 0; j < keys / 16; ++j)
          load_matrices(p[j], shared.weights + lane % 16 * (keys + 8) + 16 * j + lane / 16 * 8);
      }
      if (!active) continue;
      softmax.sum(p);
      weigh<EP>(softmax.o, p, v + (narrow ? 8 * N * warp : 0));
      const bool last = tile + 1 == end;
      if (item.split && last) keep(softmax, row, narrow ? 8 * N * warp : 0);
      if (!item.split && (last || (tile + 1) % per_chunk == 0))
        join(softmax, m, l, row, narrow ? 8 * N * warp : 0, tile < per_chunk, last, log2_scale);
    }
    if (item.split && begin < end) arrive();
  }

 private:
  __device__ int token(int row) const { return row / group; }
  __device__ int head(int row) const { return item.kv * group + row % group; }
  __device__ int visible_keys(int row) const { return row < rows ? shared.position[token(row)] + 1 : 0; }
  __device__ const bf16* query(int row) const {
    const int64_t ld = (a.shape.H + 2 * a.shape.K) * static_cast<int64_t>(a.shape.E);
    return row < rows ? a.qkv + (item.begin + token(row)) * ld + head(row) * a.shape.E : nullptr;
  }
  __device__ int64_t partial(int token, int chunk, int head) const {
    return (static_cast<int64_t>(shared.slot[token]) + chunk) * a.shape.H + head;
  }

  template <int S, int N>
  __device__ void own_weights(Softmax<N>& softmax, unsigned (&p)[keys / 16][4], const unsigned (&q)[EP / 16][4],
                              const bf16* k, int tile, const int (&visible)[2], float log2_scale) const {
    float s[S][4], maximum[2];
    scores<EP>(s, q, k);
    mask(s, tile * keys, visible);
    row_maxima(maximum, s);
    softmax.raise(maximum, log2_scale);
    softmax.weights(s, log2_scale);
    to_left(p, s);
  }

  // Computes the weights of this warp's quarter of the keys and stores them in shared memory.
  template <int S, int N>
  __device__ void shared_weights(Softmax<N>& softmax, const unsigned (&q)[EP / 16][4], const bf16* k, int tile,
                                 int key0, const int (&visible)[2], float log2_scale) const {
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, g = lane / 4, t = lane % 4;
    float s[S][4], maximum[2];
    scores<EP>(s, q, k + key0 * tile_stride<EP>);
    mask(s, tile * keys + key0, visible);
    row_maxima(maximum, s);
    if (t == 0) {
      shared.maxima[warp][g] = maximum[0];
      shared.maxima[warp][g + 8] = maximum[1];
    }
    __syncthreads();
#pragma unroll
    for (int r = 0; r < 2; ++r)
#pragma unroll
      for (int w = 0; w < paged_warps; ++w) maximum[r] = fmaxf(maximum[r], shared.maxima[w][g + 8 * r]);
    softmax.raise(maximum, log2_scale);
    softmax.weights(s, log2_scale);
#pragma unroll
    for (int n = 0; n < S; ++n)
#pragma unroll
      for (int r = 0; r < 2; ++r)
        *reinterpret_cast<unsigned*>(shared.weights + (g + 8 * r) * (keys + 8) + key0 + 8 * n + 2 * t) =
            pack_bf16(s[n][2 * r], s[n][2 * r + 1]);
  }

  // Stores the chunk's result in the workspace, for the rows that see the chunk.
  template <int N> __device__ void keep(const Softmax<N>& softmax, const int (&row)[2], int column) const {
    const int t = threadIdx.x % 4;
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      if (visible_keys(row[r]) <= item.chunk * chunk_keys) continue;
      const int64_t at = partial(token(row[r]), item.chunk, head(row[r]));
#pragma unroll
      for (int n = 0; n < N; ++n)
        if (column + 8 * n < a.shape.E)
          *reinterpret_cast<float2*>(a.partial_o + at * a.shape.E + column + 8 * n + 2 * t) =
              make_float2(softmax.o[n][2 * r], softmax.o[n][2 * r + 1]);
      if (t == 0 && column == 0) a.partial_ml[at] = make_float2(softmax.m[r], softmax.l[2 * r]);
    }
  }

  // Merges the chunk's result with the merged result of the previous chunks, and writes y after the last chunk.
  template <int N>
  __device__ void join(const Softmax<N>& softmax, float (&m)[2], float (&l)[2], const int (&row)[2], int column,
                       bool first, bool last, float log2_scale) const {
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      const Merge merge(m[r], softmax.m[r], log2_scale);
      l[r] = merge(l[r], softmax.l[2 * r]);
      bf16* y = a.y + ((item.begin + token(row[r])) * static_cast<int64_t>(a.shape.H) + head(row[r])) * a.shape.E +
                column + threadIdx.x % 4 * 2;
#pragma unroll
      for (int n = 0; n < N; ++n) {
        float o[2];
#pragma unroll
        for (int i = 0; i < 2; ++i) {
          float& total = shared.total[4 * n + 2 * r + i][threadIdx.x];
          o[i] = merge(first ? 0.0f : total, softmax.o[n][2 * r + i]);
          if (!last) total = o[i];
        }
        if (last && row[r] < rows && column + 8 * n < a.shape.E)
          *reinterpret_cast<unsigned*>(y + 8 * n) = pack_bf16(o[0] * (1 / l[r]), o[1] * (1 / l[r]));
      }
    }
  }

  // Called after the item's results have been written to the workspace. For each token, the block that finishes the
  // token's last outstanding chunk merges the results of all chunks of this token.
  __device__ void arrive() const {
    const int i = threadIdx.x;
    __threadfence();
    __syncthreads();
    if (i < item.end - item.begin) {
      const unsigned chunks = shared.position[i] / chunk_keys + 1;
      unsigned* arrived = a.arrivals + (item.begin + i) * static_cast<int64_t>(a.shape.K) + item.kv;
      shared.last[i] = item.chunk < static_cast<int>(chunks) && atomicAdd(arrived, 1u) == chunks - 1;
      if (shared.last[i]) *arrived = 0;
    }
    __syncthreads();
    __threadfence();
    for (int row = threadIdx.x / 32; row < rows; row += paged_warps)
      if (shared.last[token(row)]) join_all(row);
  }

  __device__ void join_all(int row) const {
    const int lane = threadIdx.x % 32, E = a.shape.E, chunks = shared.position[token(row)] / chunk_keys + 1;
    float m = -INFINITY, l = 0, o[EP / 32] = {};
#pragma unroll 4
    for (int c = 0; c < chunks; ++c) {
      const int64_t at = partial(token(row), c, head(row));
      const float2 ml = __ldcg(a.partial_ml + at);
      const Merge merge(m, ml.x, a.scale * log2_e);
      l = merge(l, ml.y);
#pragma unroll
      for (int i = 0; i < EP / 32; ++i) {
        const int e = lane + 32 * i;
        o[i] = merge(o[i], e < E ? __ldcg(a.partial_o + at * E + e) : 0.0f);
      }
    }
    bf16* y = a.y + ((item.begin + token(row)) * static_cast<int64_t>(a.shape.H) + head(row)) * E;
#pragma unroll
    for (int i = 0; i < EP / 32; ++i)
      if (lane + 32 * i < E) y[lane + 32 * i] = from_float<bf16>(o[i] * (1 / l));
  }
};
