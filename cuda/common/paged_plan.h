// Divides a step's attention over the paged cache into work items. Every block computes the same plan from the batch in
// device memory, so the host needs neither the plan nor the lengths of the sequences.
//
// A chunk has 256 keys and starts at a position that is a multiple of 256. An item is (key-value head, tile of query
// rows, one chunk or all chunks). The partial results of a row are always merged in the order of the chunks, no matter
// which blocks computed the chunks. So the plan affects the speed, but never the result.
//   split sequence     every chunk is a separate item, whose result goes to a slot of the workspace. The block that
//                      finishes the last chunk of a token merges the results of all chunks of this token.
//   other sequence     one item computes all chunks of its tile.
//   prefix group       the chunks that lie entirely in the shared prefix are computed once, for the rows of all
//                      sequences of the group.
// A sequence is split if its tokens fit into one tile. All sequences are split if the tiles of unsplit sequences would
// not occupy all multiprocessors. No sequence is split if the workspace has too few slots.
//
// Example: H = 32, K = 8, so that a tile of 64 rows has 16 tokens; cache blocks of 32 keys; 264 blocks run at once.
//   sequence  tokens  last position  chunks  shared blocks  shared items           own items              first slot
//   0              1            699       3             18  8 heads × chunks 0, 1  8 heads × chunk 2               0
//   1              1            699       3             18                         8 heads × chunk 2               3
//   2              1            300       2              0                         8 heads × chunks 0, 1           6
//   3             40             39       1              0                         8 heads × 3 tiles              -1
// If no sequence were split, six tiles for each of 8 heads would occupy 48 of the 264 blocks. So all sequences may be
// split, provided that the workspace has 48 slots, one per token and chunk. The 18 shared blocks hold 576 keys, which
// contain two whole chunks. The rows of sequences 0 and 1 are in the same 16 shared items. Sequence 3 has one chunk
// only, so it cannot be split. item_end is 24, 32, 48, 72. Within a sequence, the items are ordered by tile, then by
// chunk, then by head. Item 9 is head 1 with chunk 1 of sequences 0 and 1, and item 17 is head 1 with chunk 2 of
// sequence 0. Sequence 1 stores the result of chunk c in slot 3 + c.
#pragma once
#include "kv_cache.h"
#include "reduce.h"

constexpr int plan_threads = 128, chunk_keys = 256, tile_rows = 64, max_plan_sequences = 4096;

struct PagedShape {
  int H, K, E, tile_tokens;  // tokens of a tile; each token has H / K rows
  int blocks;  // number of thread blocks that run at the same time; depends on the device
  int64_t slots;  // slots of H rows in the workspace; 0: nothing is split
};

// Arrays in shared memory with one entry per sequence.
struct PagedPlan {
  int* item_end;  // number of items of sequences 0 .. s; a group's shared items count for its first sequence
  int* slot;  // first slot, or -1 if not split; token i and chunk c use slot + i·chunks + c
  int* chunks;  // number of chunks that the last token sees
  int* head;  // first sequence of the group
  int* shared;  // for a group's first sequence: number of chunks that the group computes once
  int* group_end;  // for a group's first sequence: one past the group's last sequence

  static constexpr int arrays = 6;
  __device__ PagedPlan(int* memory, int S)
      : item_end(memory), slot(memory + S), chunks(memory + 2 * S), head(memory + 3 * S), shared(memory + 4 * S),
        group_end(memory + 5 * S) {}
};

struct PagedItem {
  int kv, begin, end;      // tokens [begin, end)
  int sequence;  // sequence whose block table is read
  int chunk, chunk_end;  // chunk_end < 0: all chunks that the rows see
  bool split, prefix;
};

struct IntSum {
  static __device__ int join(int a, int b) { return a + b; }
};
struct IntMax {
  static __device__ int join(int a, int b) { return max(a, b); }
};

// Inclusive scan over the block: returns Op applied to `carry`, the x of all lower threads and the x of this thread. On
// return, `carry` is the last thread's result. scratch: 4 ints of shared memory.
template <class Op> __device__ inline int block_scan(int x, int& carry, int* scratch) {
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
#pragma unroll
  for (int d = 1; d < 32; d *= 2) {
    const int other = __shfl_up_sync(0xffffffffu, x, d);
    if (lane >= d) x = Op::join(other, x);
  }
  if (lane == 31) scratch[warp] = x;
  __syncthreads();
  int before = carry, all = carry;
  for (int w = 0; w < plan_threads / 32; ++w) {
    all = Op::join(all, scratch[w]);
    if (w < warp) before = all;
  }
  carry = all;
  __syncthreads();
  return Op::join(before, x);
}

class Planner {
 public:
  __device__ Planner(const PagedPlan& plan, const ingrain_batch& batch, const PagedShape& shape, int* scratch)
      : plan_(plan), batch_(batch), shape_(shape), S_(static_cast<int>(batch.sequences)), scratch_(scratch) {}

