// The arithmetic of RMSNorm for a row, shared by rms_norm.cu and few_rows_norm.h, which give the same bits. The squares
// are summed in the order of a block of norm_threads() threads, each of which has `kept` vectors.
#pragma once
#include "dtype.h"
#include "reduce.h"

namespace norm_row {

constexpr int kept = 2;
constexpr int max_threads = 512;

// Number of threads for a row of this many vectors. So the order of summation depends only on the length of a row.
__host__ __device__ inline int norm_threads(int64_t vectors) {
  const int64_t wanted = (vectors + kept * 32 - 1) / (kept * 32) * 32;
  return static_cast<int>(wanted < max_threads ? wanted : max_threads);
}

template <class E, int N> __device__ __forceinline__ float squares(const Vec<E, N>& x) {
  float sum = 0;
#pragma unroll
  for (int j = 0; j < N; ++j) sum = fmaf(to_float(x.v[j]), to_float(x.v[j]), sum);
  return sum;
}
__device__ __forceinline__ float rstd(float sum, int64_t D, float eps) {
  return rsqrtf(sum / static_cast<float>(D) + eps);
}
template <class E, int N> __device__ __forceinline__ Vec<E, N> scaled(const Vec<E, N>& x, float r, const Vec<E, N>& w) {
  Vec<E, N> y;
#pragma unroll
  for (int j = 0; j < N; ++j) y.v[j] = from_float<E>(to_float(x.v[j]) * r * to_float(w.v[j]));
  return y;
}

}  // namespace norm_row
