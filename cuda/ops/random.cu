// random: normal values from Philox, with the seed as key and the index i as counter.          Salmon et al. 2011; Box
// & Muller 1958
//   y[i] = std·normal(seed, i)
// Shapes   y (n)                                                   Types  y f32|bf16, arithmetic f32
// Needs    nothing, scratch 0                                      Mapping  one thread per 16 bytes of y
// Bound    arithmetic: ten Philox rounds, a log and a cosine       Oracle native/ops/random.cc  Test RandomParityTest
#include "dtype.h"
#include "philox.h"

namespace {

constexpr int threads = 256;

template <class E, int N> __global__ void fill(E* y, int64_t n, float std, int64_t seed) {
  const int64_t i = (static_cast<int64_t>(blockIdx.x) * threads + threadIdx.x) * N;
  if (i >= n) return;
  Vec<E, N> out;
#pragma unroll
  for (int j = 0; j < N; ++j) {
    const philox_block block = philox(seed, i + j);
    out.v[j] = from_float<E>(std * normal(block.x[0], block.x[1]));
  }
  store(y + i, out);
}

}  // namespace

extern "C" ingrain_status ingrain_random_normal(ingrain_context* ctx, void* y, int32_t dtype, int64_t n, float std,
                                                int64_t seed) {
  return with_dtype(ctx, dtype, [&]<class E>() {
    return with_width<E>(n, [&]<int N>() {
      return launch(fill<E, N>, blocks_for(n, threads * N), threads, 0, ctx, static_cast<E*>(y), n, std, seed);
    }, y);
  });
}
INGRAIN_EXPORT_OP(random_normal)