  // Fills the plan; the last value of item_end is the number of items.
  __device__ void run() {
    // all: slots needed to split all sequences. small: slots needed to split only the sequences that fit into one tile.
    // unsplit: number of tiles if no sequence is split.
    int all = 0, small = 0, unsplit = 0;
    for (int s0 = 0, head = -1; s0 < S_; s0 += plan_threads) {
      const int s = s0 + threadIdx.x, n = tokens(s);
      const bool alone = s >= S_ || s == 0 || batch_.prefix_groups[s] != batch_.prefix_groups[s - 1] ||
                         batch_.prefix_blocks[s] <= 0 || batch_.prefix_blocks[s - 1] <= 0;
      const int chunks = n > 0 ? batch_.positions[batch_.sequence_offsets[s + 1] - 1] / chunk_keys + 1 : 0;
      const int first = block_scan<IntMax>(alone ? s : -1, head, scratch_);
      block_scan<IntSum>(n * chunks, all, scratch_);
      block_scan<IntSum>(fits_one_tile(n) ? n * chunks : 0, small, scratch_);
      block_scan<IntSum>(tiles(n), unsplit, scratch_);
      if (s >= S_) continue;
      plan_.chunks[s] = chunks;
      plan_.head[s] = first;
      plan_.shared[s] = 0x7fffffff;
      plan_.group_end[s] = 0;
    }
    __syncthreads();
    const bool split_all = all <= shape_.slots && unsplit * shape_.K < shape_.blocks,
               split_any = split_all || small <= shape_.slots;
    auto may_split = [&](int s) { return split_all || (split_any && fits_one_tile(tokens(s))); };
    for (int s = threadIdx.x; s < S_; s += plan_threads) {
      const int64_t chunks =
          shape_.slots > 0 && may_split(s) ? batch_.prefix_blocks[s] * batch_.block_size / chunk_keys : 0;
      atomicMin(&plan_.shared[plan_.head[s]], static_cast<int>(chunks));
      atomicMax(&plan_.group_end[plan_.head[s]], s + 1);
    }
    __syncthreads();
    for (int s0 = 0, items = 0, slots = 0; s0 < S_; s0 += plan_threads) {
      const int s = s0 + threadIdx.x, n = tokens(s);
      const int shared = s < S_ ? shared_chunks(s) : 0;
      const bool split = s < S_ && shape_.slots > 0 && may_split(s) && (plan_.chunks[s] > 1 || shared > 0);
      const int count = s < S_ ? shared_items(s) + own_items(s, n, split) : 0;
      const int slot_end = block_scan<IntSum>(split ? n * plan_.chunks[s] : 0, slots, scratch_);
      const int item_end = block_scan<IntSum>(count, items, scratch_);
      if (s >= S_) continue;
      plan_.item_end[s] = item_end;
      plan_.slot[s] = split ? slot_end - n * plan_.chunks[s] : -1;
    }
    __syncthreads();
  }

  __device__ int items() const { return plan_.item_end[S_ - 1]; }

  __device__ PagedItem item(int index) const {
    int s = 0;
    for (int high = S_ - 1; s < high;) {
      const int middle = (s + high) / 2;
      if (plan_.item_end[middle] > index) high = middle;
      else s = middle + 1;
    }
    int i = index - (s > 0 ? plan_.item_end[s - 1] : 0);
    const int of_group = shared_items(s), shared = shared_chunks(s);
    const bool prefix = i < of_group, split = prefix || plan_.slot[s] >= 0;
    if (!prefix) i -= of_group;
    const int first = prefix ? 0 : shared, chunks = prefix ? shared : split ? plan_.chunks[s] - shared : 1;
    const int kv = i % shape_.K, chunk = i / shape_.K % chunks, tile = i / shape_.K / chunks;
    const int begin = batch_.sequence_offsets[s] + tile * shape_.tile_tokens;
    const int last = batch_.sequence_offsets[prefix ? plan_.group_end[s] : s + 1];
    return {kv,
            begin,
            min(begin + shape_.tile_tokens, last),
            s,
            split ? first + chunk : 0,
            split ? first + chunk + 1 : -1,
            split,
            prefix};
  }

  // Returns the slot of chunk 0 for token t of sequence s.
  __device__ int slot(int s, int t) const { return plan_.slot[s] + (t - batch_.sequence_offsets[s]) * plan_.chunks[s]; }

 private:
  __device__ int tokens(int s) const {
    return s < S_ ? batch_.sequence_offsets[s + 1] - batch_.sequence_offsets[s] : 0;
  }
  __device__ bool fits_one_tile(int n) const { return n <= shape_.tile_tokens; }
  __device__ int tiles(int n) const { return (n + shape_.tile_tokens - 1) / shape_.tile_tokens; }
  __device__ int shared_chunks(int s) const {
    const int head = plan_.head[s];
    return plan_.group_end[head] - head > 1 ? plan_.shared[head] : 0;
  }
  __device__ int shared_items(int s) const {
    if (plan_.head[s] != s || shared_chunks(s) == 0) return 0;
    return tiles(batch_.sequence_offsets[plan_.group_end[s]] - batch_.sequence_offsets[s]) * plan_.shared[s] * shape_.K;
  }
  __device__ int own_items(int s, int n, bool split) const {
    return tiles(n) * shape_.K * (split ? max(plan_.chunks[s] - shared_chunks(s), 0) : 1);
  }

  PagedPlan plan_;
  const ingrain_batch& batch_;
  const PagedShape& shape_;
  int S_;
  int* scratch_;
};
