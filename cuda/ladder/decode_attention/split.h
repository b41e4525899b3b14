// For the rungs that split a sequence's cache into chunks: stores the partial result of each chunk and merges the
// partial results in the order of the chunks (Dao et al. 2023, Flash-Decoding).
#pragma once
#include "kv_cache.h"

constexpr int chunk_keys = 256;

// Partial results in the workspace. There are tokens·H rows. sums (chunks, rows, E) are the weighted sums of values
// before the division; tops and totals (chunks, rows) are the maxima of the scores and the sums of the weights.
struct Parts {
  float* sums;
  float* tops;
  float* totals;
  int64_t rows;
  int E;
  __device__ int64_t at(int64_t chunk, int64_t row) const { return chunk * rows + row; }
};

inline int64_t chunks_of(const ingrain_batch& batch) {
  return (batch.max_blocks * batch.block_size + chunk_keys - 1) / chunk_keys;
}

// Divides the workspace into the arrays of Parts. Returns INGRAIN_UNSUPPORTED if the workspace is too small.
inline ingrain_status parts_of(ingrain_context* ctx, Parts& parts, const ingrain_batch& batch, int64_t H, int64_t E) {
  void* workspace = nullptr;
  int64_t bytes = 0;
  ingrain_workspace(ctx, &workspace, &bytes);
  const int64_t rows = batch.tokens * H, n = chunks_of(batch) * rows,
                needed = n * (E + 2) * static_cast<int64_t>(sizeof(float));
  if (needed > bytes)
    return refuse(ctx, INGRAIN_UNSUPPORTED, "the parts of %ld rows need %ld bytes, the workspace has %ld",
                  static_cast<long>(rows), static_cast<long>(needed), static_cast<long>(bytes));
  float* const sums = static_cast<float*>(workspace);
  parts = {sums, sums + n * E, sums + n * E + n, rows, static_cast<int>(E)};
  return INGRAIN_OK;
}

// Merges the partial results of a row; one warp per row.
template <class X> __global__ void join(X* y, Parts parts, const int32_t* positions, int H) {
  const int64_t row = blockIdx.x;
  const int chunks = positions[row / H] / chunk_keys + 1, E = parts.E;
  float top = -INFINITY, total = 0;
  for (int c = 0; c < chunks; ++c) top = fmaxf(top, parts.tops[parts.at(c, row)]);
  for (int c = 0; c < chunks; ++c) total += parts.totals[parts.at(c, row)] * expf(parts.tops[parts.at(c, row)] - top);
  for (int e = threadIdx.x; e < E; e += 32) {
    float sum = 0;
    for (int c = 0; c < chunks; ++c)
      sum += parts.sums[parts.at(c, row) * E + e] * expf(parts.tops[parts.at(c, row)] - top);
    y[row * E + e] = from_float<X>(sum / total);
  }
}

template <class X>
ingrain_status join_parts(ingrain_context* ctx, void* y, const Parts& parts, const ingrain_batch& batch, int64_t H) {
  return launch(join<X>, static_cast<unsigned>(parts.rows), 32, 0, ctx, static_cast<X*>(y), parts, batch.positions,
                static_cast<int>(H));
}
