// rms_norm: RMSNorm over the last dimension.                               Zhang & Sennrich 2019, arXiv:1910.07467
//   y = x·rstd·w   rstd = (mean x² + eps)^-½   dx = dresidual + rstd·(w·dy − x̂·mean(w·dy·x̂))   dw += Σ dy·x̂
//   x̂ = x·rstd
// Shapes   x, y, h, residual (T, D) · w (D) · rstd (T), row-major      Types  f32|bf16, sums and rstd f32
// Needs    D < 2³¹; h is rounded to its dtype before the norm, so that y is bitwise equal to rms_norm_forward(h)
//          scratch for dw: see common/column_sums.h
// Mapping  a block computes one row after another and keeps w and the row in registers. The number of threads depends
//          only on D, so the bits of a row do not depend on T · dw: common/column_sums.h
// Bound    memory: (2·T·D + D) elements forward, 4·T·D backward (6·T·D with dw)
// Oracle   native/ops/rms_norm.cc                                      Test  RmsNormParityTest
#include "column_sums.h"
#include "device_limits.h"
#include "norm_row.h"

namespace {

using norm_row::kept, norm_row::max_threads, norm_row::scaled, norm_row::squares;

constexpr unsigned resident_blocks = 4;  // per multiprocessor

template <class E, int N> __device__ __forceinline__ Vec<E, N> add(const Vec<E, N>& a, const Vec<E, N>& b) {
  Vec<E, N> sum;
#pragma unroll
  for (int j = 0; j < N; ++j) sum.v[j] = from_float<E>(to_float(a.v[j]) + to_float(b.v[j]));
  return sum;
}

// The arrays and sizes of a call.
template <class E> struct Rows {
  E* y;
  E* h;  // the sum x + residual
  float* rstd;        // null: rstd is not written
  const E* x;
  const E* residual;  // null: no residual is added
  const E* w;
  int64_t T, D;
};

template <class E, int N, bool added> __global__ void __launch_bounds__(max_threads) forward(Rows<E> rows, float eps) {
  __shared__ float scratch[2][32];
  const int D = static_cast<int>(rows.D), first = static_cast<int>(threadIdx.x) * N,
            step = static_cast<int>(blockDim.x) * N;
  Vec<E, N> w[kept], x[kept];
#pragma unroll
  for (int k = 0; k < kept; ++k)
    if (first + k * step < D) w[k] = load<N>(rows.w + first + k * step);
  int turn = 0;
  for (int64_t t = blockIdx.x; t < rows.T; t += gridDim.x, turn ^= 1) {
    const auto read = [&](int d) {
      Vec<E, N> in = load<N>(rows.x + t * D + d);
      if constexpr (added) {
        in = add(in, load<N>(rows.residual + t * D + d));
        store(rows.h + t * D + d, in);
      }
      return in;
    };
    float sum = 0;
#pragma unroll
    for (int k = 0; k < kept; ++k)
      if (first + k * step < D) x[k] = read(first + k * step);
#pragma unroll
    for (int k = 0; k < kept; ++k)
      if (first + k * step < D) sum += squares(x[k]);
    for (int d = first + kept * step; d < D; d += step) sum += squares(read(d));
    const float r = norm_row::rstd(block_reduce<Sum>(sum, scratch[turn]), D, eps);
    if (rows.rstd && threadIdx.x == 0) rows.rstd[t] = r;
#pragma unroll
    for (int k = 0; k < kept; ++k)
      if (first + k * step < D) store(rows.y + t * D + first + k * step, scaled(x[k], r, w[k]));
    const E* again = added ? rows.h : rows.x;
    for (int d = first + kept * step; d < D; d += step)
      store(rows.y + t * D + d, scaled(load<N>(again + t * D + d), r, load<N>(rows.w + d)));
  }
}

template <class E> struct Gradients {
  E* dx;
  const E* dy;
  const E* dresidual;  // or null
  const E* x;
  const E* w;
  const float* rstd;
  int64_t T, D;
};

template <class E, int N>
__device__ __forceinline__ float products(const Vec<E, N>& w, const Vec<E, N>& dy, const Vec<E, N>& x, float r) {
  float sum = 0;
#pragma unroll
  for (int j = 0; j < N; ++j) sum += to_float(w.v[j]) * to_float(dy.v[j]) * (to_float(x.v[j]) * r);
  return sum;
}

template <class E, int N> __global__ void __launch_bounds__(max_threads, 2) backward(Gradients<E> g) {
  __shared__ float scratch[2][32];
  const int D = static_cast<int>(g.D), first = static_cast<int>(threadIdx.x) * N,
            step = static_cast<int>(blockDim.x) * N;
  Vec<E, N> x[kept], dy[kept];
  int turn = 0;
  for (int64_t t = blockIdx.x; t < g.T; t += gridDim.x, turn ^= 1) {
    const int64_t row = t * D;
#pragma unroll
    for (int k = 0; k < kept; ++k)
      if (first + k * step < D)
        x[k] = load<N>(g.x + row + first + k * step), dy[k] = load<N>(g.dy + row + first + k * step);
    const float r = g.rstd[t];
    float sum = 0;
#pragma unroll
    for (int k = 0; k < kept; ++k)
      if (first + k * step < D) sum += products(load<N>(g.w + first + k * step), dy[k], x[k], r);
#pragma unroll 1  // if this loop is unrolled, the f32 kernel spills registers on sm_80
    for (int d = first + kept * step; d < D; d += step)
      sum += products(load<N>(g.w + d), load<N>(g.dy + row + d), load<N>(g.x + row + d), r);
    const float mean = block_reduce<Sum>(sum, scratch[turn]) / static_cast<float>(D);
    const auto write = [&](int d, const Vec<E, N>& grad, const Vec<E, N>& in) {
      const Vec<E, N> weight = load<N>(g.w + d);
      Vec<E, N> rest, out;
      if (g.dresidual) rest = load<N>(g.dresidual + row + d);
#pragma unroll
      for (int j = 0; j < N; ++j) {
        const float dx = r * (to_float(weight.v[j]) * to_float(grad.v[j]) - to_float(in.v[j]) * r * mean);
        out.v[j] = from_float<E>(g.dresidual ? dx + to_float(rest.v[j]) : dx);
      }
      store(g.dx + row + d, out);
    };
#pragma unroll
    for (int k = 0; k < kept; ++k)
      if (first + k * step < D) write(first + k * step, dy[k], x[k]);
#pragma unroll 1
    for (int d = first + kept * step; d < D; d += step) write(d, load<N>(g.dy + row + d), load<N>(g.x + row + d));
  }
}

// The terms dy·x̂ of dw, one per row.
template <class E> struct WeightTerm {
  Gradients<E> g;
  template <int N> __device__ __forceinline__ void add(float (&sum)[N], int64_t t, int64_t d) const {
    const Vec<E, N> x = load<N>(g.x + t * g.D + d), dy = load<N>(g.dy + t * g.D + d);
    const float r = g.rstd[t];
#pragma unroll
    for (int j = 0; j < N; ++j) sum[j] += to_float(dy.v[j]) * (to_float(x.v[j]) * r);
  }
};

// Launches a kernel whose blocks compute one row after another.
template <class A, class... More>
ingrain_status launch_rows(void (*kernel)(A, More...), int64_t vectors, ingrain_context* ctx, const A& rows,
                           More... more) {
  DeviceLimits device;
  if (ingrain_status status = device_limits(ctx, &device)) return status;
  const int64_t most = device.multiprocessors * int64_t{resident_blocks};
  return launch(kernel, static_cast<unsigned>(rows.T < most ? rows.T : most), norm_row::norm_threads(vectors), 0, ctx,
                rows, more...);
}

}  // namespace

