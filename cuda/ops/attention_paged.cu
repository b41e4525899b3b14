// attention_paged: causal attention of a ragged batch over the paged cache; a shared prefix is read once per group.
//   y = softmax(scale·q·Kᵀ)·V over positions 0 .. positions[t]
//   Kwon et al. 2023, arXiv:2309.06180; Dao 2023, arXiv:2307.08691
// Shapes   y (T, H·E) · qkv (T, (H + 2K)·E) · cache: common/kv_cache.h
// Types    qkv, y f32|bf16 · cache f32|bf16|fp8 · sums f32. NaN in an fp8 cache counts as ±480
// Needs    E % 2 == 0, E <= 256, H % K == 0, S <= 4096; workspace of any size · tensor core if E % 16 == 0, E <= 128,
//          qkv bf16, cache bf16|fp8, H/K <= 64 and a block may have 66 KB of shared memory (33 KB up to E 64); else
//          one warp per row
// Mapping  item (kv head, 64 rows = tokens × H/K heads, 256 keys) per block: four warps with 16 rows each, or, for at
//          most 16 rows, four warps with 64 keys each (common/paged_plan.h, paged_block.h)
// Bound    decode: one read of the cache; prefill: 4·E FLOP per (row, key)
// Oracle   native/ops/attention_paged.cc
// Test     AttentionPagedParityTest
#include "counters.h"
#include "device_limits.h"
#include "fallback.h"
#include "paged_block.h"
#include "plain_attention.h"

namespace {

constexpr unsigned resident_blocks = 2;  // per multiprocessor; each block computes one item after another

__global__ void __launch_bounds__(plan_threads)
    plan_items(PagedPlan plan, __grid_constant__ const ingrain_batch batch, __grid_constant__ const PagedShape shape) {
  __shared__ int scratch[plan_threads / 32];
  Planner planner(SequencePlan(dynamic_shared<int>(), static_cast<int>(batch.sequences)), batch, shape, scratch);
  planner.run();
  planner.write(plan);
}

template <class C, int EP, bool exact>
__global__ void __launch_bounds__(paged_threads, resident_blocks) attend(__grid_constant__ const PagedArguments a) {
  PagedShared<C, EP>& shared = *dynamic_shared<PagedShared<C, EP>>();
  if (threadIdx.x == 0) shared.round = 0;
  for (;;) {
    if (threadIdx.x == 0) {
      const unsigned i = item_of_round(shared.round++), K = a.shape.K;
      const int entries = *a.plan.entries;
      shared.item = a.plan.items[min(i / K, a.shape.last_item)];  // loaded without waiting for `entries`
      shared.kv = i < entries * K ? static_cast<int>(i % K) : -1;
    }
    __syncthreads();
    if (shared.kv < 0) break;
    PagedBlock<C, EP, exact>(a, shared).run();
    __syncthreads();  // no thread reads this item's data any more
  }
}

// One warp per (token, query head).
template <class X, class C>
__global__ void attend_plainly(X* y, const X* qkv, const char* cache, ingrain_batch batch, CacheShape shape, int H,
                               int E, float scale) {
  const int warp = threadIdx.x / 32, K = static_cast<int>(shape.K);
  const int64_t row = static_cast<int64_t>(blockIdx.x) * plain_warps + warp, t = row / H, h = row % H;
  if (t >= batch.tokens) return;
  __shared__ float queries[plain_warps][max_head_dim];
  plain_copy(queries[warp], qkv + (t * (H + 2 * K) + h) * E, E);
  const int32_t* table =
      batch.block_tables + sequence_of(batch.sequence_offsets, batch.sequences, t) * batch.max_blocks;
  auto at = [&](int64_t j) {
    return cache + shape.key(table[j / shape.block_size], h / (H / K), j % shape.block_size);
  };
  PlainRow out;
  out.attend(queries[warp], batch.positions[t] + 1, E, scale, [&](int j) { return reinterpret_cast<const C*>(at(j)); },
             [&](int j) { return reinterpret_cast<const C*>(at(j) + shape.value_distance()); });
  out.store_scaled(y + row * E, 1 / out.l, E);
}

// Divides the workspace into arrays of partial results, which all blocks share, and the plan if the batch has no memory
// for it. Returns false if the workspace is too small.
bool lay_out(ingrain_context* ctx, PagedArguments& arguments) {
  char* workspace = nullptr;
  int64_t bytes = 0;
  ingrain_workspace(ctx, reinterpret_cast<void**>(&workspace), &bytes);
  arguments.arrivals = reinterpret_cast<unsigned*>(workspace + bytes);
  int* plan = arguments.batch.plan;
  if (!plan) {
    bytes -= (PagedPlan::integers(arguments.batch.tokens) * 4 + 255) / 256 * 256;
    if (bytes < 0) {
      char what[160];
      snprintf(what, sizeof what,
               "attention_paged_forward of %ld tokens: the workspace is too small for a plan: a plain kernel computes "
               "it",
               static_cast<long>(arguments.batch.tokens));
      ingrain::note_fallback(ctx, what);
      return false;
    }
    plan = reinterpret_cast<int*>(workspace + bytes);
  }
  arguments.plan = PagedPlan(plan, arguments.batch.tokens);
  PagedShape& shape = arguments.shape;
  const int64_t row_bytes = shape.E * 4 + 8, counters = arguments.batch.tokens * shape.K * 4;
  shape.slots = counters > counter_bytes ? 0 : static_cast<int>(std::min(bytes / (shape.H * row_bytes), max_slots));
  arguments.partial_o = reinterpret_cast<float*>(workspace);
  arguments.partial_ml = reinterpret_cast<float2*>(workspace + int64_t{shape.slots} * shape.H * shape.E * 4);
  return true;
}

// Returns INGRAIN_UNSUPPORTED if the device has too little shared memory for one block.
template <class C, int EP, bool exact>
ingrain_status launch_tiles(ingrain_context* ctx, PagedArguments arguments) {
  constexpr size_t shared = sizeof(PagedShared<C, EP>);
  const ingrain_batch& batch = arguments.batch;
  size_t most = 0;
  if (ingrain_status status =
          cuda_status(ctx, most_dynamic_shared(attend<C, EP, exact>, &most), "attention_paged_forward"))
    return status;
  if (shared > most) {
    char what[256];
    snprintf(what, sizeof what,
             "attention_paged_forward, head_dim %d: %zu bytes of shared memory per block, the device has %zu: a plain "
             "kernel computes it",
             arguments.shape.E, shared, most);
    ingrain::note_fallback(ctx, what);
    return INGRAIN_UNSUPPORTED;
  }
  DeviceLimits device;
  if (ingrain_status status = device_limits(ctx, &device)) return status;
  arguments.shape.blocks = static_cast<int>(device.resident(resident_blocks, shared));
  if (!batch.plan || !batch.planned) {
    const size_t arrays = sizeof(int) * SequencePlan::arrays * static_cast<size_t>(batch.sequences);
    if (ingrain_status status =
            launch(plan_items, 1, plan_threads, arrays, ctx, arguments.plan, batch, arguments.shape))
      return status;
  }
  const int64_t chunks = (batch.max_blocks * batch.block_size + chunk_keys - 1) / chunk_keys;
  const unsigned grid = static_cast<unsigned>(
      std::min<int64_t>(arguments.shape.blocks, 2 * batch.tokens * arguments.shape.K * chunks));
  return launch(attend<C, EP, exact>, grid, paged_threads, shared, ctx, arguments);
}

template <class C> ingrain_status launch_head_dim(ingrain_context* ctx, const PagedArguments& arguments) {
  return arguments.shape.E < 64     ? launch_tiles<C, 64, false>(ctx, arguments)
         : arguments.shape.E == 64  ? launch_tiles<C, 64, true>(ctx, arguments)
         : arguments.shape.E == 128 ? launch_tiles<C, 128, true>(ctx, arguments)
                                    : launch_tiles<C, 128, false>(ctx, arguments);
}

}  // namespace

