// bias_logits: adds values to single logits, for logit biases and banned tokens.
//   logits[rows[i]][ids[i]] += values[i]    The value -inf bans a token.
// Shapes   logits (M, V), row-major · rows, ids, values (n)        Types  logits, values f32; rows, ids i32
// Needs    rows in [0, M), ids in [0, V) (unchecked: they are in device memory), no pair (row, id) twice, scratch 0
// Mapping  one thread: n is at most a few hundred per row          Bound  latency: n random accesses
// Oracle   the definition                                          Test BiasLogitsParityTest
#include "op.h"

INGRAIN_OP(bias_logits,
           (ingrain_context * ctx, float* logits, const int32_t* rows, const int32_t* ids, const float* values,
            int64_t n, int64_t V),
           (ctx, logits, rows, ids, values, n, V)) {
  (void)ctx;
  for (int64_t i = 0; i < n; ++i) logits[rows[i] * V + ids[i]] += values[i];
  return INGRAIN_OK;
}
