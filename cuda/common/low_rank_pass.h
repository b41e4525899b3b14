// The sums of low_rank.h over one or both dimensions of a wide bf16 matrix, in one pass over this matrix. R is at most
// 64. With x (T, columns), q (R, columns) and u (T, R), the sums are
//   over the columns  x·qᵀ   (T, R)
//   over the rows     uᵀ·x   (R, columns)
//
// A block handles 16 of the R rows of q, and 512 columns over a span of rows of x. The blocks for the other rows of q
// run at the same time and read the same part of x, so that it comes from the L2 cache. Asynchronous copies bring 16
// rows at a time into a ring of stages in shared memory, so a block reads every element once, for both sums. A warp
// handles 64 of the columns: it keeps the terms of q, and its sums over the rows, in registers. The warps store their
// sums over 64 columns of each row in shared memory, and the block adds them.
//
// Sums over the columns have the order of low_rank_sums.h, which depends only on the number of columns. A sum over the
// rows adds 128 rows at a time in one accumulator.
#pragma once
#include "low_rank_sums.h"

#include <type_traits>

namespace low_rank {

constexpr int pass_threads = 256, pass_warps = pass_threads / 32;
constexpr int warp_columns_of_pass = 64, pass_columns = pass_warps * warp_columns_of_pass;
constexpr int step_rows = 16;  // rows per stage
constexpr int row_chunks = pass_columns / 8;  // 16-byte pieces of a row of a stage
constexpr int steps_per_chain = static_cast<int>(chain) / step_rows;

struct Pass {
  const bf16* x = nullptr;
  int64_t ld = 0, T = 0, columns = 0, span = 0;  // span: rows per block, a multiple of step_rows
  int R = 0, groups = 0;  // groups of 16 rows of q
  const float *q = nullptr, *u = nullptr;
  int64_t ldu = 0;  // row distance of u and of the sums over the columns
  int64_t r_distance = 0, column_distance = 0;  // distances in q and in token_sums between rows r, and between columns
  Dropout mask = {};             // of x
  float* column_sums = nullptr;  // (column blocks, R, T) sums over the 512 columns of a block
  float* token_sums = nullptr;   // (spans, R·columns) sums over the rows of a span

  // The column block, and the first row of q, of the current block of threads.
  __device__ __forceinline__ int column_block() const { return static_cast<int>(blockIdx.x) / groups; }
  __device__ __forceinline__ int first_r() const { return static_cast<int>(blockIdx.x) % groups * narrow; }
};

constexpr int row_bytes = row_chunks * sizeof(uint4), stage_bytes = step_rows * row_bytes;
constexpr int term_elements = step_rows * u_stride, step_terms = 3 * term_elements;
constexpr int warp_parts = step_rows * narrow, step_parts = pass_warps * warp_parts;

template <bool columns, bool tokens> constexpr size_t pass_shared(int stages) {
  return static_cast<size_t>(stages) * stage_bytes + (tokens ? size_t{2} * step_terms * sizeof(bf16) : 0) +
         (columns ? size_t{2} * step_parts * sizeof(float) : 0);
}

// Position in bytes of a 16-byte piece in a stage. The positions of one piece in eight adjacent rows are in different
// bank groups, and so are those of four adjacent pieces in two rows. So load_matrices and the loads of add_columns have
// no bank conflicts. The position of piece `chunk ^ i` is `position(row, chunk) ^ 16 * i`, and that of row + 8 is
// larger by 8 · row_bytes.
__device__ __forceinline__ int position(int row, int chunk) {
  return row * row_bytes + (chunk ^ (row % 2 * 4 + row / 2 % 4)) * static_cast<int>(sizeof(uint4));
}

// The copies of one thread: one 16-byte piece of every fourth row.
struct PassCopies {
  static constexpr int each = step_rows * row_chunks / pass_threads, distance = pass_threads / row_chunks;
  const bf16* from;
  int64_t next;  // elements between two of the rows
  int left;      // rows that are left, counted from this thread's first row of the step to copy next
  int row, column, at;

