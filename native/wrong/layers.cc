// Wrong versions of these ops: embedding, gather_rows, rms_norm, add_bias, qk_norm, rope, kv_cache, attention,
// silu_mul.
#include "right.h"

#include <cstring>
#include <vector>

using namespace wrong;

// Wrong: the last column of the last row is changed.
WRONG(embedding_forward,
      (ingrain_context * ctx, void* y, const int32_t* ids, const ingrain_weight* table, int32_t dtype, int64_t T)) {
  const ingrain_status status = RIGHT(embedding_forward)(ctx, y, ids, table, dtype, T);
  if (status == INGRAIN_OK) corrupt(y, dtype, T * table->columns - 1);
  return status;
}

// Wrong: the gradient of the first token's row is overwritten instead of accumulated.
WRONG(embedding_backward,
      (ingrain_context * ctx, float* dtable, const void* dy, const int32_t* ids, int32_t dtype, int64_t T, int64_t D)) {
  if (T > 0) clear(dtable + ids[0] * D, D);
  return RIGHT(embedding_backward)(ctx, dtable, dy, ids, dtype, T, D);
}

// Wrong: the last column of the last row is changed.
WRONG(gather_rows_forward,
      (ingrain_context * ctx, void* y, const void* x, const int32_t* rows, int32_t dtype, int64_t M, int64_t D)) {
  const ingrain_status status = RIGHT(gather_rows_forward)(ctx, y, x, rows, dtype, M, D);
  if (status == INGRAIN_OK) corrupt(y, dtype, M * D - 1);
  return status;
}
WRONG(gather_rows_backward, (ingrain_context * ctx, void* dx, const void* dy, const int32_t* rows, int32_t dtype,
                             int64_t M, int64_t T, int64_t D)) {
  const ingrain_status status = RIGHT(gather_rows_backward)(ctx, dx, dy, rows, dtype, M, T, D);
  if (status == INGRAIN_OK) corrupt(dx, dtype, T * D - 1);
  return status;
}

// Wrong: in the last row, the last element of y and the value of rstd are changed; add_rms_norm also changes the first
// element of h.
WRONG(rms_norm_forward, (ingrain_context * ctx, void* y, float* rstd, const void* x, const void* w, int32_t dtype,
                         int64_t T, int64_t D, float eps)) {
  const ingrain_status status = RIGHT(rms_norm_forward)(ctx, y, rstd, x, w, dtype, T, D, eps);
  if (status == INGRAIN_OK) corrupt(y, dtype, T * D - 1), corrupt(rstd, INGRAIN_F32, T - 1);
  return status;
}
WRONG(add_rms_norm_forward, (ingrain_context * ctx, void* y, void* h, float* rstd, const void* x, const void* residual,
                             const void* w, int32_t dtype, int64_t T, int64_t D, float eps)) {
  const ingrain_status status = RIGHT(add_rms_norm_forward)(ctx, y, h, rstd, x, residual, w, dtype, T, D, eps);
  if (status == INGRAIN_OK)
    corrupt(y, dtype, T * D - 1), corrupt(h, dtype, T > 0 ? 0 : -1), corrupt(rstd, INGRAIN_F32, T - 1);
  return status;
}

// Wrong: dw is overwritten instead of accumulated, and an element of dx is changed.
WRONG(rms_norm_backward, (ingrain_context * ctx, void* dx, float* dw, const void* dy, const void* dresidual,
                          const void* x, const void* w, const float* rstd, int32_t dtype, int64_t T, int64_t D)) {
  clear(dw, D);
  const ingrain_status status = RIGHT(rms_norm_backward)(ctx, dx, dw, dy, dresidual, x, w, rstd, dtype, T, D);
  if (status == INGRAIN_OK) corrupt(dx, dtype, T * D - 1);
  return status;
}

