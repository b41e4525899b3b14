// random: normal values from Philox, with the seed as key and i as counter.   Salmon et al. 2011; Box & Muller 1958
//   y[i] = std·normal(seed, i)
// Shapes   y (n)                                                   Types  y f32|bf16, arithmetic f32
// Needs    nothing, scratch 0                                      Mapping  elements over threads
// Bound    arithmetic: ten Philox rounds, a log and a cosine
// Oracle   Random123 known answers
// Test     RandomParityTest
#include "dtype.h"
#include "philox.h"

INGRAIN_OP(random_normal, (ingrain_context * ctx, void* y, int32_t dtype, int64_t n, float std, int64_t seed),
           (ctx, y, dtype, n, std, seed)) {
  return with_dtype(ctx, dtype, [&]<class E>() {
    parallel_for(ctx, n, 1024, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const philox_block block = philox(seed, i);
        static_cast<E*>(y)[i] = from_float<E>(std * normal(block.x[0], block.x[1]));
      }
    });
    return INGRAIN_OK;
  });
}
