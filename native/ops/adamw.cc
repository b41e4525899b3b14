// adamw: Adam with decoupled weight decay, gradient norm and gradient clipping.
//   Loshchilov & Hutter 2019, arXiv:1711.05101
//   m = β₁m + (1 − β₁)g    v = β₂v + (1 − β₂)g²    p −= lr·λ·p    p −= lr/(1 − β₁ᵗ)·m / (√v/√(1 − β₂ᵗ) + ε)
//   norm = √Σ x²           x *= min(1, max_norm/(norm + 10⁻⁶))
// Shapes   p, m, v, g, x (n) · norm (1)                    Types  f32, Σ x² in f64
// Needs    step >= 1, scratch 0   Mapping  elements over threads; Σ: fixed chunks, added in order
// Bound    memory: 7·n elements per step; norm n, clip 2·n Oracle libtorch AdamW  Test AdamwParityTest
#include "strips.h"

#include <cmath>

namespace ingrain::INGRAIN_ISA {
namespace {

constexpr int64_t block = 4096;  // elements of one item of parallel_for

// Runs body(first, count) over pieces of [0, n). Each piece begins at a multiple of `block`.
template <class Body>
void each_block(ingrain_context* ctx, int64_t n, const Body& body) {
  parallel_for(ctx, (n + block - 1) / block, 4, [&](int64_t begin, int64_t end) {
    const int64_t first = begin * block;
    body(first, (end * block < n ? end * block : n) - first);
  });
}

double squares(const float* x, int64_t n) {
  double lane[lanes] = {};  // f64, because the square of an f32 may overflow or underflow f32
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes)
    for (int64_t j = 0; j < lanes; ++j) lane[j] += static_cast<double>(x[i + j]) * static_cast<double>(x[i + j]);
  for (int64_t j = 0; i + j < n; ++j) lane[j] += static_cast<double>(x[i + j]) * static_cast<double>(x[i + j]);
  double total = 0.0;
  for (int64_t j = 0; j < lanes; ++j) total += lane[j];
  return total;
}

}  // namespace
}  // namespace ingrain::INGRAIN_ISA

INGRAIN_OP(gradient_norm, (ingrain_context* ctx, float* norm, const float* x, int64_t n), (ctx, norm, x, n)) {
  constexpr int64_t most = 1024;
  double partial[most];
  const int64_t chunk = (n / most / block + 1) * block, chunks = (n + chunk - 1) / chunk;  // depends on n only
  parallel_for(ctx, chunks, 1 + 4 * block / chunk, [&](int64_t begin, int64_t end) {
    for (int64_t c = begin; c < end; ++c)
      partial[c] = squares(x + c * chunk, n - c * chunk < chunk ? n - c * chunk : chunk);
  });
  double total = 0.0;
  for (int64_t c = 0; c < chunks; ++c) total += partial[c];
  *norm = static_cast<float>(std::sqrt(total));
  return INGRAIN_OK;
}

INGRAIN_OP(gradient_clip, (ingrain_context * ctx, float* x, const float* norm, int64_t n, float max_norm),
           (ctx, x, norm, n, max_norm)) {
  const float factor = max_norm / (*norm + 1e-6f);
  if (factor >= 1.0f) return INGRAIN_OK;  // if the norm is NaN, the condition is false and every element becomes NaN
  each_block(ctx, n, [&](int64_t first, int64_t count) {
    strips(count, [&](int64_t i, auto m) { store(x + first + i, load(x + first + i, m) * splat(factor), m); });
  });
  return INGRAIN_OK;
}

INGRAIN_OP(adamw,
           (ingrain_context * ctx, float* p, float* m, float* v, const float* g, int64_t n, int64_t step, float lr,
            float beta1, float beta2, float eps, float weight_decay),
           (ctx, p, m, v, g, n, step, lr, beta1, beta2, eps, weight_decay)) {
  if (step < 1)
    return ctx->fail(INGRAIN_INVALID_ARGUMENT, "adamw: step %ld: expected 1 or more", static_cast<long>(step));
  const double t = static_cast<double>(step), b1 = beta1, b2 = beta2, rate = lr;
  const vec keep_m = splat(beta1), add_m = splat(static_cast<float>(1.0 - b1)), keep_v = splat(beta2),
            add_v = splat(static_cast<float>(1.0 - b2));
  const vec shrink = splat(static_cast<float>(1.0 - rate * static_cast<double>(weight_decay)));
  const vec size = splat(static_cast<float>(-rate / (1.0 - std::pow(b1, t))));
  const vec spread = splat(static_cast<float>(1.0 / std::sqrt(1.0 - std::pow(b2, t)))), floor = splat(eps);
  each_block(ctx, n, [&](int64_t first, int64_t count) {
    strips(count, [&](int64_t i, auto some) {
      i += first;
      const vec grad = load(g + i, some);
      const vec mean = fma(keep_m, load(m + i, some), add_m * grad);
      const vec square = fma(keep_v, load(v + i, some), add_v * grad * grad);
      store(m + i, mean, some);
      store(v + i, square, some);
      store(p + i, fma(size, mean / fma(sqrt(square), spread, floor), load(p + i, some) * shrink), some);
    });
  });
  return INGRAIN_OK;
}
