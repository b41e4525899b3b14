// matmul: every linear layer of the model.
//   y = beta·y + x · Wᵀ, rounded once    partials[k] = x[:, chunk k] · W[:, chunk k]ᵀ
// Shapes   x (T, C) · W a weight (N, C) · y (T, N) · partials (C / chunk, T, N) f32
// Types    x, y f32|bf16, W f32|bf16|int8|int4, sums f32
// Needs    C % chunk == 0, chunk even if W is bf16; scratch on the stack, amx: heap     Mapping  common/gemm.h
// Bound    few rows: memory, the bytes of W; many: 2·T·N·C flops   Oracle libtorch linear   Test MatmulParityTest
// On avx512_bf16 and amx, x is rounded to bf16 if the weight is bf16, for any number of rows.
#include "gemm.h"

namespace ingrain::INGRAIN_ISA {
namespace {

// Converts the interleaved columns of a packed bf16 panel to f32 columns.
void expand(float* out, const bf16* in, int64_t columns) {
  for (int64_t c = 0; c < columns; c += 2, in += 2 * panel_rows, out += 2 * panel_rows) {
    store(out, even(load_pairs(in)));
    store(out + panel_rows, odd(load_pairs(in)));
  }
}

// Converts a block of a row-major weight to a packed f32 panel.
void pack_block(float* out, const ingrain_weight* w, int64_t p, int64_t column, int64_t columns) {
  const int64_t row = p * panel_rows, inside = std::min(columns, w->columns - column);
  read_transposed(out, panel_rows, {w->data, w->dtype, w->columns}, row, std::min(panel_rows, w->rows - row), column,
                  inside);
  std::fill(out + inside * panel_rows, out + columns * panel_rows, 0.0f);
}
void pack_block(bf16* out, const ingrain_weight* w, int64_t p, int64_t column, int64_t columns) {
  const bf16* rows = static_cast<const bf16*>(w->data);
  for (int64_t lane = 0; lane < panel_rows; ++lane)
    for (int64_t c = 0; c < columns; ++c) {
      const int64_t n = p * panel_rows + lane;
      out[panel_index<bf16>(lane, c)] =
          n < w->rows && column + c < w->columns ? rows[n * w->columns + column + c] : bf16{0};
    }
}

template <class W>
struct Forward {
  using Element = W;
  const ingrain_weight* w;
  matrix x, y;
  int64_t rows;
  float beta;
  bool small, partial;

  void read(x_of<W>* out, int64_t ld, int64_t row, int64_t m, int64_t column, int64_t columns) const {
    read_x<W>(out, ld, x, row, m, column, columns);
  }
  // Returns the address of a block in the packed weight, or null if the block must be copied.
  const W* in_place(int64_t p, int64_t column, int64_t* ld) const {
    const bool same = (w->dtype == INGRAIN_BF16) == (sizeof(W) == sizeof(bf16));
    if (w->layout != INGRAIN_PACKED || !same || p >= panels_of(w->rows)) return nullptr;
    *ld = panel_elements<W>(w->columns);
    return panel<W>(w, p) + column * panel_rows;
  }
  static int64_t bytes(int64_t columns) { return columns * panel_rows * static_cast<int64_t>(sizeof(W)); }
  const W* panels(int64_t p, int64_t count, int64_t column, int64_t columns, W* scratch, int64_t* ld) const {
    if (const W* here = in_place(p, column, ld)) return here;
    *ld = columns * panel_rows;
    for (int64_t i = 0; i < count; ++i) {
      if (w->layout == INGRAIN_ROW_MAJOR) pack_block(scratch + i * *ld, w, p + i, column, columns);
      else if constexpr (sizeof(W) == sizeof(float))
        expand(scratch + i * *ld, panel<bf16>(w, p + i) + column * panel_rows, columns);
    }
    return scratch;
  }
  void write(int64_t chunk, int64_t row, int64_t m, int64_t p, int64_t count, const float* sums, int64_t ld) const {
    const int64_t first = p * panel_rows, columns = std::min(count * panel_rows, w->rows - first);
    write_block(y, chunk * rows + row, m, first, columns, sums, ld, beta);
  }
};

// A Problem (gemm.h) with a quantized weight. x is rounded to 8 bits, see quantized_tile.h.
template <class W>
struct QuantizedForward {
  using Element = W;
  const ingrain_weight* w;
  matrix x, y;
  int64_t rows;
  float beta;
  bool small, partial;

