// select_ids: fills in the token ids of a step; each id comes from the host or was drawn by the previous step.
//   ids[t] = source[t] < 0 ? given[t] : max(drawn[source[t]], 0)
// Shapes   ids, given, source (T) · drawn (any)                    Types  i32
// Needs    source below the length of drawn (unchecked: both are in device memory), scratch 0
// Mapping  one thread per token                                    Bound  launch: T is a few thousand at most
// Oracle   native/ops/select_ids.cc                                Test SelectIdsParityTest
#include "launch.h"

namespace {

constexpr int threads = 256;

__global__ void select(int32_t* ids, const int32_t* given, const int32_t* source, const int32_t* drawn, int64_t T) {
  const int64_t t = static_cast<int64_t>(blockIdx.x) * threads + threadIdx.x;
  if (t < T) ids[t] = source[t] < 0 ? given[t] : max(drawn[source[t]], 0);
}

}  // namespace

extern "C" ingrain_status ingrain_select_ids(ingrain_context* ctx, int32_t* ids, const int32_t* given,
                                             const int32_t* source, const int32_t* drawn, int64_t T) {
  return launch(select, blocks_for(T, threads), threads, 0, ctx, ids, given, source, drawn, T);
}
INGRAIN_EXPORT_OP(select_ids)