  __device__ __forceinline__ PassCopies(const Pass& a, int64_t column0, int64_t begin, int rows)
      : next(distance * a.ld), row(static_cast<int>(threadIdx.x) / row_chunks),
        column(static_cast<int>(threadIdx.x) % row_chunks * 8), at(position(row, column / 8)) {
    from = a.x + (begin + row) * a.ld + column0 + column;
    left = column0 + column < a.columns ? rows - row : 0;
  }
  // Position of the thread's row i. Rows 4·i have the same position within the row for i = 0 and 2, and for 1 and 3.
  __device__ __forceinline__ int of(int i) const { return (i % 2 ? at ^ 2 * 16 : at) + i * distance * row_bytes; }

  // Starts the copies of the next step. Rows that do not exist become zeros.
  __device__ __forceinline__ void start(char* stage) {
#pragma unroll
    for (int i = 0; i < each; ++i, from += next) copy_async16(stage + of(i), from, distance * i < left);
    left -= step_rows;
  }
  // Applies the mask to the elements that this thread has copied. `step_row` is the row of x that begins the step.
  __device__ __forceinline__ void apply(const Dropout& mask, char* stage, int64_t step_row, int64_t column0) const {
#pragma unroll
    for (int i = 0; i < each; ++i)
      keep(*reinterpret_cast<uint4*>(stage + of(i)),
           mask.kept<8, true>(step_row + row + distance * i, column0 + column));
  }
};

// Loads the lane's part of q, split into terms: the left operands of multiply() for the 2 × 32 columns of a warp.
__device__ __forceinline__ void load_narrow(uint4 (&to)[2][2][3], const Pass& a, int64_t column0, int g, int t) {
  float v[2][2][8];  // all elements are read before the first one is split
  const int first_r = a.first_r();
#pragma unroll
  for (int i = 0; i < 32; ++i) {
    const int64_t column = column0 + 32 * (i / 16) + 8 * t, r = first_r + g + i / 8 % 2 * 8;
    v[i / 16][i / 8 % 2][i % 8] = a.q[min(r, static_cast<int64_t>(a.R - 1)) * a.r_distance +
                                      (min(column, a.columns - 8) + i % 8) * a.column_distance];
    if (r >= a.R || column >= a.columns) v[i / 16][i / 8 % 2][i % 8] = 0;
  }
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const float (&low)[8] = v[i / 2][0], (&high)[8] = v[i / 2][1];
    const int k = 4 * (i % 2);
    unsigned parts[4][3];
    split(parts[0], low[k], low[k + 1]), split(parts[1], high[k], high[k + 1]);
    split(parts[2], low[k + 2], low[k + 3]), split(parts[3], high[k + 2], high[k + 3]);
#pragma unroll
    for (int term = 0; term < 3; ++term)
      to[i / 2][i % 2][term] = make_uint4(parts[0][term], parts[1][term], parts[2][term], parts[3][term]);
  }
}

// The sums over the columns of one step after another.
struct ColumnSums {
  uint4 q[2][2][3];
  int from, to;  // the lane's position in a stage and in its warp's part of `parts`
  // The sum over 512 columns that this thread adds: its position in `parts`, its position in a.column_sums one step
  // before the first step, and its row of x, counted from the first row of the block. For that earlier step the row is
  // negative; as an unsigned number, it is larger than any number of rows.
  int part;
  float* result;
  unsigned row;
  bool used;

