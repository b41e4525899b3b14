// select_ids: the tokens of a step, of which some were drawn on the device by the step before.
//   ids[t] = source[t] < 0 ? given[t] : max(drawn[source[t]], 0)
//   -1, no token, is computed as token 0 until the host sees it
// Shapes   ids, given, source (T) · drawn (any)                    Types  i32
// Needs    source below drawn's length (unchecked: both live on the device), scratch 0
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