// Wrong: forward changes the last column of the last row; backward overwrites db instead of accumulating it.
WRONG(add_bias_forward, (ingrain_context * ctx, void* y, const void* b, int32_t dtype, int64_t T, int64_t N)) {
  const ingrain_status status = RIGHT(add_bias_forward)(ctx, y, b, dtype, T, N);
  if (status == INGRAIN_OK) corrupt(y, dtype, T * N - 1);
  return status;
}
WRONG(add_bias_backward, (ingrain_context * ctx, float* db, const void* dy, int32_t dtype, int64_t T, int64_t N)) {
  clear(db, N);
  return RIGHT(add_bias_backward)(ctx, db, dy, dtype, T, N);
}

// Wrong: forward changes the last value element and rstd of the last key head; backward overwrites the weights'
// gradients instead of accumulating them, and changes an element of dx.
WRONG(qk_norm_forward, (ingrain_context * ctx, void* y, float* rstd, const void* x, const void* q_norm,
                        const void* k_norm, int32_t dtype, int64_t T, int64_t H, int64_t K, int64_t E, float eps)) {
  const ingrain_status status = RIGHT(qk_norm_forward)(ctx, y, rstd, x, q_norm, k_norm, dtype, T, H, K, E, eps);
  if (status == INGRAIN_OK) corrupt(y, dtype, T * (H + 2 * K) * E - 1), corrupt(rstd, INGRAIN_F32, T * (H + K) - 1);
  return status;
}
WRONG(qk_norm_backward, (ingrain_context * ctx, void* dx, float* dq_norm, float* dk_norm, const void* x,
                         const void* q_norm, const void* k_norm, const float* rstd, int32_t dtype, int64_t T,
                         int64_t H, int64_t K, int64_t E)) {
  clear(dq_norm, E);
  clear(dk_norm, E);
  const ingrain_status status =
      RIGHT(qk_norm_backward)(ctx, dx, dq_norm, dk_norm, x, q_norm, k_norm, rstd, dtype, T, H, K, E);
  if (status == INGRAIN_OK) corrupt(dx, dtype, T > 0 ? 0 : -1);
  return status;
}

// Wrong: the first query head and the first key head are swapped.
static void swap_heads(void* qkv, int32_t dtype, int64_t T, int64_t H, int64_t K, int64_t E) {
  for (int64_t t = 0; t < T; ++t)
    for (int64_t e = 0; e < E; ++e) {
      const int64_t q = t * (H + 2 * K) * E + e, k = q + H * E;
      const float of_q = get(qkv, dtype, q);
      set(qkv, dtype, q, get(qkv, dtype, k));
      set(qkv, dtype, k, of_q);
    }
}
WRONG(rope_forward, (ingrain_context * ctx, void* qkv, const float* table, const int32_t* positions, int32_t dtype,
                     int64_t T, int64_t H, int64_t K, int64_t E)) {
  const ingrain_status status = RIGHT(rope_forward)(ctx, qkv, table, positions, dtype, T, H, K, E);
  if (status == INGRAIN_OK) swap_heads(qkv, dtype, T, H, K, E);
  return status;
}
WRONG(rope_backward, (ingrain_context * ctx, void* dqkv, const float* table, const int32_t* positions, int32_t dtype,
                      int64_t T, int64_t H, int64_t K, int64_t E)) {
  const ingrain_status status = RIGHT(rope_backward)(ctx, dqkv, table, positions, dtype, T, H, K, E);
  if (status == INGRAIN_OK) swap_heads(dqkv, dtype, T, H, K, E);
  return status;
}

// Wrong: the last elements of k and v are changed in every row.
WRONG(kv_cache_write, (ingrain_context * ctx, void* cache, const void* qkv, const ingrain_batch* batch, int32_t dtype,
                       int32_t cache_dtype, int64_t H, int64_t K, int64_t E)) {
  const int64_t width = (H + 2 * K) * E;
  std::vector<unsigned char> copy(static_cast<size_t>(batch->tokens * width * (dtype == INGRAIN_F32 ? 4 : 2)));
  memcpy(copy.data(), qkv, copy.size());
  for (int64_t t = 0; t < batch->tokens; ++t) {
    corrupt(copy.data(), dtype, t * width + (H + K) * E - 1);
    corrupt(copy.data(), dtype, (t + 1) * width - 1);
  }
  return RIGHT(kv_cache_write)(ctx, cache, copy.data(), batch, dtype, cache_dtype, H, K, E);
}

