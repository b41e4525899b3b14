// Computes all matrix products on the CPU: y (rows, 16·panels) = x · Wᵀ. W is read in panels of sixteen output
// features, column after column.
//
// Order of summation: one lane sums y[t][n] over ascending columns by fused multiply-adds. The order is the same for
// every number of rows, tiling and number of threads. Some products instead sum several columns per instruction: see
// columns_of for AVX-512 BF16, amx.h for AMX, and quantized_tile.h for quantized weights. A tile keeps the sums of R
// rows and P panels in registers. Between two blocks of columns, the sums are stored in memory as f32, so they are not
// rounded. If the weight has chunks, each chunk has its own sum that starts at 0, and the sums of the chunks are added
// in ascending order.
//
// Blocking: a task computes a block of rows for a group of panels. Before the tasks start, x is converted once and
// stored in the workspace of the context, in the order in which the tasks read its blocks. If not all rows fit into the
// workspace, the product is computed in several passes. If not even block_rows rows fit, each task converts its blocks
// of x into its gemm_scratch. A block of x stays in L2. A tile's block of W stays in L1 while all tiles of rows use it.
// If x is in the workspace, a task has up to long_rows rows, so that fewer tasks read and convert the same block of W.
// If a task has several tiles of rows, they prefetch the next block of W (but not INT8 and INT4 tiles of AMX). If the
// task has many rows of x, its tiles also prefetch the next block of x.
#pragma once
#include "gemm_tile.h"

#include <memory>
#include <optional>

namespace ingrain::INGRAIN_ISA {

struct gemm_plan {
  int64_t together;  // panels per tile
  int64_t columns;  // columns per block
};
// A product of few rows (`small`) streams W from memory once: it reads panels in place, several at a time. If there are
// several tiles of rows, a block has so few columns that only the first tile reads W from memory and the other tiles
// read it from the cache. With AMX, such a block has twice as many columns. If there is only one tile of rows, a block
// has as many columns of x as fit into gemm_scratch.
template <class W>
gemm_plan plan(int64_t rows, bool small) {
  if (!small) return {quantized_element<W> ? 1 : wide, block_columns};
  const int64_t tiles = up(rows, columns_of<W>::most_rows);
  return {tile_panels<W>(up(rows, tiles)),
          tiles > 1 ? (by_amx<W> ? 4 : 2) * block_columns : x_elements / tall<W>(rows) / largest_group * largest_group};
}

struct gemm_shape {
  int64_t rows, columns, panels;
  int64_t chunk;  // columns of a chunk; all columns if there are no chunks
  int64_t group = 0;  // of a quantized weight
};

// The members of a Problem:
//   Element                                          element type of the panels for tiles: float, bf16 or quantized
//   read(x, ld, row, rows, column, columns)          copies a block of x, padded with zeros; see read_x
//   panels(panel, count, column, columns, w, &ld)    returns a block of count panels, either in place or copied to w
//   bytes(columns)                                   with in_place: bytes of these columns of a panel
//   in_place(panel, column, &ld)                     optional, for prefetches: returns a block in place, or null
//   write(chunk, row, rows, panel, panels, sums, ld) receives finished sums
//   small                                            few rows, see plan(); panels must then return a block in place
//   partial                                          whether write is called for each chunk, not for the total

// Copies a block of a matrix, padded with zeros, in the order in which tiles read the block: row after row or, for AMX,
// tile after tile (ceil(rows / 16), ld / 32, 16, 32).
template <class W>
void read_x(x_of<W>* out, int64_t ld, const matrix& x, int64_t row, int64_t rows, int64_t column, int64_t columns) {
  if constexpr (by_amx<W>) read_tiles(out, ld, x, row, rows, column, columns);
  else read_block(out, ld, x, row, rows, column, columns);
}

// Rows [row, row + m) of x. If x has been converted, the blocks of columns of these rows are adjacent, in ascending
// order.
template <class W>
struct gemm_rows {
  int64_t row, m;
  unsigned char* x;  // null: each task converts x
  // The block of columns that begins at `column`.
  x_of<W>* block(int64_t column, int64_t chunk) const {
    const int64_t bytes = column / chunk * x_bytes<W>(chunk) + x_bytes<W>(column % chunk);
    return reinterpret_cast<x_of<W>*>(x + tall<W>(m) * bytes);
  }
};
template <class W> int64_t x_bytes(const gemm_shape& shape) {
  return shape.columns / shape.chunk * x_bytes<W>(shape.chunk);
}

// Converts block number `index` of the columns of these rows.
template <class Problem, class W = typename Problem::Element>
void convert_x(const Problem& problem, const gemm_shape& shape, const gemm_rows<W>& rows, int64_t index) {
  const int64_t longest = plan<W>(rows.m, problem.small).columns, blocks = up(shape.chunk, longest);
  const int64_t c = index / blocks * shape.chunk + index % blocks * longest;
  const int64_t inside = std::min(longest, (index / blocks + 1) * shape.chunk - c);
  problem.read(rows.block(c, shape.chunk), x_padded<W>(inside), rows.row, rows.m, c, inside);
}

// The next block of the task's rows of x. If these rows have more than resident_x bytes, they may not stay in L2, so
// each tile prefetches a part of about equal size.
constexpr int64_t resident_x = 512 * 1024;
struct InputAhead {
  const char* at = nullptr;
  int64_t part = 0;  // bytes