  __device__ __forceinline__ ColumnSums(const Pass& a, int64_t column0, int64_t begin) {
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, g = lane / 4, t = lane % 4;
    load_narrow(q, a, column0 + warp * warp_columns_of_pass, g, t);
    from = position(g, 8 * warp + t);
    to = warp * warp_parts + g * step_rows + g / 2 % 2 * 8 + 2 * t;
    const int token = threadIdx.x % step_rows, r = threadIdx.x / step_rows;
    part = r * step_rows + (token ^ r / 2 % 2 * 8);
    const int64_t of_all = static_cast<int64_t>(a.column_block()) * a.R + a.first_r() + r;
    result = a.column_sums + of_all * a.T + begin + token - step_rows;
    row = static_cast<unsigned>(token - step_rows);
    used = a.first_r() + r < a.R;
  }
  // Stores the sums over the warp's 64 columns in `parts` (warp, R padded to 16, row of x). If r / 2 is odd, the first
  // and the last eight rows of x are exchanged, so that the lanes of a store use different banks.
  __device__ __forceinline__ void add(float* parts, const char* stage) const {
    float large[2][4] = {}, small[2][4] = {};
#pragma unroll
    for (int group = 0; group < 2; ++group) {
      const uint4* const first = reinterpret_cast<const uint4*>(stage + (from ^ 64 * group));
      const uint4 v[2] = {first[0], first[8 * row_chunks]};
      multiply(large, small, v, [&](int step, int i) { return q[group][step][i]; });
    }
#pragma unroll
    for (int n = 0; n < 2; ++n)
#pragma unroll
      for (int i = 0; i < 4; i += 2)
        store_shared(parts + ((to ^ 8 * n) + 4 * i * step_rows),
                     Vec<float, 2>{large[n][i] + small[n][i], large[n][i + 1] + small[n][i + 1]});
  }
  // Adds the sums of the warps for the step before the current one.
  __device__ __forceinline__ void finish(const float* parts, unsigned rows) {
    const float* const first = parts + part;
    float sum = 0;
#pragma unroll
    for (int warp = 0; warp < pass_warps; warp += 2)
      sum += first[warp * warp_parts] + first[(warp + 1) * warp_parts];
    if (used && row < rows) *result = sum;
    row += step_rows, result += step_rows;
  }
};

// Two elements of u, which a thread of the first half of the block loads in one step and stores in the next step.
struct PassTerms {
  const float* from;
  int64_t next;
  int left, to;
  bool present[2];
  float v[2] = {};

  __device__ __forceinline__ PassTerms(const Pass& a, int64_t begin, int rows) : next(step_rows * a.ldu) {
    const int token = static_cast<int>(threadIdx.x) / 8, r = static_cast<int>(threadIdx.x) % 8 * 2;
    const int first_r = a.first_r();
    from = a.u + (begin + token) * a.ldu + first_r + r;
    left = token < step_rows ? rows - token : 0;
    to = token * u_stride + r;
    present[0] = first_r + r < a.R, present[1] = first_r + r + 1 < a.R;
  }
  __device__ __forceinline__ void load() {
#pragma unroll
    for (int i = 0; i < 2; ++i) v[i] = left > 0 && present[i] ? from[i] : 0;
    from += next, left -= step_rows;
  }
  // Stores the elements, split into terms (term, token, r).
  __device__ __forceinline__ void store(bf16* terms) const {
    if (threadIdx.x >= step_rows * narrow / 2) return;
    unsigned parts[3];
    split(parts, v[0], v[1]);
#pragma unroll
    for (int i = 0; i < 3; ++i) *reinterpret_cast<unsigned*>(terms + i * term_elements + to) = parts[i];
  }
};

// The sums over the rows. sums[j] is (R padded to 16, columns 8·j to 8·j + 7 of the warp).
struct TokenSums {
  int from, terms_from;
  float total[8][4] = {}, sums[8][4] = {};

  __device__ __forceinline__ TokenSums() {
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    const int low = lane % 8, second = lane / 8 % 2, third = lane / 16;
    from = position(low + 8 * second, 8 * warp + third);
    terms_from = (low + 8 * third) * u_stride + 8 * second;
  }
  // Adds the products of a step. The products of the smallest terms are added first.
  __device__ __forceinline__ void add(const char* stage, const bf16* terms) {
    unsigned left[3][4], right[4][4];
#pragma unroll
    for (int i = 0; i < 3; ++i) load_matrices<true>(left[i], terms + i * term_elements + terms_from);
#pragma unroll
    for (int j = 0; j < 4; ++j) load_matrices<true>(right[j], stage + (from ^ 32 * j));
#pragma unroll
    for (int i = 2; i >= 0; --i)
#pragma unroll
      for (int j = 0; j < 8; ++j) mma(sums[j], left[i], {right[j / 2][j % 2 * 2], right[j / 2][j % 2 * 2 + 1]});
  }
  __device__ __forceinline__ void end_chain() {
#pragma unroll
    for (int i = 0; i < 32; ++i) total[i / 4][i % 4] += sums[i / 4][i % 4], sums[i / 4][i % 4] = 0;
  }
  __device__ __forceinline__ void write(const Pass& a, int64_t column0) const {
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    float* const to = a.token_sums + static_cast<int64_t>(blockIdx.y) * a.R * a.columns;
#pragma unroll
    for (int i = 0; i < 32; ++i) {
      const int64_t column = column0 + warp * warp_columns_of_pass + i / 4 * 8 + lane % 4 * 2 + i % 2,
                    r = a.first_r() + lane / 4 + i / 2 % 2 * 8;
      if (r < a.R && column < a.columns) to[r * a.r_distance + column * a.column_distance] = total[i / 4][i % 4];
    }
  }
};