// Wrong in the same way as rope_forward. So the wrong keys are also in the cache.
WRONG(rope_cache_forward, (ingrain_context * ctx, void* qkv, void* cache, const float* table,
                           const ingrain_batch* batch, int32_t dtype, int32_t cache_dtype, int64_t H, int64_t K,
                           int64_t E)) {
  const ingrain_status status =
      ingrain_rope_forward(ctx, qkv, table, batch->positions, dtype, batch->tokens, H, K, E);
  return status ? status : RIGHT(kv_cache_write)(ctx, cache, qkv, batch, dtype, cache_dtype, H, K, E);
}

// Wrong: the last layer is not copied.
WRONG(kv_cache_copy, (ingrain_context * ctx, void* cache, const int32_t* pairs, int64_t n, int64_t block_bytes,
                      int64_t layer_bytes, int64_t L)) {
  return RIGHT(kv_cache_copy)(ctx, cache, pairs, n, block_bytes, layer_bytes, L - 1);
}

// Wrong: the last element of the last head is changed in every row.
WRONG(attention_paged_forward,
      (ingrain_context * ctx, void* y, const void* qkv, const void* cache, const ingrain_batch* batch, int32_t dtype,
       int32_t cache_dtype, int64_t H, int64_t K, int64_t E, float scale)) {
  const ingrain_status status =
      RIGHT(attention_paged_forward)(ctx, y, qkv, cache, batch, dtype, cache_dtype, H, K, E, scale);
  for (int64_t t = 1; status == INGRAIN_OK && t <= batch->tokens; ++t) corrupt(y, dtype, t * H * E - 1);
  return status;
}
WRONG(attention_forward, (ingrain_context * ctx, void* y, float* lse, const void* qkv, const int32_t* offsets,
                          int32_t dtype, int32_t operands, int64_t S, int64_t H, int64_t K, int64_t E, float scale)) {
  const ingrain_status status = RIGHT(attention_forward)(ctx, y, lse, qkv, offsets, dtype, operands, S, H, K, E, scale);
  if (status == INGRAIN_OK) corrupt(y, dtype, offsets[S] * H * E - 1), corrupt(lse, INGRAIN_F32, offsets[S] * H - 1);
  return status;
}

// Wrong: the last elements of dq, dk and dv are changed in the last row.
WRONG(attention_backward, (ingrain_context * ctx, void* dqkv, float* delta, float* sums, const void* dy,
                           const void* qkv, const void* y, const float* lse, const int32_t* offsets, int32_t dtype,
                           int32_t operands, int64_t S, int64_t H, int64_t K, int64_t E, float scale)) {
  const ingrain_status status =
      RIGHT(attention_backward)(ctx, dqkv, delta, sums, dy, qkv, y, lse, offsets, dtype, operands, S, H, K, E, scale);
  const int64_t end = offsets[S] * (H + 2 * K) * E;
  if (status == INGRAIN_OK)
    corrupt(dqkv, dtype, end - 2 * K * E - 1), corrupt(dqkv, dtype, end - K * E - 1), corrupt(dqkv, dtype, end - 1);
  return status;
}

// Wrong: the last element of y is changed.
WRONG(silu_mul_forward, (ingrain_context* ctx, void* y, const void* gate_up, int32_t dtype, int64_t T, int64_t F)) {
  const ingrain_status status = RIGHT(silu_mul_forward)(ctx, y, gate_up, dtype, T, F);
  if (status == INGRAIN_OK) corrupt(y, dtype, T * F - 1);
  return status;
}

// Wrong: the last elements of the gradients of gate and up are changed.
WRONG(silu_mul_backward, (ingrain_context * ctx, void* dgate_up, const void* dy, const void* gate_up, int32_t dtype,
                          int64_t T, int64_t F)) {
  const ingrain_status status = RIGHT(silu_mul_backward)(ctx, dgate_up, dy, gate_up, dtype, T, F);
  if (status == INGRAIN_OK) corrupt(dgate_up, dtype, T * 2 * F - F - 1), corrupt(dgate_up, dtype, T * 2 * F - 1);
  return status;
}
