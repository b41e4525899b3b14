// attention_backward: the gradients of attention.cu, computed from its log-sum-exp.
//   Dao et al. 2022, arXiv:2205.14135; Dao 2023, arXiv:2307.08691
//   p = exp(scale·q·k − lse)   dv = pᵀ·dy   ds = p·(dy·v − delta)   dq = scale·ds·K   dk = scale·dsᵀ·Q
//   delta = Σ_e dy·y
// Shapes   dqkv, qkv, sums (T, (H + 2K)·E) · dy, y (T, H·E) · delta, lse (T, H) · offsets (S + 1)
// Types    f32|bf16, delta, sums and lse f32. operands is not used: f32 products are exact, and the tensor core reads
//          bf16
// Needs    E % 2 == 0, E <= 256, H % K == 0, workspace of 4·(1 + (T/64 + S)·H) bytes · tensor core if bf16,
//          E % 16 == 0, E <= 128, H/K <= 64, else one warp per row
// Mapping  delta: one warp or half a warp per (token, head) · gradients: an item has 128 (or 64) keys of one kv head
//          and two query heads of its group. A block of eight warps computes the item's terms of dk and dv in
//          registers. It processes 64 tokens of one query head at a time, from the last tokens to the first, and adds
//          the terms of its keys to dq. Before, it waits until the item of the preceding keys has added its terms to
//          these rows of dq. At the end, it adds dk and dv to those of the item with the preceding heads. So all sums
//          have a fixed order, which does not depend on the number of blocks or of keys of an item
// Bound    shared memory and tensor core: 10·E FLOP per (query row, key)
// Oracle   native/ops/attention_backward.cc
// Test     AttentionParityTest
#include "flash_backward.h"
#include "plain_attention_backward.h"

namespace {

using flash_backward::FlashBackward, flash_backward::gradients, flash_backward::Shared, flash_backward::threads;

template <int EP> ingrain_status launch_tiles(ingrain_context* ctx, const FlashBackward& arguments, unsigned blocks) {
  size_t most = 0;
  const auto start = [&]<int keys, int stages>(std::integer_sequence<int, keys, stages>) {
    return launch(gradients<EP, keys, stages>, blocks, threads, sizeof(Shared<EP, keys, stages>), ctx, arguments);
  };
  if (ingrain_status status =
          cuda_status(ctx, most_dynamic_shared(gradients<EP, 128, 2>, &most), "attention_backward")) return status;
  if (most >= sizeof(Shared<EP, 128, 2>)) return start(std::integer_sequence<int, 128, 2>());
  // Every device since sm_80 has 99 KB, which is enough for one of these.
  if (EP == 64 || most >= sizeof(Shared<EP, 128, 1>)) return start(std::integer_sequence<int, 128, 1>());
  return start(std::integer_sequence<int, EP == 64 ? 128 : 64, 1>());
}

}  // namespace

extern "C" ingrain_status ingrain_attention_backward(ingrain_context* ctx, void* dqkv, float* delta, float* sums,
                                                     const void* dy, const void* qkv, const void* y, const float* lse,
                                                     const int32_t* offsets, int32_t dtype, int32_t, int64_t S,
                                                     int64_t H, int64_t K, int64_t E, float scale) {
  if (const ingrain_status bad = check_heads(ctx, "attention_backward", H, K, E)) return bad;
  if (S == 0) return INGRAIN_OK;
  DeviceLimits device;
  if (const ingrain_status status = device_limits(ctx, &device)) return status;
  const unsigned blocks = device.multiprocessors;
  const PackedHeads heads{static_cast<int>(H), static_cast<int>(K), static_cast<int>(E), static_cast<int>(H / K)};
  return with_dtype(ctx, dtype, [&]<class X>() {
    const auto *gradient = static_cast<const X*>(dy), *input = static_cast<const X*>(qkv);
    auto* out = static_cast<X*>(dqkv);
    const auto* output = static_cast<const X*>(y);
    BlockOrder order{};
    const int parts = static_cast<int>(K) * flash_backward::parts_of(heads.group);
    const auto add_up = [&](auto kernel) {
      return launch(kernel, 8 * blocks, 32 * plain_warps, 0, ctx, delta, order.words, parts, gradient, output, offsets,
                    S, H, E);
    };
    if constexpr (std::is_same_v<X, bf16>) {
      if (fits_tensor_core(dtype, H / K, E, qkv, dy) && fits_vectors<float>(E, sums)) {
        void* workspace = nullptr;
        int64_t bytes = 0;
        ingrain_workspace(ctx, &workspace, &bytes);
        if (const int64_t needed = 4 * (1 + S * parts); bytes < needed)
          return refuse(ctx, INGRAIN_OUT_OF_MEMORY, "attention_backward: the workspace has %ld bytes, %ld are needed",
                        bytes, needed);
        order.words = static_cast<unsigned*>(workspace);
        const FlashBackward arguments{out,   sums,  delta, gradient, input, lse, offsets, order, static_cast<int>(S),
                                      parts, heads, scale};
        if (ingrain_status status = add_up(fits_vectors<X>(E, output) ? row_sums_wide : row_sums<X>)) return status;
        return E <= 64 ? launch_tiles<64>(ctx, arguments, blocks) : launch_tiles<128>(ctx, arguments, blocks);
      }
    }
    if (ingrain_status status = add_up(row_sums<X>)) return status;
    const PlainBackward<X> arguments{out, delta, gradient, input, lse, offsets, static_cast<int>(S), heads, scale};
    return launch(plain_backward<X>, 8 * blocks, 32 * plain_warps, 0, ctx, arguments);
  });
}
INGRAIN_EXPORT_OP(attention_backward)
