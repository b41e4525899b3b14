// silu_mul: the gated activation of the SwiGLU feed-forward.                      Shazeer 2020, arXiv:2002.05202
//   y = g·σ(g)·u    dg = dy·u·σ(g)·(1 + g·(1 − σ(g)))    du = dy·g·σ(g)
// Shapes   gate_up (T, 2F): gate, then up · y (T, F), row-major      Types  f32|bf16, arithmetic f32
// Needs    nothing (16-byte accesses if F and the pointers allow), scratch 0      Mapping  one thread per 16 bytes
// Bound    memory: 3·T·F elements forward, 5·T·F backward   Oracle native/ops/silu_mul.cc   Test SiluMulParityTest
#include "dtype.h"

namespace {

constexpr int threads = 256;

__device__ __forceinline__ float sigmoid(float x) { return 1 / (1 + expf(-x)); }

template <class E, int N> __global__ void forward(E* y, const E* gate_up, int64_t T, int64_t F) {
  const int64_t i = (static_cast<int64_t>(blockIdx.x) * threads + threadIdx.x) * N, t = i / F, f = i % F;
  if (t >= T) return;
  const Vec<E, N> gate = load<N>(gate_up + t * 2 * F + f), up = load<N>(gate_up + t * 2 * F + F + f);
  Vec<E, N> out;
#pragma unroll
  for (int j = 0; j < N; ++j) {
    const float g = to_float(gate.v[j]);
    out.v[j] = from_float<E>(g * sigmoid(g) * to_float(up.v[j]));
  }
  store(y + t * F + f, out);
}

template <class E, int N> __global__ void backward(E* dgate_up, const E* dy, const E* gate_up, int64_t T, int64_t F) {
  const int64_t i = (static_cast<int64_t>(blockIdx.x) * threads + threadIdx.x) * N, t = i / F, f = i % F;
  if (t >= T) return;
  const Vec<E, N> gate = load<N>(gate_up + t * 2 * F + f), up = load<N>(gate_up + t * 2 * F + F + f),
                  grad = load<N>(dy + t * F + f);
  Vec<E, N> dgate, dup;
#pragma unroll
  for (int j = 0; j < N; ++j) {
    const float g = to_float(gate.v[j]), d = to_float(grad.v[j]), s = sigmoid(g);
    dgate.v[j] = from_float<E>(d * to_float(up.v[j]) * s * (1 + g * (1 - s)));
    dup.v[j] = from_float<E>(d * g * s);
  }
  store(dgate_up + t * 2 * F + f, dgate);
  store(dgate_up + t * 2 * F + F + f, dup);
}

}  // namespace

extern "C" ingrain_status ingrain_silu_mul_forward(ingrain_context* ctx, void* y, const void* gate_up, int32_t dtype,
                                                   int64_t T, int64_t F) {
  return with_dtype(ctx, dtype, [&]<class E>() {
    return with_width<E>(
        F,
        [&]<int N>() {
          return launch(forward<E, N>, blocks_for(T * F, threads * N), threads, 0, ctx, static_cast<E*>(y),
                        static_cast<const E*>(gate_up), T, F);
        },
        y, gate_up);
  });
}
INGRAIN_EXPORT_OP(silu_mul_forward)

extern "C" ingrain_status ingrain_silu_mul_backward(ingrain_context* ctx, void* dgate_up, const void* dy,
                                                    const void* gate_up, int32_t dtype, int64_t T, int64_t F) {
  return with_dtype(ctx, dtype, [&]<class E>() {
    return with_width<E>(
        F,
        [&]<int N>() {
          return launch(backward<E, N>, blocks_for(T * F, threads * N), threads, 0, ctx, static_cast<E*>(dgate_up),
                        static_cast<const E*>(dy), static_cast<const E*>(gate_up), T, F);
        },
        dgate_up, dy, gate_up);
  });
}
INGRAIN_EXPORT_OP(silu_mul_backward)
