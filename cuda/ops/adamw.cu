// adamw: the step of Adam with decoupled weight decay, the norm of the gradient, and gradient clipping.
//   Loshchilov & Hutter 2019, arXiv:1711.05101
//   m = β₁m + (1 − β₁)g    v = β₂v + (1 − β₂)g²    p −= lr·λ·p    p −= lr/(1 − β₁ᵗ)·m / (√v/√(1 − β₂ᵗ) + ε)
//   norm = √Σ x²           x *= min(1, max_norm/(norm + 10⁻⁶))
// Shapes   p, m, v, g, x (n) · norm (1)                    Types  f32, Σ x² in f64
// Needs    step >= 1; scratch of gradient_norm: 1024 f64 of the workspace
// Mapping  one thread per 16 bytes; Σ: at most 1024 chunks (the number depends only on n) with one block per chunk,
//          then one block that adds the sums of the chunks
// Bound    memory: 7·n elements for a step, n for the norm, 2·n for clipping
// Oracle   native/ops/adamw.cc                             Test   AdamwParityTest
#include "dtype.h"

#include <cmath>

namespace {

constexpr int threads = 256, warps = threads / 32;
constexpr int64_t most_chunks = 1024, chunk_grain = 4096;

// Returns the sum over the block, in a fixed order. Only thread 0 gets the result.
__device__ __forceinline__ double block_sum(double x) {
  __shared__ double scratch[warps];
#pragma unroll
  for (int bits = 16; bits > 0; bits /= 2) x += __shfl_xor_sync(0xffffffffu, x, bits);
  if (threadIdx.x % 32 == 0) scratch[threadIdx.x / 32] = x;
  __syncthreads();
  double total = 0;
  for (int warp = 0; warp < warps; ++warp) total += scratch[warp];
  return total;
}

// partials[c] = the sum of the squares of chunk c, in f64, because the square of an f32 may overflow or underflow f32.
template <int N> __global__ void chunk_squares(double* partials, const float* x, int64_t n, int64_t chunk) {
  const int64_t begin = blockIdx.x * chunk, end = min(begin + chunk, n);
  double sum = 0;
#pragma unroll 4
  for (int64_t i = begin + threadIdx.x * N; i < end; i += threads * N) {
    const Vec<float, N> v = load<N>(x + i);
#pragma unroll
    for (int j = 0; j < N; ++j) sum += static_cast<double>(v.v[j]) * static_cast<double>(v.v[j]);
  }
  sum = block_sum(sum);
  if (threadIdx.x == 0) partials[blockIdx.x] = sum;
}

__global__ void root_of_sum(float* norm, const double* partials, int64_t chunks) {
  double sum = 0;
  for (int64_t c = threadIdx.x; c < chunks; c += threads) sum += partials[c];
  sum = block_sum(sum);
  if (threadIdx.x == 0) *norm = static_cast<float>(sqrt(sum));
}

template <int N> __global__ void clip(float* x, const float* norm, int64_t n, float max_norm) {
  const float factor = max_norm / (*norm + 1e-6f);
  if (factor >= 1) return;  // false for a NaN, so every element becomes NaN
  const int64_t i = (static_cast<int64_t>(blockIdx.x) * threads + threadIdx.x) * N;
  if (i >= n) return;
  Vec<float, N> v = load<N>(x + i);
#pragma unroll
  for (int j = 0; j < N; ++j) v.v[j] *= factor;
  store(x + i, v);
}

struct Coefficients { float keep_m, add_m, keep_v, add_v, shrink, size, spread, floor; };

template <int N> __global__ void step_of(float* p, float* m, float* v, const float* g, int64_t n, Coefficients c) {
  const int64_t i = (static_cast<int64_t>(blockIdx.x) * threads + threadIdx.x) * N;
  if (i >= n) return;
  const Vec<float, N> grad = load<N>(g + i);
  Vec<float, N> weight = load<N>(p + i), mean = load<N>(m + i), square = load<N>(v + i);
#pragma unroll
  for (int j = 0; j < N; ++j) {
    mean.v[j] = fmaf(c.keep_m, mean.v[j], c.add_m * grad.v[j]);
    square.v[j] = fmaf(c.keep_v, square.v[j], c.add_v * grad.v[j] * grad.v[j]);
    weight.v[j] = fmaf(c.size, mean.v[j] / fmaf(sqrtf(square.v[j]), c.spread, c.floor), weight.v[j] * c.shrink);
  }
  store(m + i, mean);
  store(v + i, square);
  store(p + i, weight);
}

}  // namespace

extern "C" ingrain_status ingrain_gradient_norm(ingrain_context* ctx, float* norm, const float* x, int64_t n) {
  const int64_t chunk = (n / most_chunks / chunk_grain + 1) * chunk_grain, chunks = (n + chunk - 1) / chunk;
  void* workspace = nullptr;
  int64_t bytes = 0;
  ingrain_workspace(ctx, &workspace, &bytes);
  if (bytes < chunks * static_cast<int64_t>(sizeof(double)))
    return refuse(ctx, INGRAIN_OUT_OF_MEMORY, "gradient_norm: the workspace has %ld bytes, %ld are needed",
                  static_cast<long>(bytes), static_cast<long>(chunks * static_cast<int64_t>(sizeof(double))));
  double* const partials = static_cast<double*>(workspace);
  const ingrain_status status = with_width<float>(n, [&]<int N>() {
    return launch(chunk_squares<N>, static_cast<unsigned>(chunks), threads, 0, ctx, partials, x, n, chunk);
  }, x);
  if (status != INGRAIN_OK) return status;
  return launch(root_of_sum, 1, threads, 0, ctx, norm, static_cast<const double*>(partials), chunks);
}
INGRAIN_EXPORT_OP(gradient_norm)

extern "C" ingrain_status ingrain_gradient_clip(ingrain_context* ctx, float* x, const float* norm, int64_t n,
                                                float max_norm) {
  return with_width<float>(
      n, [&]<int N>() { return launch(clip<N>, blocks_for(n, threads * N), threads, 0, ctx, x, norm, n, max_norm); },
      x);
}
INGRAIN_EXPORT_OP(gradient_clip)

extern "C" ingrain_status ingrain_adamw(ingrain_context* ctx, float* p, float* m, float* v, const float* g, int64_t n,
                                        int64_t step, float lr, float beta1, float beta2, float eps,
                                        float weight_decay) {
  if (step < 1)
    return refuse(ctx, INGRAIN_INVALID_ARGUMENT, "adamw: step %ld: expected 1 or more", static_cast<long>(step));
  const double t = static_cast<double>(step), b1 = beta1, b2 = beta2, rate = lr;
  const Coefficients c{beta1,
                       static_cast<float>(1 - b1),
                       beta2,
                       static_cast<float>(1 - b2),
                       static_cast<float>(1 - rate * static_cast<double>(weight_decay)),
                       static_cast<float>(-rate / (1 - std::pow(b1, t))),
                       static_cast<float>(1 / std::sqrt(1 - std::pow(b2, t))),
                       eps};
  return with_width<float>(
      n, [&]<int N>() { return launch(step_of<N>, blocks_for(n, threads * N), threads, 0, ctx, p, m, v, g, n, c); }, p,
      m, v, g);
}
INGRAIN_EXPORT_OP(adamw)
