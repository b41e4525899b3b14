// few_rows, normalised rows: before its first product, a block normalises all rows of x in shared memory, while its
// first copies of w are under way. The bits are those of rms_norm_forward.
#pragma once
#include "few_rows_turns.h"
#include "norm_row.h"

namespace few_rows {

constexpr int max_normed_rows = 4, max_normed_pieces = 4;  // pieces of a row per thread
constexpr int64_t max_normed_columns = 8 * threads * max_normed_pieces;

// Bytes of a row in shared memory: the columns of all turns. The columns from C on are 0, in x and in w.
template <class S> __host__ __device__ constexpr int pitch_of(int64_t C) {
  return static_cast<int>((C + warps * S::turn - 1) / (warps * S::turn)) * warps * S::x_bytes;
}

// Copies the rows to shared memory, as one group of copies.
template <class S> __device__ __forceinline__ void copy_rows(char* rows, const Arguments& a) {
  const int C = static_cast<int>(a.C), pieces = a.pitch / 16;
  for (int t = 0; t < a.T; ++t)
    for (int p = threadIdx.x; p < pieces; p += threads)
      copy_async16(rows + t * a.pitch + swizzled<S>(t, p) * 16, a.x + t * C + p * 8, p * 8 < C);
  copy_commit();
}

template <class S> __device__ __forceinline__ uint4* piece(char* rows, const Arguments& a, int t, int p) {
  return reinterpret_cast<uint4*>(rows + t * a.pitch + swizzled<S>(t, p) * 16);
}

// Reads a piece with one access. From a Vec in shared memory, the compiler would read one element at a time.
__device__ __forceinline__ Vec<bf16, 8> elements(const uint4* piece) {
  const uint4 bits = *piece;
  Vec<bf16, 8> x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

// Waits for the rows, but not for the later copies of w, and normalises the rows. scratch: 32 floats per row. Each warp
// computes the sums of a warp of rms_norm_forward. That op's blocks may have another number of warps.
template <class S> __device__ __forceinline__ void normalise(char* rows, float* scratch, const Arguments& a) {
  const int lane = threadIdx.x % 32, pieces = static_cast<int>(a.C) / 8;
  const int adders = norm_row::norm_threads(pieces), groups = adders / 32;
  Vec<bf16, 8> w[max_normed_pieces];
#pragma unroll
  for (int k = 0; k < max_normed_pieces; ++k)
    if (const int p = threadIdx.x + k * threads; p < pieces) w[k] = load<8>(a.norm + p * 8);
  copy_wait<S::M * S::depth>();
  __syncthreads();
  for (int i = threadIdx.x / 32; i < a.T * groups; i += warps) {
    const int t = i / groups, group = i % groups;
    float sum = 0;
#pragma unroll
    for (int k = 0; k < norm_row::kept; ++k)
      if (const int p = group * 32 + lane + k * adders; p < pieces)
        sum += norm_row::squares(elements(piece<S>(rows, a, t, p)));
    sum = warp_reduce<Sum>(sum);
    if (lane == 0) scratch[t * 32 + group] = sum;
  }
  __syncthreads();
  for (int t = 0; t < a.T; ++t) {
    const float r = norm_row::rstd(warp_reduce<Sum>(lane < groups ? scratch[t * 32 + lane] : 0), a.C, a.eps);
#pragma unroll
    for (int k = 0; k < max_normed_pieces; ++k)
      if (const int p = threadIdx.x + k * threads; p < pieces) {
        uint4* const x = piece<S>(rows, a, t, p);
        *x = word<uint4>(norm_row::scaled(elements(x), r, w[k]), 0);
      }
  }
  __syncthreads();
}

}  // namespace few_rows
