// rope: rotary position embedding of the query and key heads, in place.                Su et al. 2021, arXiv:2104.09864
//   (x_i, x_{i+E/2}) <- (x_i·cos − x_{i+E/2}·sin, x_{i+E/2}·cos + x_i·sin)    backward: the inverse rotation, −sin
// Shapes   qkv (T, (H + 2K)·E), first H + K heads · table (positions, E): cos (E/2), sin (E/2)
// Types    f32|bf16, arithmetic f32
// Needs    E % 2 == 0, scratch 0                                                  Mapping  rows over threads, 16 lanes
// Bound    memory: 2·T·(H + K)·E elements                                         Oracle libtorch  Test RopeParityTest
#include "simd.h"

namespace ingrain::INGRAIN_ISA {
namespace {

template <class X>
void rotate(X* low, X* high, const float* cosine, const float* sine, int64_t n, float direction) {
  const vec sign = splat(direction);
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    const vec a = load(low + i), b = load(high + i), c = load(cosine + i), s = load(sine + i) * sign;
    store(low + i, fma(a, c, splat(0.0f) - b * s));
    store(high + i, fma(b, c, a * s));
  }
  if (i < n) {
    const int64_t m = n - i;
    const vec a = load_some(low + i, m), b = load_some(high + i, m), c = load_some(cosine + i, m),
              s = load_some(sine + i, m) * sign;
    store_some(low + i, fma(a, c, splat(0.0f) - b * s), m);
    store_some(high + i, fma(b, c, a * s), m);
  }
}

struct RopeShape { int64_t T, H, K, E; };

ingrain_status rope(ingrain_context* ctx, void* qkv, const float* table, const int32_t* positions, int32_t dtype,
                    RopeShape shape, float direction) {
  const auto [T, H, K, E] = shape;
  if (E < 2 || E % 2)
    return ctx->fail(INGRAIN_INVALID_ARGUMENT, "rope: head_dim is %ld: expected an even number", static_cast<long>(E));
  return with_dtype(ctx, dtype, [&]<class X>() {
    parallel_for(ctx, T, 1 + 16384 / ((H + K) * E + 1), [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; ++t) {
        const float* cosine = table + positions[t] * E;
        X* row = static_cast<X*>(qkv) + t * (H + 2 * K) * E;
        for (int64_t h = 0; h < H + K; ++h)
          rotate(row + h * E, row + h * E + E / 2, cosine, cosine + E / 2, E / 2, direction);
      }
    });
    return INGRAIN_OK;
  });
}

}  // namespace
}  // namespace ingrain::INGRAIN_ISA

INGRAIN_OP(rope_forward,
           (ingrain_context * ctx, void* qkv, const float* table, const int32_t* positions, int32_t dtype, int64_t T,
            int64_t H, int64_t K, int64_t E),
           (ctx, qkv, table, positions, dtype, T, H, K, E)) {
  return rope(ctx, qkv, table, positions, dtype, {T, H, K, E}, 1.0f);
}

INGRAIN_OP(rope_backward,
           (ingrain_context * ctx, void* dqkv, const float* table, const int32_t* positions, int32_t dtype, int64_t T,
            int64_t H, int64_t K, int64_t E),
           (ctx, dqkv, table, positions, dtype, T, H, K, E)) {
  return rope(ctx, dqkv, table, positions, dtype, {T, H, K, E}, -1.0f);
}