  void prefetch() {
    for (int64_t i = 0; i < part; i += 64, at += 64) _mm_prefetch(at, _MM_HINT_T1);
  }
};
// `column` is the start of the next block, which has `columns` columns. The task has `tiles` tiles for each block.
template <class W>
InputAhead x_ahead_of(const gemm_rows<W>& rows, const gemm_shape& shape, int64_t column, int64_t columns,
                      int64_t tiles) {
  if (!rows.x || columns <= 0 || rows.m * x_bytes<W>(shape) <= resident_x) return {};
  return {reinterpret_cast<const char*>(rows.block(column, shape.chunk)),
          up(tall<W>(rows.m) * x_bytes<W>(columns), tiles)};
}

// Returns the part of the next block of W that tile number `tile` of `tiles` tiles of rows prefetches. `panel` and
// `column` are the start of the next block. Its size is assumed to be that of the current block: `panels` panels and
// `columns` columns. The tiles prefetch parts of equal size, until the block is complete. Nothing is prefetched if the
// rows need only one tile, or if the block is not read in place.
template <class Problem, class W = typename Problem::Element>
WeightAhead w_ahead_of(const Problem& problem, int64_t panel, int64_t panels, int64_t column, int64_t columns,
                       int64_t tile, int64_t tiles) {
  if constexpr (requires(int64_t* ld) { problem.in_place(panel, column, ld); }) {
    int64_t ld = 0;
    const int64_t steps = up(columns, prefetch_columns), lines = up(problem.bytes(columns), 64 * tiles * steps);
    const int64_t first = tile * steps * lines * 64;
    const W* w = tiles > 1 && first < problem.bytes(columns) ? problem.in_place(panel, column, &ld) : nullptr;
    if (w)
      return {reinterpret_cast<const char*>(w) + first, ld * static_cast<int64_t>(sizeof(W)), lines, panels};
  }
  return {};
}

// Returns the number of rows of the next tile, if `rows` rows are left for `tiles` tiles. The tiles have nearly equal
// heights. But with AMX, a tile of a quantized product has 16 rows as long as at least 16 rows are left.
template <class W> int64_t tile_height(int64_t rows, int64_t tiles) {
#if defined(__AMX_TILE__)
  if (quantized_element<W>) return rows >= amx_rows ? amx_rows : up(rows, up(rows, quantized_rows));
#endif
  return std::min(rows, tall<W>(up(rows, tiles)));
}

// Runs one task: computes these rows for panels [first, first + count).
template <class Problem, class W = typename Problem::Element>
void gemm_task(const Problem& problem, const gemm_shape& shape, const gemm_rows<W>& rows, int64_t first, int64_t count,
               gemm_scratch<W>& scratch) {
  constexpr int64_t step = columns_of<W>::step;
  const int64_t row = rows.row, m = rows.m;
  const auto [together, longest] = plan<W>(m, problem.small);
  const int64_t ld = count * panel_rows, chunks = shape.columns / shape.chunk;
  const int64_t tiles = up(m, columns_of<W>::most_rows);
  for (int64_t k = 0; k < chunks; ++k) {
    const int64_t end = (k + 1) * shape.chunk;
    memset(scratch.sums, 0, static_cast<size_t>(m * ld) * sizeof(float));
    for (int64_t c = k * shape.chunk; c < end; c += longest) {
      const int64_t inside = std::min(longest, end - c), n = up(inside, step) * step;
      const int64_t padded = x_padded<W>(inside), x_ld = padded / x_columns_of<W>;
      x_of<W>* x = rows.x ? rows.block(c, shape.chunk) : reinterpret_cast<x_of<W>*>(scratch.x);
      if (!rows.x) problem.read(x, padded, row, m, c, inside);
      InputAhead x_ahead = x_ahead_of<W>(rows, shape, c + longest, std::min(longest, end - c - longest),
                                         up(count, together) * tiles);
      for (int64_t p = 0, now; p < count; p += now) {
        now = count - p >= together ? together : 1;
        int64_t w_ld = 0;
        const W* w = problem.panels(first + p, now, c, n, reinterpret_cast<W*>(scratch.w), &w_ld);
        const bool same_columns = p + now < count, same_task = same_columns || c + longest < end;
        const int64_t next = first + (same_columns ? p + now : same_task ? 0 : count);
        const int64_t next_column = same_columns ? c : same_task ? c + longest : 0;
        for (int64_t r = 0, t = 0, high; r < m; r += high, ++t) {
          x_ahead.prefetch();
          high = tile_height<W>(m - r, tiles - t);
          float* sums = scratch.sums + r * ld + p * panel_rows;
          const WeightAhead ahead = w_ahead_of(problem, next, now, next_column, n, t, tiles);
#if defined(__AMX_TILE__)
          if constexpr (by_amx<W>) {
            amx_tile_for(high, now)(sums, ld, x + r * x_ld, x_ld, w, w_ld, n, ahead);
          } else
#endif
            tile_for<W>(high, now)(sums, ld, x + r * x_ld, x_ld, w, w_ld, n, shape.group, ahead);
        }
      }
    }
    if (problem.partial || chunks == 1) {
      problem.write(k, row, m, first, count, scratch.sums, ld);
      continue;
    }
    for (int64_t i = 0; i < m * ld; i += lanes)
      store(scratch.totals + i, k == 0 ? load(scratch.sums + i) : load(scratch.totals + i) + load(scratch.sums + i));
  }
  if (!problem.partial && chunks > 1) problem.write(0, row, m, first, count, scratch.totals, ld);
}

// One pass over a product: rows [row, row + count), in blocks of m rows and groups of `group` panels. x is the memory
// to which these rows of the input are converted before the tasks start. If x is null, each task converts its rows.
struct gemm_pass {
  int64_t row, count, m, group;
  unsigned char* x;
};

template <class Problem>
void gemm(ingrain_context* ctx, const Problem& problem, const gemm_shape& shape, const gemm_pass& pass) {
  using W = typename Problem::Element;
  const int64_t row_blocks = up(pass.count, pass.m), groups = up(shape.panels, pass.group);
  const auto block = [&](int64_t i) {
    const int64_t begin = i * pass.m;
    unsigned char* x = pass.x ? pass.x + begin * x_bytes<W>(shape) : nullptr;
    return gemm_rows<W>{pass.row + begin, std::min(pass.m, pass.count - begin), x};
  };
  if (pass.x) {
    const int64_t longest = plan<W>(pass.m, problem.small).columns;
    const int64_t blocks = shape.columns / shape.chunk * up(shape.chunk, longest);
    parallel_for(ctx, row_blocks * blocks, 1 + 16384 / (pass.m * std::min(longest, shape.chunk)),
                 [&](int64_t begin, int64_t end) {
                   for (int64_t i = begin; i < end; ++i) convert_x(problem, shape, block(i / blocks), i % blocks);
                 });
  }
  const int64_t work = pass.m * pass.group * panel_rows * shape.columns;
  parallel_for(ctx, groups * row_blocks, 1 + 200000 / (work + 1), [&](int64_t begin, int64_t end) {
    const auto tasks = [&](gemm_scratch<W>& scratch) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t first = i / row_blocks * pass.group;
        gemm_task(problem, shape, block(i % row_blocks), first, std::min(pass.group, shape.panels - first), scratch);
      }
    };
#if defined(__AMX_TILE__)
    std::optional<AmxTiles> tiles;
    if constexpr (!std::is_same_v<W, float>) tiles.emplace(by_amx<W> ? amx_columns : quantized_amx_columns);
#endif
    if constexpr (by_amx<W>) {
      tasks(*std::make_unique_for_overwrite<gemm_scratch<W>>());  // too large for some stacks
    } else {
      gemm_scratch<W> scratch;
      tasks(scratch);
    }
  });
}