struct Nothing {
  template <class... A> __device__ __forceinline__ explicit Nothing(const A&...) {}
};

// The grid is (columns / 512 · groups, spans). In each step, the block uses the oldest stage of the ring, and copies a
// later step into the stage that it used before. The sums over the columns of a step are added in the next step, after
// the barrier.
template <bool columns, bool tokens, bool masked, int stages>
__global__ void __launch_bounds__(pass_threads, columns && tokens ? 1 : 2) pass(Pass a) {
  char* const ring = dynamic_shared<char>();
  bf16* const terms = reinterpret_cast<bf16*>(ring + stages * stage_bytes);
  float* const parts = reinterpret_cast<float*>(terms + (tokens ? 2 * step_terms : 0));
  const int64_t column0 = static_cast<int64_t>(a.column_block()) * pass_columns, begin = blockIdx.y * a.span;
  const int rows = static_cast<int>(min(a.span, a.T - begin)), steps = (rows + step_rows - 1) / step_rows;
  PassCopies copies(a, column0, begin, rows);
#pragma unroll
  for (int step = 0; step < stages - 1; ++step) {
    if (step < steps) copies.start(ring + step * stage_bytes);
    copy_commit();
  }
  std::conditional_t<tokens, PassTerms, Nothing> u(a, begin, rows);
  if constexpr (tokens) u.load(), u.store(terms), u.load();
  std::conditional_t<columns, ColumnSums, Nothing> of_columns(a, column0, begin);
  std::conditional_t<tokens, TokenSums, Nothing> of_tokens{};
  int odd = 0;
  for (int step = 0, stage = 0; step < steps; ++step, odd ^= 1) {
    char* const now = ring + stage * stage_bytes;
    copy_wait<stages - 2>();
    if constexpr (masked) copies.apply(a.mask, now, begin + step * step_rows, column0);
    __syncthreads();
    if (step + stages - 1 < steps) copies.start(ring + (stage + stages - 1) % stages * stage_bytes);
    copy_commit();
    stage = (stage + 1) % stages;
    if constexpr (columns) {
      of_columns.finish(parts + (odd ^ 1) * step_parts, rows);
      of_columns.add(parts + odd * step_parts, now);
    }
    if constexpr (tokens) {
      u.store(terms + (odd ^ 1) * step_terms);
      u.load();
      of_tokens.add(now, terms + odd * step_terms);
      if (step % steps_per_chain == steps_per_chain - 1) of_tokens.end_chain();
    }
  }
  if constexpr (tokens) {
    of_tokens.end_chain();
    of_tokens.write(a, column0);
  }
  if constexpr (columns) {
    __syncthreads();
    of_columns.finish(parts + (odd ^ 1) * step_parts, rows);
  }
}

inline bool streams(const Pass& a) {
  return a.R <= 4 * narrow && a.columns % 8 == 0 && a.ld % 8 == 0 && aligned16(a.x) && aligned16(a.q);
}

// Number of multiprocessors of an H200. It determines the order of summation of dA and dB, so it is the same on every
// device.
constexpr int64_t assumed_multiprocessors = 132;

// The workspace of `pass`: bytes per row for the sums over the columns, and bytes per span for those over the rows.
struct PassBytes {
  int64_t all, row, span;
};

