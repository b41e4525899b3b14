// select_ids: the token ids of a step, some of which the previous step drew on the device.
//   ids[t] = source[t] < 0 ? given[t] : max(drawn[source[t]], 0)
//   A drawn -1 (no token) becomes token 0. The host reads the -1 later and then discards the result.
// Shapes   ids, given, source (T) · drawn (any)                    Types  i32
// Needs    source below the length of drawn (unchecked: both are in device memory), scratch 0
// Mapping  one thread: T is a few thousand at most                 Bound  memory: 4·T elements
// Oracle   the definition                                          Test SelectIdsParityTest
#include <algorithm>

#include "op.h"

INGRAIN_OP(select_ids,
           (ingrain_context * ctx, int32_t* ids, const int32_t* given, const int32_t* source, const int32_t* drawn,
            int64_t T),
           (ctx, ids, given, source, drawn, T)) {
  (void)ctx;
  for (int64_t t = 0; t < T; ++t) ids[t] = source[t] < 0 ? given[t] : std::max(drawn[source[t]], 0);
  return INGRAIN_OK;
}
