// cross_entropy: the negative log-likelihood of one target per row, computed from logits.
//   lse = max x + log Σ exp(x − max x)    loss = lse − x[target]    dx = scale·(exp(x − lse) − [v = target])
// Shapes   logits, dlogits (M, V) · targets, loss, lse (M), row-major      Types  logits f32, dlogits f32|bf16
// Needs    targets in [0, V), scratch 0; f32 dlogits may alias logits; a row with a NaN or +inf gives NaN
// Mapping  forward: one block per row, read once, each thread with its own running maximum; backward: one thread per 16
//          bytes of logits
// Bound    memory: M·V elements forward, 2·M·V backward
// Oracle   native/ops/cross_entropy.cc
// Test     CrossEntropyParityTest
#include "dtype.h"
#include "reduce.h"

namespace {

constexpr int forward_threads = 512, threads = 256;
constexpr int reach = 4;  // loads in flight per thread

template <int N>
__global__ void __launch_bounds__(forward_threads)
    forward(float* loss, float* lse, const float* logits, const int32_t* targets, int64_t V) {
  __shared__ float maxima[32], sums[32];
  const int64_t m = blockIdx.x;
  const float* const x = logits + m * V;
  float top = -INFINITY, sum = 0;
  for (int64_t first = threadIdx.x * N; first < V; first += reach * forward_threads * N) {
    Vec<float, N> v[reach];
#pragma unroll
    for (int r = 0; r < reach; ++r) {
      const int64_t i = first + r * forward_threads * N;
      if (i < V) v[r] = load<N>(x + i);
      else
#pragma unroll
        for (int j = 0; j < N; ++j) v[r].v[j] = -INFINITY;
    }
    float next = top;
#pragma unroll
    for (int r = 0; r < reach; ++r)
#pragma unroll
      for (int j = 0; j < N; ++j) next = fmaxf(next, v[r].v[j]);
    // If all logits so far are -inf, 0 is subtracted instead of their maximum, because exp(-inf − -inf) is NaN, but
    // exp(-inf) is 0.
    const float shift = next == -INFINITY ? 0 : next;
    sum *= expf(top - shift);
#pragma unroll
    for (int r = 0; r < reach; ++r)
#pragma unroll
      for (int j = 0; j < N; ++j) sum += expf(v[r].v[j] - shift);
    top = next;
  }
  const float highest = block_reduce<Max>(top, maxima);
  const float total = block_reduce<Sum>(sum * expf(top - highest), sums);
  if (threadIdx.x != 0) return;
  loss[m] = logf(total) - (x[targets[m]] - highest);
  if (lse) lse[m] = logf(total) + highest;
}

template <class E, int N>
__global__ void backward(E* dlogits, const float* logits, const float* lse, const int32_t* targets, int64_t V,
                         float scale) {
  const int64_t m = blockIdx.x, v = (static_cast<int64_t>(blockIdx.y) * threads + threadIdx.x) * N;
  if (v >= V) return;
  // shift − shift is 0 for a finite lse; otherwise it is NaN and makes the whole row NaN.
  const float shift = lse[m], s = scale + (shift - shift);
  const int64_t target = targets[m] - v;
  const Vec<float, N> x = load<N>(logits + m * V + v);
  Vec<E, N> dx;
#pragma unroll
  for (int j = 0; j < N; ++j) dx.v[j] = from_float<E>(s * (expf(x.v[j] - shift) - (j == target ? 1.0f : 0.0f)));
  store(dlogits + m * V + v, dx);
}

}  // namespace

extern "C" ingrain_status ingrain_cross_entropy_forward(ingrain_context* ctx, float* loss, float* lse,
                                                        const float* logits, const int32_t* targets, int64_t M,
                                                        int64_t V) {
  return with_width<float>(V, [&]<int N>() {
    return launch(forward<N>, static_cast<unsigned>(M), forward_threads, 0, ctx, loss, lse, logits, targets, V);
  }, logits);
}
INGRAIN_EXPORT_OP(cross_entropy_forward)

extern "C" ingrain_status ingrain_cross_entropy_backward(ingrain_context* ctx, void* dlogits, const float* logits,
                                                         const float* lse, const int32_t* targets, int32_t dtype,
                                                         int64_t M, int64_t V, float scale) {
  return with_dtype(ctx, dtype, [&]<class E>() {
    return with_width<float>(
        V,
        [&]<int N>() {
          return launch(backward<E, N>, dim3(static_cast<unsigned>(M), blocks_for(V, threads * N)), threads, 0, ctx,
                        static_cast<E*>(dlogits), logits, lse, targets, V, scale);
        },
        dlogits, logits);
  });
}
INGRAIN_EXPORT_OP(cross_entropy_backward)
