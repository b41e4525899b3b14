// Computes one item of paged attention (see paged_plan.h) in a thread block: the attention of the item's rows over the
// item's chunks of keys, then the merge of the chunks' partial results.
//
// Each tile of 64 keys has its own softmax. The results of a chunk's four tiles are merged in their order, and then
// the results of the chunks. So the bits of a row do not depend on how the work is divided:
//   many rows  each warp has 16 rows, and all warps share the tiles, one after another;
//   few rows   (16 at most) each warp computes all rows for one tile of a chunk, with copies of its own, and the block
//              merges the four results through shared memory.
#pragma once
#include "paged_tiles.h"

struct PagedArguments {
  bf16* y;
  const bf16* qkv;
  const char* cache;
  ingrain_batch batch;
  CacheShape cache_shape;
  PagedPlan plan;
  PagedShape shape;
  float log2_scale;  // scale·log2(e)
  float* partial_o;        // (slots, H, E)
  float2* partial_ml;      // (slots, H): maximum and sum of the softmax
  unsigned* arrivals;  // (T, K) number of finished chunks of each token and head; 0 before and after the op
};

// The shared memory of a block.
template <class C, int EP> struct PagedShared {
  using Tile = CacheTile<C, EP>;
  static constexpr int total_bytes = 16 * paged_warps * EP * 4, unsplit = 2 * Tile::bytes + total_bytes;
  // Many rows, split: two tiles of keys, then two of values. Many rows, not split: a tile of keys, one of values, and
  // the merged results of the chunks. Few rows: one tile per warp, for keys, then for values, then for the results.
  alignas(128) char tiles[4 * Tile::bytes > unsplit ? 4 * Tile::bytes : unsplit];
  int table[2][chunk_keys / 16];  // for two chunks: the cache block of each group of 16 keys
  int64_t runs[2][chunk_keys / 16];  // for two chunks: the byte offset in the cache of each group of 16 keys
  float2 ml[paged_warps][16];  // maximum and sum of the softmax of each warp's rows
  PagedItem item;  // in shared memory, because registers are scarce
  int kv;  // key-value head of the item, or -1 if no item is left
  int round;  // number of items that the block has computed
  int last[tile_rows];  // nonzero if this block merges the chunks of the token
};

// A part of a row's result: columns [32·i + 4·(thread % 8), + 4) for each i. Eight threads have a row.
template <int EP> struct RowPart {
  float m = -INFINITY, l = 0, o[EP / 32][4] = {};

  __device__ __forceinline__ void add(float2 ml, const float4 (&part)[EP / 32], float log2_scale) {
    const Merge merge(m, ml.x, log2_scale);
    l = merge(l, ml.y);
#pragma unroll
    for (int i = 0; i < EP / 32; ++i) {
      o[i][0] = merge(o[i][0], part[i].x);
      o[i][1] = merge(o[i][1], part[i].y);
      o[i][2] = merge(o[i][2], part[i].z);
      o[i][3] = merge(o[i][3], part[i].w);
    }
  }
  __device__ __forceinline__ void store(bf16* y, int E) const {
#pragma unroll
    for (int i = 0; i < EP / 32; ++i)
      if (column(i) < E)
        *reinterpret_cast<uint2*>(y + column(i)) = make_uint2(pack_bf16(o[i][0] * (1 / l), o[i][1] * (1 / l)),
                                                              pack_bf16(o[i][2] * (1 / l), o[i][3] * (1 / l)));
  }
  static __device__ __forceinline__ int column(int i) { return 32 * i + threadIdx.x % 8 * 4; }
};

// Returns threadIdx.x. The compiler does not know that the value is the same in each call. So it does not keep values
// that depend on it in registers from one item to the next, which would exceed the number of registers.
__device__ __forceinline__ int thread_index() {
#ifdef INGRAIN_SIMT
  return threadIdx.x;
#else
  int x;
  asm volatile("mov.u32 %0, %%tid.x;" : "=r"(x));
  return x;
#endif
}