extern "C" ingrain_status ingrain_rms_norm_forward(ingrain_context* ctx, void* y, float* rstd, const void* x,
                                                   const void* w, int32_t dtype, int64_t T, int64_t D, float eps) {
  return with_dtype(ctx, dtype, [&]<class E>() {
    return with_width<E>(
        D,
        [&]<int N>() {
          const Rows<E> rows{static_cast<E*>(y),       nullptr, rstd, static_cast<const E*>(x), nullptr,
                             static_cast<const E*>(w), T,       D};
          return launch_rows(forward<E, N, false>, (D + N - 1) / N, ctx, rows, eps);
        },
        y, x, w);
  });
}
INGRAIN_EXPORT_OP(rms_norm_forward)

extern "C" ingrain_status ingrain_add_rms_norm_forward(ingrain_context* ctx, void* y, void* h, float* rstd,
                                                       const void* x, const void* residual, const void* w,
                                                       int32_t dtype, int64_t T, int64_t D, float eps) {
  return with_dtype(ctx, dtype, [&]<class E>() {
    return with_width<E>(
        D,
        [&]<int N>() {
          const Rows<E> rows{static_cast<E*>(y),
                             static_cast<E*>(h),
                             rstd,
                             static_cast<const E*>(x),
                             static_cast<const E*>(residual),
                             static_cast<const E*>(w),
                             T,
                             D};
          return launch_rows(forward<E, N, true>, (D + N - 1) / N, ctx, rows, eps);
        },
        y, h, x, residual, w);
  });
}
INGRAIN_EXPORT_OP(add_rms_norm_forward)

extern "C" ingrain_status ingrain_rms_norm_backward(ingrain_context* ctx, void* dx, float* dw, const void* dy,
                                                    const void* dresidual, const void* x, const void* w,
                                                    const float* rstd, int32_t dtype, int64_t T, int64_t D) {
  return with_dtype(ctx, dtype, [&]<class E>() {
    return with_width<E>(
        D,
        [&]<int N>() {
          const Gradients<E> g{static_cast<E*>(dx),
                               static_cast<const E*>(dy),
                               static_cast<const E*>(dresidual),
                               static_cast<const E*>(x),
                               static_cast<const E*>(w),
                               rstd,
                               T,
                               D};
          if (dw)
            if (ingrain_status status = column_sums::run<N>(ctx, "rms_norm_backward", dw, WeightTerm<E>{g}, T, D))
              return status;
          return launch_rows(backward<E, N>, (D + N - 1) / N, ctx, g);
        },
        dx, dy, dresidual, x, w);
  });
}
INGRAIN_EXPORT_OP(rms_norm_backward)
