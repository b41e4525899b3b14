// Divides a step's attention over the paged cache into work items. One thread block computes the plan from the batch in
// device memory, so the host needs neither the plan nor the lengths of the sequences. The plan is computed once per
// step, because it is the same for all layers.
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
// only, so it cannot be split. An entry of the plan stands for one item of each head, so item_end is 3, 4, 6, 9.
// The entries of a split sequence are ordered by tile, then by chunk: entry 1 is chunk 1 of sequences 0 and 1, and
// entry 2 is chunk 2 of sequence 0. In another sequence, the last tile comes first, because it sees the most keys.
// Sequence 1 stores the result of chunk c in slot 3 + c.
#pragma once
#include "kv_cache.h"
#include "reduce.h"

constexpr int plan_threads = 256, chunk_keys = 256, tile_rows = 64, max_plan_sequences = 4096;
constexpr int64_t max_slots = 16384;

struct PagedShape {
  int H, K, E, tile_tokens;  // tokens of a tile; each token has H / K rows
  int group, inverse;  // H / K, and 2^16 divided by it, rounded up
  unsigned last_item;  // index of the last item for which the plan has memory
  int blocks;  // number of thread blocks that run at the same time; depends on the device
  int slots;  // slots of H rows in the workspace; 0: nothing is split
};

// An item without its key-value head: each entry of the plan stands for K items.
struct PagedItem {
  int begin, end;      // tokens [begin, end)
  int sequence;  // sequence whose block table is read
  // chunk_end is one past the last chunk of the item. If it is not above `chunk`, no row sees the item's chunk.
  int chunk, chunk_end;
  int limit, common;  // largest and smallest number of keys that a row sees
  int split;
};

// The plan of a step with T tokens, in device memory.
struct PagedPlan {
  int* entries = nullptr;  // number of entries of `items`; only the first of 8 integers is used
  PagedItem* items = nullptr;  // (T + 2·max_slots)
  int* slots = nullptr;  // (T) slot of chunk 0 of each token, or -1 if the token's sequence is not split

  static constexpr int64_t integers(int64_t tokens) { return 8 * (1 + tokens + 2 * max_slots) + tokens; }
  PagedPlan() = default;
  __host__ __device__ PagedPlan(int* memory, int64_t tokens)
      : entries(memory), items(reinterpret_cast<PagedItem*>(memory + 8)),
        slots(memory + 8 * (1 + tokens + 2 * max_slots)) {}
};
static_assert(sizeof(PagedItem) == 32 && PagedPlan::integers(1) == 9 + 262152);  // ingrain.h states this size

// Arrays in shared memory with one entry per sequence.
struct SequencePlan {
  int* item_end;  // number of entries of sequences 0 .. s; a group's shared entries count for its first sequence
  int* slot;  // first slot, or -1 if not split; token i and chunk c use slot + i·chunks + c
  int* chunks;  // number of chunks that the last token sees
  int* head;  // first sequence of the group
  int* shared;  // for a group's first sequence: number of chunks that the group computes once
  int* group_end;  // for a group's first sequence: one past the group's last sequence

  static constexpr int arrays = 6;
  __device__ SequencePlan(int* memory, int S)
      : item_end(memory), slot(memory + S), chunks(memory + 2 * S), head(memory + 3 * S), shared(memory + 4 * S),
        group_end(memory + 5 * S) {}
};

struct IntSum {
  static __device__ int join(int a, int b) { return a + b; }
};
struct IntMax {
  static __device__ int join(int a, int b) { return max(a, b); }
};

// Inclusive scan over the block: returns Op applied to `carry`, the x of all lower threads and the x of this thread. On
// return, `carry` is the last thread's result. scratch: plan_threads / 32 ints of shared memory.
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
  __device__ Planner(const SequencePlan& plan, const ingrain_batch& batch, const PagedShape& shape, int* scratch)
      : plan_(plan), batch_(batch), shape_(shape), S_(static_cast<int>(batch.sequences)), scratch_(scratch) {}

  // Fills the arrays; the last value of item_end is the number of entries.
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
      // No more than the chunks that the sequence sees, because the plan has memory for these only.
      int64_t chunks = shape_.slots > 0 && may_split(s) ? batch_.prefix_blocks[s] * batch_.block_size / chunk_keys : 0;
      if (tokens(s) > 0) chunks = min(chunks, int64_t{plan_.chunks[s]});
      atomicMin(&plan_.shared[plan_.head[s]], static_cast<int>(min(chunks, int64_t{0x7fffffff})));
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

  __device__ void write(const PagedPlan& to) const {
    const int entries = plan_.item_end[S_ - 1], T = static_cast<int>(batch_.tokens);
    if (threadIdx.x == 0) *to.entries = entries;
    for (int i = threadIdx.x; i < entries; i += plan_threads) to.items[i] = item(i);
    for (int t = threadIdx.x; t < T; t += plan_threads) {
      const int s = sequence_of(batch_.sequence_offsets, S_, t);
      to.slots[t] = plan_.slot[s] < 0 ? -1 : plan_.slot[s] + (t - batch_.sequence_offsets[s]) * plan_.chunks[s];
    }
  }

 private:
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
    const int chunks = prefix ? shared : split ? plan_.chunks[s] - shared : 1;
    const int chunk = split ? (prefix ? 0 : shared) + i % chunks : 0;
    const int tile = split ? i / chunks : tiles(tokens(s)) - 1 - i;
    const int begin = batch_.sequence_offsets[s] + tile * shape_.tile_tokens,
              end = min(begin + shape_.tile_tokens, batch_.sequence_offsets[prefix ? plan_.group_end[s] : s + 1]);
    int limit = 0, common = 0x7fffffff;
    for (int t = begin; t < end; ++t) {
      limit = max(limit, batch_.positions[t] + 1);
      common = min(common, batch_.positions[t] + 1);
    }
    const int last = (limit + chunk_keys - 1) / chunk_keys;
    return {begin, end, s, chunk, split ? min(chunk + 1, last) : last, limit, common, split};
  }

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
    return tiles(batch_.sequence_offsets[plan_.group_end[s]] - batch_.sequence_offsets[s]) * plan_.shared[s];
  }
  __device__ int own_items(int s, int n, bool split) const {
    return tiles(n) * (split ? max(plan_.chunks[s] - shared_chunks(s), 0) : 1);
  }

  SequencePlan plan_;
  const ingrain_batch& batch_;
  const PagedShape& shape_;
  int S_;
  int* scratch_;
};