  void read(x_block* out, int64_t ld, int64_t row, int64_t m, int64_t column, int64_t columns) const {
    for (int64_t r = 0; r < m; ++r, out += ld / x_block_size) {
      const int64_t from = (row + r) * x.ld + column;
      if (x.dtype == INGRAIN_F32) round_row(out, static_cast<const float*>(x.data) + from, columns, W::start);
      else round_row(out, static_cast<const bf16*>(x.data) + from, columns, W::start);
    }
  }
  // Returns a block in the packed weight, or null, like Forward::in_place.
  const W* in_place(int64_t p, int64_t column, int64_t* ld) const {
    if (w->layout != INGRAIN_PACKED || p >= panels_of(w->rows)) return nullptr;
    *ld = quantized_format(w).panel_bytes(w->columns);
    return reinterpret_cast<const W*>(packed_group(w, p, column / w->group));
  }
  int64_t bytes(int64_t columns) const { return quantized_format(w).panel_bytes(columns); }
  const W* panels(int64_t p, int64_t count, int64_t column, int64_t columns, W* scratch, int64_t* ld) const {
    if (const W* here = in_place(p, column, ld)) return here;
    const quantized_format format(w);
    const int64_t first = column / format.group;
    *ld = format.panel_bytes(columns);
    uint8_t* out = reinterpret_cast<uint8_t*>(scratch);
    for (int64_t i = 0; i < count; ++i)
      for (int64_t g = 0; g < format.groups(columns); ++g, out += format.group_bytes())
        for (int64_t lane = 0; lane < panel_rows; ++lane) {
          row_group group;
          const int64_t n = (p + i) * panel_rows + lane;
          if (n < w->rows) read_group(group, w, n, first + g);
          write_lane(out, format, lane, group);
        }
    return scratch;
  }
  void write(int64_t chunk, int64_t row, int64_t m, int64_t p, int64_t count, const float* sums, int64_t ld) const {
    const int64_t first = p * panel_rows, columns = std::min(count * panel_rows, w->rows - first);
    write_block(y, chunk * rows + row, m, first, columns, sums, ld, beta);
  }
};

ingrain_status multiply(ingrain_context* ctx, const matrix& y, const matrix& x, const ingrain_weight* w, int64_t T,
                        float beta, bool partial) {
  if (const ingrain_status status = check_weight(ctx, w)) return status;
  if (w->columns < 1 || w->chunk < 0 ||
      (w->chunk > 0 && (w->columns % w->chunk != 0 || (w->chunk % 2 != 0 && w->dtype == INGRAIN_BF16))))
    return ctx->fail(INGRAIN_INVALID_ARGUMENT, "matmul: chunk %ld of %ld columns: expected an even divisor, or 0",
                     static_cast<long>(w->chunk), static_cast<long>(w->columns));
  const gemm_shape shape{T, w->columns, panels_of(w->rows), w->chunk > 0 ? w->chunk : w->columns, w->group};
  const bool packed = w->layout == INGRAIN_PACKED, small = packed && T <= max_small_rows<float>;
  if (quantized(w)) {
    if (w->dtype == INGRAIN_INT8) gemm(ctx, QuantizedForward<int8>{w, x, y, T, beta, small, partial}, shape);
    else if (w->zeros) gemm(ctx, QuantizedForward<int4_zeros>{w, x, y, T, beta, small, partial}, shape);
    else gemm(ctx, QuantizedForward<int4>{w, x, y, T, beta, small, partial}, shape);
    return INGRAIN_OK;
  }
#if defined(__AVX512BF16__)
  const bool direct = w->dtype == INGRAIN_BF16;
#else
  // With many rows, it is faster to convert a block of W to f32 once for all rows.
  const bool direct = w->dtype == INGRAIN_BF16 && small;
#endif
  if (direct) gemm(ctx, Forward<bf16>{w, x, y, T, beta, packed && T <= max_small_rows<bf16>, partial}, shape);
  else gemm(ctx, Forward<float>{w, x, y, T, beta, small && w->dtype == INGRAIN_F32, partial}, shape);
  return INGRAIN_OK;
}

}  // namespace
}  // namespace ingrain::INGRAIN_ISA

INGRAIN_OP(matmul_forward,
           (ingrain_context * ctx, void* y, const void* x, const ingrain_weight* w, int32_t dtype, int32_t y_dtype,
            int64_t T, float beta),
           (ctx, y, x, w, dtype, y_dtype, T, beta)) {
  if (const ingrain_status status = check_dtype(ctx, dtype)) return status;
  if (const ingrain_status status = check_dtype(ctx, y_dtype)) return status;
  return multiply(ctx, {y, y_dtype, w->rows}, {const_cast<void*>(x), dtype, w->columns}, w, T, beta, false);
}

INGRAIN_OP(matmul_partial_forward,
           (ingrain_context * ctx, float* partials, const void* x, const ingrain_weight* w, int32_t dtype, int64_t T),
           (ctx, partials, x, w, dtype, T)) {
  if (const ingrain_status status = check_dtype(ctx, dtype)) return status;
  return multiply(ctx, {partials, INGRAIN_F32, w->rows}, {const_cast<void*>(x), dtype, w->columns}, w, T, 0.0f, true);
}
