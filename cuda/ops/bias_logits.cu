// bias_logits: adds values to selected logits, for logit biases and banned tokens in sampling.
//   logits[rows[i]][ids[i]] += values[i]    The value -inf bans a token.
// Shapes   logits (M, V), row-major · rows, ids, values (n)        Types  logits, values f32; rows, ids i32
// Needs    rows in [0, M), ids in [0, V) (unchecked: they are in device memory), no pair (row, id) twice, scratch 0
// Mapping  one thread per value                                    Bound  launch: n is a few thousand at most
// Oracle   native/ops/bias_logits.cc                               Test BiasLogitsParityTest
#include "launch.h"

namespace {

constexpr int threads = 256;

__global__ void bias(float* logits, const int32_t* rows, const int32_t* ids, const float* values, int64_t n,
                     int64_t V) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * threads + threadIdx.x;
  if (i < n) logits[rows[i] * V + ids[i]] += values[i];
}

}  // namespace

extern "C" ingrain_status ingrain_bias_logits(ingrain_context* ctx, float* logits, const int32_t* rows,
                                              const int32_t* ids, const float* values, int64_t n, int64_t V) {
  return launch(bias, blocks_for(n, threads), threads, 0, ctx, logits, rows, ids, values, n, V);
}
INGRAIN_EXPORT_OP(bias_logits)
