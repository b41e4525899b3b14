// top_tokens: the n most probable tokens of each row of logits.
//   log_probability(i) = x(i) − max x − log Σ exp(x − max x)
// Order    by descending logit; equal logits by ascending id
// Shapes   logits (M, V) · ids, log_probabilities (M, n), row-major        Types  logits f32
// Needs    1 <= n <= V, scratch 0; a row with a NaN or +inf, or without any logit above -inf, gives ids -1 and NaN
// Mapping  one block per row; pass i finds the greatest element that follows element i − 1 in the order
// Bound    L2: n·M·V elements, if a row is not larger than L2; intended for a few rows and n <= 20
// Oracle   native/ops/top_tokens.cc       Test TopTokensParityTest
#include "launch.h"
#include "reduce.h"

namespace {

constexpr int threads = 512;

struct Candidate { float logit; int64_t id; };

// Returns whether a precedes b: the token with the greater logit comes first, and of equal logits the one with the
// lower id.
__device__ __forceinline__ bool precedes(Candidate a, Candidate b) {
  return a.logit > b.logit || (a.logit == b.logit && a.id < b.id);
}

// Every thread gets the candidate that precedes all other candidates of the block. No barrier is needed between two
// calls.
__device__ Candidate first_of_block(Candidate mine, Candidate* scratch) {
#pragma unroll
  for (int bits = 16; bits > 0; bits /= 2) {
    const Candidate other{__shfl_xor_sync(0xffffffffu, mine.logit, bits), __shfl_xor_sync(0xffffffffu, mine.id, bits)};
    if (precedes(other, mine)) mine = other;
  }
  __syncthreads();  // all threads have read the result of the previous call
  if (threadIdx.x % 32 == 0) scratch[threadIdx.x / 32] = mine;
  __syncthreads();
  Candidate best = scratch[0];
  for (int warp = 1; warp < threads / 32; ++warp)
    if (precedes(scratch[warp], best)) best = scratch[warp];
  return best;
}

__global__ void __launch_bounds__(threads)
    top(int32_t* ids, float* log_probabilities, const float* logits, int64_t V, int32_t n) {
  __shared__ Candidate candidates[threads / 32];
  __shared__ float sums[32], flaws[32];
  const float* const x = logits + blockIdx.x * V;
  int32_t* const row_ids = ids + static_cast<int64_t>(blockIdx.x) * n;
  float* const row = log_probabilities + static_cast<int64_t>(blockIdx.x) * n;
  Candidate last{INFINITY, -1};
  float highest = 0, log_sum = 0;
  for (int32_t i = 0; i < n; ++i) {
    Candidate mine{-INFINITY, V};
    float flaw = 0;
    for (int64_t v = threadIdx.x; v < V; v += threads) {
      const Candidate c{x[v], v};
      if (!(c.logit < INFINITY)) flaw = 1;  // a NaN or +inf
      if (precedes(last, c) && precedes(c, mine)) mine = c;
    }
    const Candidate best = first_of_block(mine, candidates);
    if (i == 0) {
      highest = best.logit;
      if (block_reduce<Max>(flaw, flaws) > 0 || highest == -INFINITY) {  // the condition is the same for all threads
        for (int32_t j = threadIdx.x; j < n; j += threads) row_ids[j] = -1, row[j] = NAN;
        return;
      }
      float sum = 0;
      for (int64_t v = threadIdx.x; v < V; v += threads) sum += expf(x[v] - highest);
      log_sum = logf(block_reduce<Sum>(sum, sums));
    }
    if (threadIdx.x == 0) {
      row_ids[i] = static_cast<int32_t>(best.id);
      row[i] = best.logit - highest - log_sum;
    }
    last = best;
  }
}

}  // namespace

extern "C" ingrain_status ingrain_top_tokens(ingrain_context* ctx, int32_t* ids, float* log_probabilities,
                                             const float* logits, int64_t M, int64_t V, int32_t n) {
  return launch(top, static_cast<unsigned>(M), threads, 0, ctx, ids, log_probabilities, logits, V, n);
}
INGRAIN_EXPORT_OP(top_tokens)
