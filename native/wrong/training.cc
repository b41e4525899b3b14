// Wrong versions of these ops: cross_entropy, adamw, bias_logits, sample, top_tokens, select_ids, random.
#include "right.h"

using namespace wrong;

// Wrong: loss and lse of the last row are changed.
WRONG(cross_entropy_forward, (ingrain_context * ctx, float* loss, float* lse, const float* logits,
                              const int32_t* targets, int64_t M, int64_t V)) {
  const ingrain_status status = RIGHT(cross_entropy_forward)(ctx, loss, lse, logits, targets, M, V);
  if (status == INGRAIN_OK) corrupt(loss, INGRAIN_F32, M - 1), corrupt(lse, INGRAIN_F32, M - 1);
  return status;
}

// Wrong: the one-hot term of the last row's target is not subtracted.
WRONG(cross_entropy_backward, (ingrain_context * ctx, void* dlogits, const float* logits, const float* lse,
                               const int32_t* targets, int32_t dtype, int64_t M, int64_t V, float scale)) {
  const ingrain_status status = RIGHT(cross_entropy_backward)(ctx, dlogits, logits, lse, targets, dtype, M, V, scale);
  if (status != INGRAIN_OK || M < 1) return status;
  const int64_t at = (M - 1) * V + targets[M - 1];
  set(dlogits, dtype, at, get(dlogits, dtype, at) + scale);
  return status;
}

WRONG(gradient_norm, (ingrain_context* ctx, float* norm, const float* x, int64_t n)) {
  const ingrain_status status = RIGHT(gradient_norm)(ctx, norm, x, n);
  if (status == INGRAIN_OK) corrupt(norm, INGRAIN_F32, 0);
  return status;
}

// Wrong: the last element is changed.
WRONG(gradient_clip, (ingrain_context* ctx, float* x, const float* norm, int64_t n, float max_norm)) {
  const ingrain_status status = RIGHT(gradient_clip)(ctx, x, norm, n, max_norm);
  if (status == INGRAIN_OK) corrupt(x, INGRAIN_F32, n - 1);
  return status;
}

// Wrong: `step` is too large by one, and the last elements of m and v are changed.
WRONG(adamw, (ingrain_context * ctx, float* p, float* m, float* v, const float* g, int64_t n, int64_t step, float lr,
              float beta1, float beta2, float eps, float weight_decay)) {
  const ingrain_status status = RIGHT(adamw)(ctx, p, m, v, g, n, step + 1, lr, beta1, beta2, eps, weight_decay);
  if (status == INGRAIN_OK) corrupt(m, INGRAIN_F32, n - 1), corrupt(v, INGRAIN_F32, n - 1);
  return status;
}

// Wrong: the last value is not added.
WRONG(bias_logits, (ingrain_context * ctx, float* logits, const int32_t* rows, const int32_t* ids, const float* values,
                    int64_t n, int64_t V)) {
  return RIGHT(bias_logits)(ctx, logits, rows, ids, values, n > 0 ? n - 1 : n, V);
}

// Wrong: in rows 0, 2, 4, ... the drawn id is replaced by the next id, and its log-probability is changed.
WRONG(sample, (ingrain_context * ctx, int32_t* ids, float* log_probabilities, const float* logits,
               const float* temperature, const int32_t* top_k, const float* top_p, const int64_t* seeds,
               const int32_t* sequences, const int32_t* positions, int64_t M, int64_t V)) {
  const ingrain_status status =
      RIGHT(sample)(ctx, ids, log_probabilities, logits, temperature, top_k, top_p, seeds, sequences, positions, M, V);
  for (int64_t m = 0; status == INGRAIN_OK && m < M; m += 2) {
    if (ids[m] >= 0) ids[m] = static_cast<int32_t>((ids[m] + 1) % V);
    corrupt(log_probabilities, INGRAIN_F32, m);
  }
  return status;
}

// Wrong: the last token of the last row is replaced by the next id, and its log-probability is changed.
WRONG(top_tokens, (ingrain_context * ctx, int32_t* ids, float* log_probabilities, const float* logits, int64_t M,
                   int64_t V, int32_t n)) {
  const ingrain_status status = RIGHT(top_tokens)(ctx, ids, log_probabilities, logits, M, V, n);
  if (status != INGRAIN_OK || M == 0) return status;
  if (ids[M * n - 1] >= 0) ids[M * n - 1] = static_cast<int32_t>((ids[M * n - 1] + 1) % V);
  corrupt(log_probabilities, INGRAIN_F32, M * n - 1);
  return status;
}

// Wrong: the last id is the given token instead of a drawn token, or the given token + 1 instead of the given token.
WRONG(select_ids, (ingrain_context * ctx, int32_t* ids, const int32_t* given, const int32_t* source,
                   const int32_t* drawn, int64_t T)) {
  const ingrain_status status = RIGHT(select_ids)(ctx, ids, given, source, drawn, T);
  if (status == INGRAIN_OK && T > 0) ids[T - 1] = source[T - 1] < 0 ? given[T - 1] + 1 : given[T - 1];
  return status;
}

// Wrong: the standard deviation is too large by a tenth.
WRONG(random_normal, (ingrain_context* ctx, void* y, int32_t dtype, int64_t n, float std, int64_t seed)) {
  return RIGHT(random_normal)(ctx, y, dtype, n, 1.1f * std, seed);
}