template <class C, int EP, bool exact> struct PagedBlock {
  using Shared = PagedShared<C, EP>;
  using Tile = CacheTile<C, EP>;
  static constexpr int per_chunk = chunk_keys / tile_keys, N = EP / 8;

  const PagedArguments& a;
  Shared& shared;
  const PagedItem& item;
  int thread, rows;

  __device__ PagedBlock(const PagedArguments& arguments, Shared& memory)
      : a(arguments), shared(memory), item(memory.item), thread(thread_index()),
        rows((memory.item.end - memory.item.begin) * arguments.shape.group) {}

  __device__ __forceinline__ void run() const {
    if (item.chunk >= item.chunk_end) return;  // no row sees the chunk
    if (rows <= 16) few_rows();
    else many_rows();
    if (item.split) arrive();
  }

 private:
  // Each warp has 16 rows. While the scores of a tile are computed, values are copied: those of this tile (depth 1) or
  // of the next tile (depth 2). While the values of a tile are weighted, keys are copied: those of the next tile or of
  // the tile after it.
  __device__ __forceinline__ void many_rows() const {
    // Tiles of keys, and of values, for which there is memory. Without a split, merged results of chunks need some.
    const unsigned depth = item.split ? 2 : 1;
    const bool active = thread / 32 * 16 < rows;
    unsigned q[EP / 16][4];
    load_rows<EP, Tile::is_fp8>(q, query(warp_row(0)), query(warp_row(1)), E());
    const int limit = item.limit;
    const unsigned begin = item.chunk * per_chunk,
                   end = min((limit + tile_keys - 1) / tile_keys, item.chunk_end * per_chunk);
    float o[N][4], m[2], l[2];
    auto fetch = [&](unsigned tile, int part) {
      if (tile < end) {
        int64_t runs[tile_keys / 16];
#pragma unroll
        for (unsigned g = 0; g < tile_keys / 16; ++g)
          runs[g] = shared.runs[tile / per_chunk % 2][tile % per_chunk * (tile_keys / 16) + g];
        cache().template copy<Tile, paged_threads>(at(depth, tile, part), part, limit - tile * tile_keys,
                                                   thread_index(), runs);
      }
      copy_commit();
    };
    fetch_table(item.chunk);
    copy_commit();
    copy_wait<0>();
    find_runs(item.chunk);
    fetch_table(item.chunk + 1);  // belongs to the next group of copies
    __syncthreads();
    fetch(begin, 0);
    if (depth > 1) {
      fetch(begin, 1);
      fetch(begin + 1, 0);
    }
    for (unsigned chunk = item.chunk, tile = begin; tile < end; ++chunk) {
      start(o, m, l);
      const unsigned chunk_end = min(end, (chunk + 1) * per_chunk);
      for (; tile < chunk_end; ++tile) {
        if (depth == 1) copy_wait<0>();
        else copy_wait<2>();
        __syncthreads();  // the keys are in shared memory, and no warp reads the previous tile's values any more
        fetch(tile + depth - 1, 1);
        float s[tile_keys / 8][4];
        if (active) key_scores<C, EP>(s, q, at(depth, tile, 0));
        if (depth == 1) copy_wait<0>();
        else copy_wait<2>();
        if (tile == chunk * per_chunk) {
          find_runs(chunk + 1);
          fetch_table(chunk + 2);
        }
        __syncthreads();  // the values are in shared memory, and no warp reads the keys any more
        fetch(tile + depth, 0);
        if (!active) continue;
        hide(s, tile * tile_keys, warp_row(0));
        const TileWeights weights(s, a.log2_scale);
        add(o, m, l, weights, at(depth, tile, 1), a.log2_scale);
      }
      if (depth == 1 && active) join(o, m, l, chunk == 0, tile == end);
    }
    copy_wait<0>();  // the table of a chunk that does not exist may still be copied
    if (depth > 1 && active) keep(o, m, l);
  }

  // At most 16 rows. Each warp has one tile of each chunk. The merge has another assignment: eight threads per row.
  __device__ __forceinline__ void few_rows() const {
    const int lane = thread % 32, warp = thread / 32, row[2] = {lane / 4, lane / 4 + 8};
    unsigned q[EP / 16][4];
    load_rows<EP, Tile::is_fp8>(q, query(row[0]), query(row[1]), E());
    const int of = thread / 8;  // the row that this thread merges
    const int slot = item.split && of < rows ? a.plan.slots[token(of)] : 0;
    RowPart<EP> total;
    for (int chunk = item.chunk; chunk < item.chunk_end; ++chunk) {
      const int first = chunk * chunk_keys + warp * tile_keys,
                tiles = min(per_chunk, (item.limit - chunk * chunk_keys + tile_keys - 1) / tile_keys);
      if (warp < tiles) one_tile(q, first);
      __syncthreads();
      RowPart<EP> part;
      for (int w = 0; w < tiles; ++w) {
        float4 o[EP / 32];
        for (int i = 0; i < EP / 32; ++i)
          o[i] = *reinterpret_cast<const float4*>(result(w, of) + (part.column(i) ^ of % 8 * 8));
        part.add(shared.ml[w][of], o, a.log2_scale);
      }
      if (item.split) {
        if (visible_keys(of) > chunk * chunk_keys) keep(part, slot + chunk, head(of));
      } else {
        float4 o[EP / 32];
        for (int i = 0; i < EP / 32; ++i) o[i] = make_float4(part.o[i][0], part.o[i][1], part.o[i][2], part.o[i][3]);
        total.add(make_float2(part.m, part.l), o, a.log2_scale);
        if (chunk + 1 < item.chunk_end) __syncthreads();  // the next chunk's keys overwrite the results
      }
    }
    if (!item.split && of < rows) total.store(output(of), E());
  }

  // Called after the item's results have been written to the workspace. For each token, the block that finishes the
  // token's last outstanding chunk merges the results of all chunks of this token.
  __device__ void arrive() const {
    const int t = item.begin + thread;
    __threadfence();
    __syncthreads();
    if (t < item.end) {
      const unsigned chunks = (visible_keys(thread * a.shape.group) - 1) / chunk_keys + 1;
      unsigned* arrived = a.arrivals + t * static_cast<int64_t>(a.shape.K) + shared.kv;
      const bool last = item.chunk < static_cast<int>(chunks) && atomicAdd(arrived, 1u) == chunks - 1;
      if (last) *arrived = 0;
      shared.last[thread] = last;
    }
    __syncthreads();
    __threadfence();
    for (int row = thread / 8; row < rows; row += paged_threads / 8)
      if (shared.last[token_of_item(row)]) join_all(row);
  }

  __device__ CacheRows cache() const {
    return {a.cache, a.cache_shape.value_distance(), exact ? Tile::row_bytes : a.cache_shape.row_bytes,
            exact ? Tile::words : a.shape.E * static_cast<int>(sizeof(C)) / 16};
  }
  __device__ int E() const { return exact ? EP : a.shape.E; }
  // The two rows of a lane if all warps have rows of their own.
  static __device__ int warp_row(int r) {
    const int i = thread_index();
    return i / 32 * 16 + i % 32 / 4 + 8 * r;
  }
  __device__ int token_of_item(int row) const { return row * a.shape.inverse >> 16; }  // row / group for rows < 64
  __device__ int token(int row) const { return item.begin + token_of_item(row); }
  __device__ int head(int row) const {
    return shared.kv * a.shape.group + row - token_of_item(row) * a.shape.group;
  }
  __device__ int visible_keys(int row) const {
    return row >= rows ? 0 : item.common == item.limit ? item.limit : a.batch.positions[token(row)] + 1;
  }
  // Sets the scores of the keys from position `first` on that are hidden from rows `row` and `row` + 8 to -inf.
  __device__ __forceinline__ void hide(float (&s)[tile_keys / 8][4], int first, int row) const {
    if (first + tile_keys > item.common) mask(s, first, {visible_keys(row), visible_keys(row + 8)});
  }
  __device__ const bf16* query(int row) const {
    const int64_t ld = (a.shape.H + 2 * a.shape.K) * static_cast<int64_t>(E());
    return row < rows ? a.qkv + token(row) * ld + head(row) * E() : nullptr;
  }
  __device__ bf16* output(int row) const {
    return a.y + (token(row) * static_cast<int64_t>(a.shape.H) + head(row)) * E();
  }
  __device__ int64_t partial(int token, int chunk, int head) const {
    return (static_cast<int64_t>(a.plan.slots[token]) + chunk) * a.shape.H + head;
  }
  __device__ char* at(unsigned depth, unsigned tile, unsigned part) const {
    return shared.tiles + (depth * part + (tile & (depth - 1))) * Tile::bytes;
  }
  // The EP sums of warp w for a row. Column e is at index e ^ 8·(row % 8), so that eight rows do not conflict.
  __device__ float* result(int w, int row) const {
    return reinterpret_cast<float*>(shared.tiles + w * Tile::bytes) + row * EP;
  }
  // The block size fits into 32 bits, which makes the divisions faster.
  __device__ unsigned block_size() const { return static_cast<unsigned>(a.batch.block_size); }
  __device__ const int32_t* table_entry(unsigned key) const {
    return a.batch.block_tables + item.sequence * a.batch.max_blocks + key / block_size();
  }
  // Returns the byte offset in the cache of the 16 keys from position `key` on, which are in `block`.
  __device__ int64_t run(int block, unsigned key) const {
    return a.cache_shape.key(block, shared.kv, key % block_size());
  }
  // Starts the copies of the numbers of a chunk's cache blocks, one per thread. After the copies, the same threads
  // compute the offsets, which the other threads may read after a barrier.
  __device__ void fetch_table(unsigned chunk) const {
    const unsigned key = chunk * chunk_keys + 16 * thread;
    if (thread < chunk_keys / 16)
      copy_async4(&shared.table[chunk % 2][thread], table_entry(key), key < static_cast<unsigned>(item.limit));
  }
  __device__ void find_runs(unsigned chunk) const {
    if (thread < chunk_keys / 16)
      shared.runs[chunk % 2][thread] = run(shared.table[chunk % 2][thread], chunk * chunk_keys + 16 * thread);
  }

  static __device__ __forceinline__ void start(float (&o)[N][4], float (&m)[2], float (&l)[2]) {
    m[0] = m[1] = -INFINITY;
    l[0] = l[1] = 0;
#pragma unroll
    for (int n = 0; n < N; ++n) o[n][0] = o[n][1] = o[n][2] = o[n][3] = 0;
  }
  // Merges the result of a tile with that of the previous tiles of the chunk.
  static __device__ __forceinline__ void add(float (&o)[N][4], float (&m)[2], float (&l)[2], const TileWeights& tile,
                                             const char* values, float log2_scale) {
    const Merge merge[2] = {{m[0], tile.m[0], log2_scale}, {m[1], tile.m[1], log2_scale}};
#pragma unroll
    for (int r = 0; r < 2; ++r) l[r] = merge[r](l[r], tile.l[r]);
#pragma unroll
    for (int n0 = 0; n0 < N; n0 += 4) {
      // Limits how many loads the compiler starts early. On sm_90, some kernels spill registers without this barrier,
      // and others with it.
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
      if constexpr (exact != Tile::is_fp8) __syncwarp();
#endif
      float part[4][4] = {};
      weigh_values<C, EP>(part, tile.p, values, n0);
#pragma unroll
      for (int n = 0; n < 4; ++n)
#pragma unroll
        for (int i = 0; i < 4; ++i) o[n0 + n][i] = merge[i / 2](o[n0 + n][i], part[n][i]);
    }
  }

  // Computes this warp's tile of a chunk and writes the result to shared memory. The tile has space for its keys or its
  // values. Each 16 values replace the 16 keys that have just been used.
  __device__ __forceinline__ void one_tile(const unsigned (&q)[EP / 16][4], int first) const {
    constexpr int pieces = tile_keys / 16;
    const int lane = thread % 32, warp = thread / 32;
    char* tile = shared.tiles + warp * Tile::bytes;
    const unsigned key = first + 16 * (lane % pieces);
    const int64_t mine = key < static_cast<unsigned>(item.limit) ? run(*table_entry(key), key) : 0;
    auto fetch = [&](int piece, int part) {
      const int64_t offset[1] = {__shfl_sync(0xffffffffu, mine, piece)};
      cache().template copy<Tile, 32>(tile + 16 * piece * Tile::row_bytes, part, item.limit - first - 16 * piece, lane,
                                      offset);
      copy_commit();
    };
#pragma unroll
    for (int piece = 0; piece < pieces; ++piece) fetch(piece, 0);
    float s[tile_keys / 8][4];
#pragma unroll
    for (int piece = 0; piece < pieces; ++piece) {
      copy_wait<pieces - 1>();
      __syncwarp();
      float two[2][4];
      key_scores<C, EP>(two, q, tile + 16 * piece * Tile::row_bytes);
#pragma unroll
      for (int i = 0; i < 8; ++i) s[2 * piece + i / 4][i % 4] = two[i / 4][i % 4];
      __syncwarp();
      fetch(piece, 1);
    }
    hide(s, first, lane / 4);
    const TileWeights weights(s, a.log2_scale);
    float o[N][4] = {};
#pragma unroll
    for (int piece = 0; piece < pieces; ++piece) {
      copy_wait_for(pieces - 1 - piece);
      __syncwarp();
      weigh_values<C, EP>(o, reinterpret_cast<const unsigned(&)[1][4]>(weights.p[piece]),
                          tile + 16 * piece * Tile::row_bytes, 0);
    }
    __syncwarp();  // all lanes have read the values, which the results overwrite
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      const int row = lane / 4 + 8 * r;
      if (row >= rows) continue;
#pragma unroll
      for (int n = 0; n < N; ++n)
        *reinterpret_cast<float2*>(result(warp, row) + (pair_column<C>(n) ^ row % 8 * 8)) = column_pair<C>(o, n, r);
      if (lane % 4 == 0) shared.ml[warp][row] = make_float2(weights.m[r], weights.l[r]);
    }
  }

  // Stores the chunk's result in the workspace, for the rows that see the chunk.
  __device__ __forceinline__ void keep(const float (&o)[N][4], const float (&m)[2], const float (&l)[2]) const {
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      const int row = warp_row(r);
      if (visible_keys(row) <= item.chunk * chunk_keys) continue;
      const int64_t to = partial(token(row), item.chunk, head(row));
#pragma unroll
      for (int n = 0; n < N; ++n)
        if (pair_column<C>(n) < E())
          *reinterpret_cast<float2*>(a.partial_o + to * E() + pair_column<C>(n)) = column_pair<C>(o, n, r);
      if (thread % 4 == 0) a.partial_ml[to] = make_float2(m[r], l[r]);
    }
  }
  __device__ __forceinline__ void keep(const RowPart<EP>& part, int64_t slot, int head) const {
    const int64_t to = slot * a.shape.H + head;
#pragma unroll
    for (int i = 0; i < EP / 32; ++i)
      if (part.column(i) < E())
        *reinterpret_cast<float4*>(a.partial_o + to * E() + part.column(i)) =
            make_float4(part.o[i][0], part.o[i][1], part.o[i][2], part.o[i][3]);
    if (thread % 8 == 0) a.partial_ml[to] = make_float2(part.m, part.l);
  }

  // Merges the chunk's result with that of the previous chunks, and writes y after the last chunk. The merged results
  // are in shared memory, because registers are scarce.
  __device__ __forceinline__ void join(float (&o)[N][4], const float (&m)[2], const float (&l)[2], bool first,
                                       bool last) const {
    const int i = thread_index();
    float4* total = reinterpret_cast<float4*>(shared.tiles + 2 * Tile::bytes) + i;
    float2* total_ml = &shared.ml[i / 32][i % 32 / 4];
    float2 ml[2] = {{-INFINITY, 0}, {-INFINITY, 0}};
    if (!first) ml[0] = total_ml[0], ml[1] = total_ml[8];
    const Merge merge[2] = {{ml[0].x, m[0], a.log2_scale}, {ml[1].x, m[1], a.log2_scale}};
    ml[0].y = merge[0](ml[0].y, l[0]);
    ml[1].y = merge[1](ml[1].y, l[1]);
    __syncwarp();
    if (i % 4 == 0) total_ml[0] = ml[0], total_ml[8] = ml[1];
    __syncwarp();
#pragma unroll
    for (int n = 0; n < N; ++n) {
      const float4 before = first ? make_float4(0, 0, 0, 0) : total[n * paged_threads];
      o[n][0] = merge[0](before.x, o[n][0]);
      o[n][1] = merge[0](before.y, o[n][1]);
      o[n][2] = merge[1](before.z, o[n][2]);
      o[n][3] = merge[1](before.w, o[n][3]);
      if (!last) total[n * paged_threads] = make_float4(o[n][0], o[n][1], o[n][2], o[n][3]);
    }
    if (!last) return;
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      if (warp_row(r) >= rows) continue;
      bf16* y = output(warp_row(r));
#pragma unroll
      for (int n = 0; n < N; ++n) {
        const float2 pair = column_pair<C>(o, n, r);
        if (pair_column<C>(n) < E())
          *reinterpret_cast<unsigned*>(y + pair_column<C>(n)) =
              pack_bf16(pair.x * (1 / ml[r].y), pair.y * (1 / ml[r].y));
      }
    }
  }

  __device__ void join_all(int row) const {
    constexpr int ahead = 3;  // chunks whose loads are started together
    const int chunks = (visible_keys(row) - 1) / chunk_keys + 1;
    RowPart<EP> all;
    for (int c0 = 0; c0 < chunks; c0 += ahead) {
      float2 ml[ahead];
      float4 o[ahead][EP / 32];
#pragma unroll
      for (int c = 0; c < ahead; ++c) {
        const int64_t from = partial(token(row), min(c0 + c, chunks - 1), head(row));
        ml[c] = __ldcg(a.partial_ml + from);
#pragma unroll
        for (int i = 0; i < EP / 32; ++i)
          o[c][i] = all.column(i) < E()
                        ? __ldcg(reinterpret_cast<const float4*>(a.partial_o + from * E() + all.column(i)))
                        : make_float4(0, 0, 0, 0);
      }
#pragma unroll
      for (int c = 0; c < ahead; ++c)
        if (c0 + c < chunks) all.add(ml[c], o[c], a.log2_scale);
    }
    all.store(output(row), E());
  }
};
