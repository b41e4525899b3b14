// rope: rotary position embedding of the query and key heads, in place.                Su et al. 2021, arXiv:2104.09864
//   (x_i, x_{i+E/2}) <- (x_i·cos − x_{i+E/2}·sin, x_{i+E/2}·cos + x_i·sin)    backward: the inverse rotation, −sin
// Shapes   qkv (T, (H + 2K)·E), first H + K heads · table (positions, E): cos (E/2), sin (E/2)
// Types    f32|bf16, arithmetic f32
// Needs    E % 2 == 0 (16-byte accesses if E/2 and the pointers allow), scratch 0
// Mapping  one thread per 16 bytes of either half
// Bound    memory: 2·T·(H + K)·E elements   Oracle native/ops/rope.cc   Test RopeParityTest
#include "rotation.h"

namespace {

constexpr int threads = 128;

template <class X, int N>
__global__ void rotate_heads(X* qkv, const float* table, const int32_t* positions, int64_t T, int heads, int64_t ld,
                             int E, float direction) {
  const int half = E / 2, per_row = heads * (half / N);
  const int64_t index = static_cast<int64_t>(blockIdx.x) * threads + threadIdx.x, t = index / per_row;
  if (t >= T) return;
  const int within = static_cast<int>(index % per_row), head = within / (half / N), i = within % (half / N) * N;
  const float* cosine = table + static_cast<int64_t>(positions[t]) * E + i;
  X* low = qkv + t * ld + static_cast<int64_t>(head) * E + i;
  Vec<X, N> a = load<N>(low), b = load<N>(low + half);
  rotate(a, b, cosine, half, direction);
  store(low, a);
  store(low + half, b);
}

struct RopeShape { int64_t T, H, K, E; };

ingrain_status rope(ingrain_context* ctx, void* qkv, const float* table, const int32_t* positions, int32_t dtype,
                    RopeShape shape, float direction) {
  const auto [T, H, K, E] = shape;
  if (E < 2 || E % 2)
    return refuse(ctx, INGRAIN_INVALID_ARGUMENT, "rope: head_dim is %ld: expected an even number",
                  static_cast<long>(E));
  return with_dtype(ctx, dtype, [&]<class X>() {
    return with_width<X>(
        E / 2,
        [&]<int N>() {
          return launch(rotate_heads<X, N>, blocks_for(T * (H + K) * (E / 2 / N), threads), threads, 0, ctx,
                        static_cast<X*>(qkv), table, positions, T, H + K, (H + 2 * K) * E, E, direction);
        },
        qkv);
  });
}

}  // namespace

extern "C" ingrain_status ingrain_rope_forward(ingrain_context* ctx, void* qkv, const float* table,
                                               const int32_t* positions, int32_t dtype, int64_t T, int64_t H, int64_t K,
                                               int64_t E) {
  return rope(ctx, qkv, table, positions, dtype, {T, H, K, E}, 1.0f);
}
INGRAIN_EXPORT_OP(rope_forward)

extern "C" ingrain_status ingrain_rope_backward(ingrain_context* ctx, void* dqkv, const float* table,
                                                const int32_t* positions, int32_t dtype, int64_t T, int64_t H,
                                                int64_t K, int64_t E) {
  return rope(ctx, dqkv, table, positions, dtype, {T, H, K, E}, -1.0f);
}
INGRAIN_EXPORT_OP(rope_backward)