// Returns the number of rows per span for T rows and `blocks` blocks per span, or 0 if the workspace is too small. A
// block takes time for its rows, and as much as for `fixed` rows to begin and to end. `resident` blocks run at a time.
inline int64_t span_of_pass(int64_t T, int64_t blocks, int64_t resident, int64_t fixed, const PassBytes& bytes) {
  int64_t best = 0, least = INT64_MAX;
  for (int64_t most = 1; most <= 64; ++most) {
    const int64_t span = (T + most * step_rows - 1) / (most * step_rows) * step_rows, spans = (T + span - 1) / span;
    const int64_t time = (blocks * spans + resident - 1) / resident * (span + fixed) + 2 * spans;
    if (time < least && spans * bytes.span + span * bytes.row <= bytes.all) least = time, best = span;
  }
  return best;
}

// Computes sums of `pass`: column_sums (T, R) = scale·x·qᵀ if `columns` is true, and token_sums (R, columns) +=
// scale·uᵀ·x if `tokens` is true. Returns INGRAIN_UNSUPPORTED if `pass` does not support these sums, or if the
// workspace is too small. A launch computes as many spans as have room for their sums over the columns. The sums of all
// spans over the rows are added at the end.
template <bool columns, bool tokens>
ingrain_status sums_of_pass(ingrain_context* ctx, Pass all, float* column_sums, float* token_sums, float scale) {
  constexpr bool both = columns && tokens;
  void* workspace = nullptr;
  PassBytes bytes{};
  ingrain_workspace(ctx, &workspace, &bytes.all);
  const int64_t blocks = blocks_for(all.columns, pass_columns), n = all.R * all.columns;
  if (columns) bytes.row = blocks * all.R * static_cast<int64_t>(sizeof(float));
  if (tokens) bytes.span = n * static_cast<int64_t>(sizeof(float));
  all.groups = static_cast<int>(blocks_for(all.R, narrow));
  all.span =
      span_of_pass(all.T, blocks * all.groups, assumed_multiprocessors * (both ? 1 : 2), tokens ? 112 : 48, bytes);
  if (!streams(all) || all.span == 0) return INGRAIN_UNSUPPORTED;
  DeviceLimits device;
  if (ingrain_status status = device_limits(ctx, &device)) return status;
  const int stages = both && device.shared_per_block >= pass_shared<columns, tokens>(8) ? 8 : 4;
  const auto kernel = [&] {
    if constexpr (both) return stages == 8 ? pass<true, true, false, 8> : pass<true, true, false, 4>;
    else return all.mask.on ? pass<columns, tokens, true, 4> : pass<columns, tokens, false, 4>;
  }();
  const int64_t spans = blocks_for(all.T, all.span);
  float* const partials = static_cast<float*>(workspace);
  const Spans of_tokens{token_sums, partials, n, spans, 1, scale, true};
  const int64_t band =
      columns ? (bytes.all - spans * bytes.span) / (all.span * bytes.row) * all.span : spans * all.span;
  for (int64_t first = 0; first < all.T; first += band) {
    Pass part = all;
    part.T = std::min(band, all.T - first);
    part.x += first * all.ld;
    if (tokens) part.u += first * all.ldu;
    part.mask.skip(first);
    part.token_sums = partials + first / all.span * n;
    part.column_sums = partials + (tokens ? spans * n : 0);
    const dim3 grid(static_cast<unsigned>(blocks * all.groups), blocks_for(part.T, all.span));
    if (ingrain_status status =
            launch(kernel, grid, pass_threads, pass_shared<columns, tokens>(stages), ctx, part))
      return status;
    const Spans of_columns{column_sums + first * all.ldu, part.column_sums, part.T * all.R, blocks, 1, scale, false,
                           part.T, all.ldu, true};
    const bool last = first + band >= all.T;
    const int64_t most = std::max(columns ? of_columns.n : 0, tokens && last ? n : 0);
    if (ingrain_status status = launch(add_all_spans, dim3(blocks_for(most, 256), both && last ? 2 : 1), 256, 0, ctx,
                                       columns ? of_columns : of_tokens, of_tokens))
      return status;
  }
  return INGRAIN_OK;
}

}  // namespace low_rank
