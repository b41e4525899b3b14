// cross_entropy: the negative log-likelihood of one target per row, computed from logits.
//   lse = max x + log Σ exp(x − max x)    loss = lse − x[target]    dx = scale·(exp(x − lse) − [v = target])
// Shapes   logits, dlogits (M, V) · targets, loss, lse (M), row-major      Types  logits f32, dlogits f32|bf16
// Needs    targets in [0, V), scratch 0; f32 dlogits may alias logits; a row with a NaN or +inf gives NaN
// Mapping  rows over threads, 16 lanes; blocks of 4096 terms are summed in f32, then the sums of the blocks in f64
// Bound    exp: M·V                         Oracle libtorch cross_entropy  Test CrossEntropyParityTest
#include "log_sum_exp.h"

namespace ingrain::INGRAIN_ISA {
namespace {

template <class E>
void row_backward(E* dx, const float* x, float lse, int32_t target, int64_t V, float scale) {
  // lse − lse is 0 if lse is finite. If lse is infinite or NaN, the difference is NaN, and so the whole row is NaN.
  const vec s = splat(scale + (lse - lse)), shift = splat(lse);
  float at_target[lanes];
  // This is computed before the row of dx is written, because dx may alias x.
  store(at_target, s * (exp(splat(x[target]) - shift) - splat(1.0f)));
  strips(V, [&](int64_t i, auto n) { store(dx + i, s * exp(load(x + i, n) - shift), n); });
  dx[target] = from_float<E>(at_target[0]);
}

}  // namespace
}  // namespace ingrain::INGRAIN_ISA

INGRAIN_OP(cross_entropy_forward,
           (ingrain_context * ctx, float* loss, float* lse, const float* logits, const int32_t* targets, int64_t M,
            int64_t V),
           (ctx, loss, lse, logits, targets, M, V)) {
  parallel_for(ctx, M, row_grain(V), [&](int64_t begin, int64_t end) {
    for (int64_t m = begin; m < end; ++m) {
      const float* x = logits + m * V;
      const float shift = max_of(x, V);
      const double log_sum = std::log(sum_exp(x, V, shift));
      loss[m] = static_cast<float>(log_sum - static_cast<double>(x[targets[m]] - shift));
      if (lse) lse[m] = static_cast<float>(log_sum + static_cast<double>(shift));
    }
  });
  return INGRAIN_OK;
}

INGRAIN_OP(cross_entropy_backward,
           (ingrain_context * ctx, void* dlogits, const float* logits, const float* lse, const int32_t* targets,
            int32_t dtype, int64_t M, int64_t V, float scale),
           (ctx, dlogits, logits, lse, targets, dtype, M, V, scale)) {
  return with_dtype(ctx, dtype, [&]<class E>() {
    parallel_for(ctx, M, row_grain(V), [&](int64_t begin, int64_t end) {
      for (int64_t m = begin; m < end; ++m)
        row_backward(static_cast<E*>(dlogits) + m * V, logits + m * V, lse[m], targets[m], V, scale);
    });
    return INGRAIN_OK;
  });
}
