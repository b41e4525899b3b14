// top_tokens: the n most probable tokens of each row of logits.
//   log_probability(i) = x(i) − max x − log Σ exp(x − max x)
// Order    by descending logit; equal logits by ascending id
// Shapes   logits (M, V) · ids, log_probabilities (M, n), row-major        Types  logits f32
// Needs    1 <= n <= V, scratch 0; a row with a NaN or +inf, or without any logit above -inf, gives ids -1 and NaN
// Mapping  rows over threads; one scan of a row keeps the n greatest logits in order
// Bound    exp: M·V                       Oracle libtorch topk, log_softmax   Test TopTokensParityTest
#include "log_sum_exp.h"

#include <limits>

namespace ingrain::INGRAIN_ISA {
namespace {

// Writes the n greatest logits of a row to best and their ids to ids, sorted by descending logit, then by ascending id.
void select(int32_t* ids, float* best, const float* x, int64_t V, int32_t n) {
  int32_t kept = 0;
  for (int64_t v = 0; v < V; ++v) {
    if (kept == n && !(x[v] > best[n - 1])) continue;
    int32_t at = kept < n ? kept++ : n - 1;
    for (; at > 0 && x[v] > best[at - 1]; --at) best[at] = best[at - 1], ids[at] = ids[at - 1];
    best[at] = x[v];
    ids[at] = static_cast<int32_t>(v);
  }
}

}  // namespace
}  // namespace ingrain::INGRAIN_ISA

INGRAIN_OP(top_tokens,
           (ingrain_context * ctx, int32_t* ids, float* log_probabilities, const float* logits, int64_t M, int64_t V,
            int32_t n),
           (ctx, ids, log_probabilities, logits, M, V, n)) {
  parallel_for(ctx, M, row_grain(V), [&](int64_t begin, int64_t end) {
    for (int64_t m = begin; m < end; ++m) {
      const float* x = logits + m * V;
      int32_t* const row_ids = ids + m * n;
      float* const row = log_probabilities + m * n;
      const float shift = max_of(x, V);
      const double sum = sum_exp(x, V, shift);
      if (!(shift < INFINITY && shift > -INFINITY) || std::isnan(sum)) {
        for (int32_t i = 0; i < n; ++i) row_ids[i] = -1, row[i] = std::numeric_limits<float>::quiet_NaN();
        continue;
      }
      select(row_ids, row, x, V, n);
      const double log_sum = std::log(sum);
      for (int32_t i = 0; i < n; ++i) row[i] = static_cast<float>(static_cast<double>(row[i] - shift) - log_sum);
    }
  });
  return INGRAIN_OK;
}
