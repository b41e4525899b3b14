// Sums over the rows of a matrix, one sum per column, in a fixed order. The gradient of a vector that all rows use, for
// example a norm's weight or a bias, is such a sum.
#pragma once
#include "dtype.h"

namespace column_sums {

constexpr int64_t rows_a_chunk = 64, max_chunks = 64;
constexpr int lanes = 32, groups = 8;

// Writes the sums of each chunk of rows to `partials` (chunks, D). A block handles 32 vectors of N columns. Group g of
// its threads adds rows g, g + groups, g + 2·groups, ... of a chunk; then the sums of the groups are added in order.
// The call term.add<N>(sum, row, d) adds columns [d, d + N) of a row to `sum`.
template <int N, class Term>
__global__ void chunk_sums(float* partials, Term term, int64_t T, int64_t D, int64_t rows) {
  __shared__ float sums[groups][lanes * N];
  const int lane = threadIdx.x, group = threadIdx.y;
  const int64_t d = (static_cast<int64_t>(blockIdx.x) * lanes + lane) * N, begin = blockIdx.y * rows,
                end = min(begin + rows, T);
  float sum[N] = {};
  if (d < D)
    for (int64_t t = begin + group; t < end; t += groups) term.template add<N>(sum, t, d);
#pragma unroll
  for (int j = 0; j < N; ++j) sums[group][j * lanes + lane] = sum[j];
  __syncthreads();
  for (int i = group * lanes + lane; i < lanes * N; i += lanes * groups) {
    const int64_t column = static_cast<int64_t>(blockIdx.x) * lanes * N + i;
    float total = 0;
    for (int k = 0; k < groups; ++k) total += sums[k][i % N * lanes + i / N];
    if (column < D) partials[blockIdx.y * D + column] = total;
  }
}

// Adds the sums of the chunks to y (D), in the order of the chunks. The template parameter `Term` makes the kernel's
// name unique for each source file.
template <class Term> __global__ void add_chunks(float* y, const float* partials, int64_t chunks, int64_t D) {
  const int64_t d = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (d >= D) return;
  float total = y[d];
  for (int64_t c = 0; c < chunks; ++c) total += partials[c * D + d];
  y[d] = total;
}

// Adds to y (D) f32 the values of `term`, summed over T rows. Uses min(T / 64, 64)·D f32 of the workspace as scratch.
template <int N, class Term>
ingrain_status run(ingrain_context* ctx, const char* op, float* y, const Term& term, int64_t T, int64_t D) {
  const int64_t wanted = (T + rows_a_chunk - 1) / rows_a_chunk, most = wanted < max_chunks ? wanted : max_chunks;
  if (most == 0) return INGRAIN_OK;
  const int64_t rows = (T + most - 1) / most, chunks = (T + rows - 1) / rows,
                needed = chunks * D * static_cast<int64_t>(sizeof(float));
  void* workspace = nullptr;
  int64_t bytes = 0;
  ingrain_workspace(ctx, &workspace, &bytes);
  if (bytes < needed)
    return refuse(ctx, INGRAIN_OUT_OF_MEMORY, "%s: the workspace has %ld bytes, sums over rows need %ld", op,
                  static_cast<long>(bytes), static_cast<long>(needed));
  float* const partials = static_cast<float*>(workspace);
  const dim3 grid(blocks_for(D, lanes * N), static_cast<unsigned>(chunks));
  const dim3 threads(lanes, groups);
  if (ingrain_status status = launch(chunk_sums<N, Term>, grid, threads, 0, ctx, partials, term, T, D, rows))
    return status;
  return launch(add_chunks<Term>, blocks_for(D, 256), 256, 0, ctx, y, static_cast<const float*>(partials), chunks, D);
}

}  // namespace column_sums
