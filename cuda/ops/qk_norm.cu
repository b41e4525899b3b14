// qk_norm: RMSNorm of each query and key head, before rope.                         Qwen3, arXiv:2505.09388, section 2
//   per head   y = x·rstd·w   rstd = (mean x² + eps)^-½   dx = rstd·(w·dy − x̂·mean(w·dy·x̂))   dw += Σ_t,h dy·x̂
//   x̂ = x·rstd; w is q_norm for query heads, k_norm for key heads; value heads are copied
// Shapes   x, y, dx (T, (H + 2K)·E) · q_norm, k_norm, dq_norm, dk_norm (E) · rstd (T, H + K), row-major
// Types    f32|bf16, sums, rstd and the weights' gradients f32
// Needs    nothing (16-byte accesses if E and the pointers allow); scratch for the weights' gradients: see
//          common/column_sums.h
// Mapping  one warp per head; the weights' gradients: common/column_sums.h, where a row is a head of a token
// Bound    memory: 2·T·(H + 2K)·E elements forward, 3·T·(H + K)·E backward (5·T·(H + K)·E with the weights' gradients)
// Oracle   native/ops/qk_norm.cc                       Test  QkNormParityTest
#include "column_sums.h"
#include "dtype.h"
#include "reduce.h"

namespace {

constexpr int warps = 4;

// T rows of heads: H query heads, then K key heads, then K value heads.
struct HeadShape {
  int64_t T;
  int H, K, E;
  __host__ __device__ int normed() const { return H + K; }
  __host__ __device__ int heads() const { return H + 2 * K; }
};

template <class X> struct Weights {
  const X *q, *k;
  __device__ const X* of(int head, int H) const { return head < H ? q : k; }
};

template <class X, int N>
__global__ void forward(X* y, float* rstd, const X* x, Weights<X> weights, HeadShape s, int heads, float eps) {
  const int64_t index = static_cast<int64_t>(blockIdx.x) * warps + threadIdx.y, t = index / heads;
  if (t >= s.T) return;
  const int head = static_cast<int>(index % heads), lane = threadIdx.x;
  const int64_t row = (t * s.heads() + head) * s.E;
  if (head >= s.normed()) {
    for (int e = lane * N; e < s.E; e += 32 * N) store(y + row + e, load<N>(x + row + e));
    return;
  }
  const X* w = weights.of(head, s.H);
  float sum = 0;
  for (int e = lane * N; e < s.E; e += 32 * N) {
    const Vec<X, N> in = load<N>(x + row + e);
#pragma unroll
    for (int j = 0; j < N; ++j) sum += to_float(in.v[j]) * to_float(in.v[j]);
  }
  const float r = rsqrtf(warp_reduce<Sum>(sum) / static_cast<float>(s.E) + eps);
  if (rstd && lane == 0) rstd[t * s.normed() + head] = r;
  for (int e = lane * N; e < s.E; e += 32 * N) {
    const Vec<X, N> in = load<N>(x + row + e), weight = load<N>(w + e);
    Vec<X, N> out;
#pragma unroll
    for (int j = 0; j < N; ++j) out.v[j] = from_float<X>(to_float(in.v[j]) * r * to_float(weight.v[j]));
    store(y + row + e, out);
  }
}

template <class X, int N>
__global__ void backward(X* dx, const X* x, Weights<X> weights, const float* rstd, HeadShape s) {
  const int64_t index = static_cast<int64_t>(blockIdx.x) * warps + threadIdx.y, t = index / s.normed();
  if (t >= s.T) return;
  const int head = static_cast<int>(index % s.normed()), lane = threadIdx.x;
  const int64_t row = (t * s.heads() + head) * s.E;
  const X* w = weights.of(head, s.H);
  const float r = rstd[index];
  float sum = 0;
  for (int e = lane * N; e < s.E; e += 32 * N) {
    const Vec<X, N> in = load<N>(x + row + e), dy = load<N>(dx + row + e), weight = load<N>(w + e);
#pragma unroll
    for (int j = 0; j < N; ++j) sum += to_float(weight.v[j]) * to_float(dy.v[j]) * (to_float(in.v[j]) * r);
  }
  const float mean = warp_reduce<Sum>(sum) / static_cast<float>(s.E);
  for (int e = lane * N; e < s.E; e += 32 * N) {
    const Vec<X, N> in = load<N>(x + row + e), dy = load<N>(dx + row + e), weight = load<N>(w + e);
    Vec<X, N> out;
#pragma unroll
    for (int j = 0; j < N; ++j)
      out.v[j] = from_float<X>(r * (to_float(weight.v[j]) * to_float(dy.v[j]) - to_float(in.v[j]) * r * mean));
    store(dx + row + e, out);
  }
}

// The terms dy·x̂ of a weight's gradient, one per token and head in [first, first + count).
template <class X> struct WeightTerm {
  const X *dy, *x;
  const float* rstd;
  HeadShape s;
  int first, count;
  template <int N> __device__ __forceinline__ void add(float (&sum)[N], int64_t row, int64_t e) const {
    const int64_t t = row / count, head = first + row % count, at = (t * s.heads() + head) * s.E + e;
    const Vec<X, N> in = load<N>(x + at), grad = load<N>(dy + at);
    const float r = rstd[t * s.normed() + head];
#pragma unroll
    for (int j = 0; j < N; ++j) sum[j] += to_float(grad.v[j]) * (to_float(in.v[j]) * r);
  }
};

unsigned blocks(int64_t heads) { return blocks_for(heads, warps); }

}  // namespace

