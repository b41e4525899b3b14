// matmul_backward: gradients of every linear layer.
//   dx = beta·dx + dy · W    dw += dyᵀ · x
// Shapes   dy (T, N) · W a weight (N, C) · dx (T, C) · x (T, C) · dw (N, C) f32, row-major      Types  dy, dx, x, W f32|bf16, sums f32
// Needs    scratch on the stack; no transposed copy of W: a block of it is turned as it is read  Mapping  common/gemm.h
// Bound    2·T·N·C flops each                                  Oracle libtorch autograd of linear  Test MatmulParityTest
#include "gemm.h"

namespace ingrain::INGRAIN_ISA {
namespace {

// Rows [n, n + rows) × sixteen columns from c of W, as f32 (rows, 16), zeros behind the last column.
void read_weight(float* out, const ingrain_weight* w, int64_t n, int64_t rows, int64_t c) {
  const int64_t inside = std::min(panel_rows, w->columns - c);
  if (w->layout == INGRAIN_ROW_MAJOR) {
    read_block(out, panel_rows, {w->data, w->dtype, w->columns}, n, rows, c, inside);
    return;
  }
  float turned[panel_rows * panel_rows];
  for (int64_t r = 0; r < rows; r += panel_rows) {
    const int64_t lanes_here = std::min(panel_rows, rows - r), p = (n + r) / panel_rows;
    if (w->dtype == INGRAIN_F32) {
      transpose_rows(out + r * panel_rows, panel_rows, panel<float>(w, p) + c * panel_rows, panel_rows, inside, lanes_here);
      continue;
    }
    const bf16* pairs = panel<bf16>(w, p) + c * panel_rows;
    for (int64_t i = 0; i < inside; i += 2)
      for (int64_t lane = 0; lane < panel_rows; ++lane) {
        turned[i * panel_rows + lane] = to_float(pairs[i * panel_rows + 2 * lane]);
        turned[(i + 1) * panel_rows + lane] = to_float(pairs[i * panel_rows + 2 * lane + 1]);
      }
    transpose_rows(out + r * panel_rows, panel_rows, turned, panel_rows, inside, lanes_here);
  }
}

struct InputGradient {  // rows T, summed over N, panels of sixteen columns of W
  using Element = float;
  const ingrain_weight* w;
  matrix dy, dx;
  float beta;
  bool small = false, partial = false;

  void read(float* out, int64_t ld, int64_t row, int64_t m, int64_t column, int64_t columns) const {
    read_block(out, ld, dy, row, m, column, columns);
  }
  const float* panels(int64_t p, int64_t count, int64_t column, int64_t columns, float* scratch, int64_t* ld) const {
    *ld = columns * panel_rows;
    for (int64_t i = 0; i < count; ++i) read_weight(scratch + i * *ld, w, column, columns, (p + i) * panel_rows);
    return scratch;
  }
  void write(int64_t, int64_t row, int64_t m, int64_t p, int64_t count, const float* sums, int64_t ld) const {
    const int64_t first = p * panel_rows, columns = std::min(count * panel_rows, w->columns - first);
    write_block(dx, row, m, first, columns, sums, ld, beta);
  }
};

struct WeightGradient {  // rows N, summed over T, panels of sixteen columns of x
  using Element = float;
  matrix dy, x, dw;
  int64_t columns_of_x;
  bool small = false, partial = false;

  void read(float* out, int64_t ld, int64_t row, int64_t m, int64_t column, int64_t columns) const {
    // The block (m, columns) of dyᵀ is the transpose of dy's block (columns, m).
    read_transposed(out, ld, dy, column, columns, row, m);
  }
  const float* panels(int64_t p, int64_t count, int64_t column, int64_t columns, float* scratch, int64_t* ld) const {
    *ld = columns * panel_rows;
    for (int64_t i = 0; i < count; ++i) {
      const int64_t c = (p + i) * panel_rows;
      read_block(scratch + i * *ld, panel_rows, x, column, columns, c, std::min(panel_rows, columns_of_x - c));
    }
    return scratch;
  }
  void write(int64_t, int64_t row, int64_t m, int64_t p, int64_t count, const float* sums, int64_t ld) const {
    const int64_t first = p * panel_rows, columns = std::min(count * panel_rows, columns_of_x - first);
    write_block(dw, row, m, first, columns, sums, ld, 1.0f);
  }
};

}  // namespace
}  // namespace ingrain::INGRAIN_ISA

INGRAIN_OP(matmul_backward, (ingrain_context* ctx, void* dx, const void* dy, const ingrain_weight* w, int32_t dtype, int32_t dx_dtype, int64_t T,
                             float beta),
           (ctx, dx, dy, w, dtype, dx_dtype, T, beta)) {
  if (const ingrain_status status = check_weight(ctx, w)) return status;
  if (const ingrain_status status = check_dtype(ctx, dtype)) return status;
  if (const ingrain_status status = check_dtype(ctx, dx_dtype)) return status;
  const InputGradient problem{w, {const_cast<void*>(dy), dtype, w->rows}, {dx, dx_dtype, w->columns}, beta};
  gemm(ctx, problem, {T, w->rows, panels_of(w->columns), w->rows});
  return INGRAIN_OK;
}

INGRAIN_OP(matmul_weight_backward, (ingrain_context* ctx, float* dw, const void* dy, const void* x, int32_t dtype, int64_t T, int64_t N, int64_t C),
           (ctx, dw, dy, x, dtype, T, N, C)) {
  if (const ingrain_status status = check_dtype(ctx, dtype)) return status;
  if (T == 0) return INGRAIN_OK;
  const WeightGradient problem{{const_cast<void*>(dy), dtype, N}, {const_cast<void*>(x), dtype, C}, {dw, INGRAIN_F32, C}, C};
  gemm(ctx, problem, {N, T, panels_of(C), T});
  return INGRAIN_OK;
}
