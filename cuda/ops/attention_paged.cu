// attention_paged: causal attention of a ragged batch over the paged cache; a shared prefix is read once per group.
//   y = softmax(scale·q·Kᵀ)·V over positions 0 .. positions[t]
//   Kwon et al. 2023, arXiv:2309.06180; Dao 2023, arXiv:2307.08691
// Shapes   y (T, H·E) · qkv (T, (H + 2K)·E) · cache: common/kv_cache.h
// Types    qkv, y f32|bf16 · cache f32|bf16|fp8 · sums f32
// Needs    E % 2 == 0, E <= 256, H % K == 0, S <= 4096; workspace of any size · tensor core if E % 16 == 0, E <= 128,
//          qkv bf16, cache bf16|fp8, H/K <= 64 and a block may have 71 KB of shared memory at E 128, 60 KB at 64; else
//          one warp per row
// Mapping  item (kv head, 64 rows = tokens × H/K heads, 256 keys) per block: four warps with 16 rows each, or four
//          warps that share 16 rows, each with a quarter of the keys and then of the columns (common/paged_plan.h)
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

template <class C, int EP, int keys>
__global__ void __launch_bounds__(paged_threads, resident_blocks) attend(__grid_constant__ const PagedArguments a) {
  using Shared = PagedShared<C, EP, keys>;
  Shared& shared = *dynamic_shared<Shared>();
  const PagedPlan plan(reinterpret_cast<int*>(&shared + 1), static_cast<int>(a.batch.sequences));
  Planner planner(plan, a.batch, a.shape, shared.scratch);
  planner.run();
  const int items = planner.items(), group = a.shape.H / a.shape.K;
  for (int i = blockIdx.x; i < items; i += gridDim.x) {
    const PagedItem item = planner.item(i);
    const PagedBlock<C, EP, keys> block{a, shared, item, group, (item.end - item.begin) * group};
    __syncthreads();  // no thread reads the previous item's data any more
    const int limit = block.open(planner);
    if (block.rows <= 16) block.template run<true>(limit);
    else block.template run<false>(limit);
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

// Divides the workspace into arrays of partial results, which all blocks share.
void lay_out(ingrain_context* ctx, PagedArguments& arguments) {
  char* workspace = nullptr;
  int64_t bytes = 0;
  ingrain_workspace(ctx, reinterpret_cast<void**>(&workspace), &bytes);
  PagedShape& shape = arguments.shape;
  const int64_t row_bytes = shape.E * 4 + 8, counters = arguments.batch.tokens * shape.K * 4;
  shape.slots = counters > counter_bytes ? 0 : std::min<int64_t>(bytes / (shape.H * row_bytes), INT32_MAX);
  arguments.partial_ml = reinterpret_cast<float2*>(workspace);
  arguments.partial_o = reinterpret_cast<float*>(workspace + shape.slots * shape.H * 8);
  arguments.arrivals = reinterpret_cast<unsigned*>(workspace + bytes);
}

// Returns INGRAIN_UNSUPPORTED if the device has too little shared memory for one block.
template <class C, int EP, int keys>
ingrain_status launch_tiles(ingrain_context* ctx, PagedArguments arguments, const DeviceLimits& device) {
  const ingrain_batch& batch = arguments.batch;
  const int64_t chunks = (batch.max_blocks * batch.block_size + chunk_keys - 1) / chunk_keys;
  const size_t plan = sizeof(int) * PagedPlan::arrays * static_cast<size_t>(batch.sequences),
               shared = sizeof(PagedShared<C, EP, keys>) + plan;
  arguments.shape.blocks = static_cast<int>(device.resident(resident_blocks, shared));
  const unsigned grid = static_cast<unsigned>(
      std::min<int64_t>(arguments.shape.blocks, 2 * batch.tokens * arguments.shape.K * chunks));
  size_t most = 0;
  if (ingrain_status status =
          cuda_status(ctx, most_dynamic_shared(attend<C, EP, keys>, &most), "attention_paged_forward"))
    return status;
  if (shared <= most) return launch(attend<C, EP, keys>, grid, paged_threads, shared, ctx, arguments);
  char what[256];
  snprintf(
      what, sizeof what,
      "attention_paged_forward of %ld sequences, head_dim %d: %zu bytes of shared memory per block, the device has "
      "%zu: a plain kernel computes it",
      static_cast<long>(batch.sequences), arguments.shape.E, shared, most);
  ingrain::note_fallback(ctx, what);
  return INGRAIN_UNSUPPORTED;
}

// Uses tiles of 64 keys. At head_dim 128, tiles of 32 keys are used if a multiprocessor does not have shared memory for
// two blocks with 64 keys: sm_80 then runs two blocks, and sm_86, sm_89 and sm_120 run one. The size of the tiles
// affects the bits, so the choice depends on the device, the type of the cache and head_dim only.
template <class C> ingrain_status launch_head_dim(ingrain_context* ctx, const PagedArguments& arguments) {
  DeviceLimits device;
  if (ingrain_status status = device_limits(ctx, &device)) return status;
  if (arguments.shape.E <= 64) return launch_tiles<C, 64, 64>(ctx, arguments, device);
  const bool two = device.blocks_per_multiprocessor(resident_blocks, sizeof(PagedShared<C, 128, 64>)) > 1;
  return two ? launch_tiles<C, 128, 64>(ctx, arguments, device) : launch_tiles<C, 128, 32>(ctx, arguments, device);
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
                           0,                   0};
    PagedArguments arguments{static_cast<bf16*>(y),
                             static_cast<const bf16*>(qkv),
                             static_cast<const char*>(cache),
                             *batch,
                             cache_order,
                             shape,
                             scale,
                             nullptr,
                             nullptr,
                             nullptr};
    lay_out(ctx, arguments);
    const ingrain_status status =
        cache_dtype == INGRAIN_BF16 ? launch_head_dim<bf16>(ctx, arguments) : launch_head_dim<fp8>(ctx, arguments);
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