extern "C" ingrain_status ingrain_qk_norm_forward(ingrain_context* ctx, void* y, float* rstd, const void* x,
                                                  const void* q_norm, const void* k_norm, int32_t dtype, int64_t T,
                                                  int64_t H, int64_t K, int64_t E, float eps) {
  const HeadShape shape{T, static_cast<int>(H), static_cast<int>(K), static_cast<int>(E)};
  return with_dtype(ctx, dtype, [&]<class X>() {
    return with_width<X>(
        E,
        [&]<int N>() {
          const Weights<X> weights{static_cast<const X*>(q_norm), static_cast<const X*>(k_norm)};
          const int heads = x == y ? shape.normed() : shape.heads();
          return launch(forward<X, N>, blocks(T * heads), dim3(32, warps), 0, ctx, static_cast<X*>(y), rstd,
                        static_cast<const X*>(x), weights, shape, heads, eps);
        },
        y, x, q_norm, k_norm);
  });
}
INGRAIN_EXPORT_OP(qk_norm_forward)

extern "C" ingrain_status ingrain_qk_norm_backward(ingrain_context* ctx, void* dx, float* dq_norm, float* dk_norm,
                                                   const void* x, const void* q_norm, const void* k_norm,
                                                   const float* rstd, int32_t dtype, int64_t T, int64_t H, int64_t K,
                                                   int64_t E) {
  const HeadShape shape{T, static_cast<int>(H), static_cast<int>(K), static_cast<int>(E)};
  return with_dtype(ctx, dtype, [&]<class X>() {
    return with_width<X>(
        E,
        [&]<int N>() -> ingrain_status {
          const Weights<X> weights{static_cast<const X*>(q_norm), static_cast<const X*>(k_norm)};
          X* const grad = static_cast<X*>(dx);
          const X* const in = static_cast<const X*>(x);
          const auto weight_gradient = [&](float* dw, int first, int count) {
            const WeightTerm<X> term{grad, in, rstd, shape, first, count};
            return dw ? column_sums::run<N>(ctx, "qk_norm_backward", dw, term, T * count, E) : INGRAIN_OK;
          };
          if (ingrain_status status = weight_gradient(dq_norm, 0, shape.H)) return status;
          if (ingrain_status status = weight_gradient(dk_norm, shape.H, shape.K)) return status;
          return launch(backward<X, N>, blocks(T * shape.normed()), dim3(32, warps), 0, ctx, grad, in, weights, rstd,
                        shape);
        },
        dx, x, q_norm, k_norm);
  });
}
INGRAIN_EXPORT_OP(qk_norm_backward)