template <class Problem>
void gemm(ingrain_context* ctx, const Problem& problem, const gemm_shape& shape) {
  using W = typename Problem::Element;
  if (shape.rows <= 0 || shape.panels <= 0) return;
  const int64_t pieces = (by_amx<W> ? 4L : 8L) * ctx->pool.threads();
  const int64_t fewest = plan<W>(std::min(shape.rows, block_rows), problem.small).together;
  // The number of rows of x that fit into the workspace.
  const int64_t room = ctx->workspace_bytes / x_bytes<W>(shape) / rows_together<W> * rows_together<W>;
  const bool shared = room >= std::min(tall<W>(shape.rows), block_rows) && shape.panels > fewest;
  const int64_t count = shared ? up(shape.rows, up(shape.rows, room)) : shape.rows;  // passes of nearly equal length
  // Blocks of rows are as long as possible, unless there would then be too few tasks for the threads.
  const int64_t least_blocks = up(count, shared ? long_rows<W> : block_rows);
  const int64_t row_blocks = std::clamp(up(pieces * fewest, shape.panels), least_blocks, up(count, block_rows));
  gemm_pass pass{0, count, tall<W>(up(count, row_blocks)), 0, shared ? ctx->workspace : nullptr};
  const int64_t most = std::min(sum_elements<W> / panel_rows / pass.m, problem.small ? INT64_MAX : block_panels);
  pass.group = std::min(most / fewest, up(up(shape.panels * row_blocks, pieces), fewest)) * fewest;
  for (; pass.row < shape.rows; pass.row += count) {
    pass.count = std::min(count, shape.rows - pass.row);
    gemm(ctx, problem, shape, pass);
  }
}

}  // namespace ingrain::INGRAIN_ISA