extern "C" ingrain_status ingrain_attention_paged_forward(ingrain_context* ctx, void* y, const void* qkv,
                                                          const void* cache, const ingrain_batch* batch, int32_t dtype,
                                                          int32_t cache_dtype, int64_t H, int64_t K, int64_t E,
                                                          float scale) {
  if (const ingrain_status bad = check_cache(ctx, "attention_paged_forward", batch, H, K, E)) return bad;
  if (batch->tokens == 0) return INGRAIN_OK;
  const CacheShape cache_order = cache_shape(cache_dtype, batch->block_size, K, E);
  const int64_t group = H / K;
  if (dtype == INGRAIN_BF16 && cache_dtype != INGRAIN_F32 && E % 16 == 0 && E <= 128 && group <= tile_rows) {
    if (batch->sequences > max_plan_sequences)
      return refuse(ctx, INGRAIN_UNSUPPORTED, "attention_paged_forward: %ld sequences, expected %d at most",
                    static_cast<long>(batch->sequences), max_plan_sequences);
    const PagedShape shape{static_cast<int>(H), static_cast<int>(K),
                           static_cast<int>(E), static_cast<int>(tile_rows / group),
                           static_cast<int>(group), static_cast<int>((65536 + group - 1) / group),
                           static_cast<unsigned>(batch->tokens + 2 * max_slots - 1), 0, 0};
    PagedArguments arguments{static_cast<bf16*>(y),
                             static_cast<const bf16*>(qkv),
                             static_cast<const char*>(cache),
                             *batch,
                             cache_order,
                             {},
                             shape,
                             scale * log2_e,
                             nullptr,
                             nullptr,
                             nullptr};
    const ingrain_status status = !lay_out(ctx, arguments)        ? INGRAIN_UNSUPPORTED
                                  : cache_dtype == INGRAIN_BF16 ? launch_head_dim<bf16>(ctx, arguments)
                                                                : launch_head_dim<fp8>(ctx, arguments);
    if (status != INGRAIN_UNSUPPORTED) return status;
  }
  return with_dtype(ctx, dtype, [&]<class X>() {
    return with_cache_dtype(ctx, cache_dtype, [&]<class C>() {
      return launch(attend_plainly<X, C>, blocks_for(batch->tokens * H, plain_warps), 32 * plain_warps, 0, ctx,
                    static_cast<X*>(y), static_cast<const X*>(qkv), static_cast<const char*>(cache), *batch,
                    cache_order, H, E, scale);
    });
  });
}
INGRAIN_EXPORT_OP(attention_paged_forward)
