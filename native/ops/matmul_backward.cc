// matmul_backward: the gradients of y = x · Wᵀ with respect to its input and its weight.
//   dx = beta·dx + dy · W, each element summed over ascending n
//   dw += dyᵀ · x, each element summed over ascending t
// Shapes   dx, x (T, C) · dy (T, N) · W a weight (N, C) · dw (N, C) f32 row-major
// Types    dx, dy, x f32|bf16, W f32|bf16|int8|int4, sums f32
// Needs    scratch on the stack, amx: heap                                             Mapping  common/gemm.h
// Bound    2·T·N·C flops each                                      Oracle libtorch autograd  Test MatmulParityTest
// W is read in the layout of matmul_forward and transposed block by block, so no transposed copy of W is needed.
// On avx512_bf16 and amx, dy and quantized weights are rounded to bf16 for dx. With an f32 weight, dy is not rounded.
#include "gemm.h"

namespace ingrain::INGRAIN_ISA {
namespace {

// Copies columns [column, column + 16) of rows [row, row + rows) of W to out (rows, 16), as f32. Columns beyond the
// last column of W are zeros.
void read_rows(float* out, const ingrain_weight* w, int64_t row, int64_t rows, int64_t column) {
  const int64_t columns = std::min(panel_rows, w->columns - column);
  if (quantized(w)) {
    for (int64_t r = 0; r < rows; ++r) {
      row_group group;
      read_group(group, w, row + r, column / w->group);
      for (int64_t i = 0; i < panel_rows; ++i)
        out[r * panel_rows + i] = i < columns ? group.element(column % w->group + i) : 0.0f;
    }
    return;
  }
  if (w->layout == INGRAIN_ROW_MAJOR) {
    read_block(out, panel_rows, {w->data, w->dtype, w->columns}, row, rows, column, columns);
    return;
  }
  for (int64_t done = 0, now; done < rows; done += now) {  // panel by panel; `row` is the first row of a panel
    const int64_t p = (row + done) / panel_rows;
    now = std::min(panel_rows, rows - done);
    alignas(64) float block[panel_rows * panel_rows];  // (columns, 16)
    const float* from = block;
    if (w->dtype == INGRAIN_F32) {
      from = panel<float>(w, p) + column * panel_rows;
    } else {
      for (int64_t c = 0; c < columns; c += 2) {
        const bf16* pairs = panel<bf16>(w, p) + (column + c) * panel_rows;
        store(block + c * panel_rows, even(load_pairs(pairs)));
        store(block + (c + 1) * panel_rows, odd(load_pairs(pairs)));
      }
    }
    transpose_rows(out + done * panel_rows, panel_rows, from, panel_rows, columns, now);
  }
}

#if defined(__AVX512BF16__)
// Transposes sixteen columns of a packed panel of W. At (i, j), `in` (8, 16, 2) contains columns 2i and 2i + 1 of
// row j, and `out` (8, 16, 2) contains rows 2i and 2i + 1 of column j. Only the first `pairs` pairs of columns are
// read. The other pairs are replaced by zeros.
void transpose_pairs(bf16* out, const bf16* in, int64_t pairs) {
  // The first permutations transpose blocks of two by two elements. The other two steps transpose groups of 128 bits.
  alignas(64) static constexpr struct Indices {
    int16_t even[32], odd[32];
    constexpr Indices() : even(), odd() {
      for (int i = 0; i < 32; ++i) {
        const int quad = i / 4, element = quad / 2 * 8 + i % 2 * 2 + i / 2 % 2 + quad % 2 * 32;
        even[i] = static_cast<int16_t>(element);
        odd[i] = static_cast<int16_t>(element + 4);
      }
    }
  } indices;
  const __m512i even = _mm512_loadu_si512(indices.even), odd = _mm512_loadu_si512(indices.odd);
  __m512i a[8], b[8];
  for (int i = 0; i < 8; ++i) a[i] = i < pairs ? _mm512_loadu_si512(in + i * 32) : _mm512_setzero_si512();
  for (int i = 0; i < 4; ++i) {
    b[i] = _mm512_permutex2var_epi16(a[2 * i], even, a[2 * i + 1]);
    b[i + 4] = _mm512_permutex2var_epi16(a[2 * i], odd, a[2 * i + 1]);
  }
  for (int i = 0; i < 8; i += 2) {
    a[i] = _mm512_shuffle_i32x4(b[i], b[i + 1], 0x44);
    a[i + 1] = _mm512_shuffle_i32x4(b[i], b[i + 1], 0xee);
  }
  for (int i = 0; i < 2; ++i)
    for (int j = 0; j < 2; ++j) {
      const __m512i low = a[4 * i + j], high = a[4 * i + j + 2];
      _mm512_storeu_si512(out + (4 * j + i) * 32, _mm512_shuffle_i32x4(low, high, 0x88));
      _mm512_storeu_si512(out + (4 * j + i + 2) * 32, _mm512_shuffle_i32x4(low, high, 0xdd));
    }
}

// out (8, 16, 2) = sixteen columns of panel p of a packed quantized weight, in the layout of a packed bf16 panel.
void expand(bf16* out, const ingrain_weight* w, int64_t p, int64_t column) {
  const quantized_format format(w);
  const uint8_t* group = packed_group(w, p, column / format.group);
  const int64_t inside = column % format.group, half = inside % x_block_size / panel_rows;
  const uint8_t* values = group + format.header() + inside / x_block_size * format.block_bytes();
  const bool int8 = format.dtype == INGRAIN_INT8;
  if (int8) values += half * 4 * 64;
  const vec scales = load(reinterpret_cast<const f16*>(group));
  const vec zeros = format.zeros ? to_float(widen_bytes(group + 32)) : splat(static_cast<float>(format.usual_zero()));
  const auto element = [&](ivec bytes, unsigned i) {
    const ivec value{_mm512_and_si512(_mm512_srli_epi32(bytes.v, 8 * i), _mm512_set1_epi32(255))};
    return _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(((to_float(value) - zeros) * scales).v));
  };
  for (int64_t s = 0; s < 4; ++s) {
    ivec bytes = load_bytes(values + s * 64);
    if (!int8) bytes = (half == 0 ? bytes : shift_right(bytes, 4)) & splat(0x0f0f0f0f);
    for (unsigned i = 0; i < 4; i += 2, out += 32)
      _mm512_storeu_si512(out, _mm512_or_si512(element(bytes, i), _mm512_slli_epi32(element(bytes, i + 1), 16)));
  }
}

// Converts in the same way, but out is a packed bf16 panel whose columns are the rows of W. `row` must be the first row
// of a panel.
void read_rows(bf16* out, const ingrain_weight* w, int64_t row, int64_t rows, int64_t column) {
  const int64_t columns = std::min(panel_rows, w->columns - column);
  if (quantized(w) && w->layout == INGRAIN_PACKED) {
    alignas(64) bf16 block[panel_rows * panel_rows];
    for (int64_t n = 0; n < rows; n += panel_rows) {
      expand(block, w, (row + n) / panel_rows, column);
      transpose_pairs(out + n * panel_rows, block, panel_rows / 2);
    }
    return;
  }
  if (quantized(w)) {
    for (int64_t n = 0; n < rows; ++n) {
      row_group group;
      if (row + n < w->rows) read_group(group, w, row + n, column / w->group);
      for (int64_t c = 0; c < panel_rows; ++c)
        out[panel_index<bf16>(c, n)] = from_float<bf16>(c < columns ? group.element(column % w->group + c) : 0.0f);
    }
    return;
  }
  if (w->layout == INGRAIN_PACKED) {
    for (int64_t n = 0; n < rows; n += panel_rows)
      transpose_pairs(out + n * panel_rows, panel<bf16>(w, (row + n) / panel_rows) + column * panel_rows,
                      (columns + 1) / 2);
    return;
  }
  const bf16* from = static_cast<const bf16*>(w->data) + column;
  for (int64_t n = 0; n < rows; ++n)
    for (int64_t c = 0; c < panel_rows; ++c)
      out[panel_index<bf16>(c, n)] = c < columns && row + n < w->rows ? from[(row + n) * w->columns + c] : bf16{0};
}
#endif

template <class W>
struct InputGradient {  // rows t, features c, sums over n
  using Element = W;
  static constexpr bool small = false, partial = false;
  const ingrain_weight* w;
  matrix dx, dy;
  float beta;

  void read(x_of<W>* out, int64_t ld, int64_t row, int64_t m, int64_t column, int64_t columns) const {
    read_x<W>(out, ld, dy, row, m, column, columns);
  }
  const W* panels(int64_t p, int64_t count, int64_t n, int64_t rows, W* scratch, int64_t* ld) const {
    *ld = up(rows, panel_rows) * panel_rows * panel_rows;
    for (int64_t i = 0; i < count; ++i) read_rows(scratch + i * *ld, w, n, rows, (p + i) * panel_rows);
    return scratch;
  }
  void write(int64_t, int64_t row, int64_t m, int64_t p, int64_t count, const float* sums, int64_t ld) const {
    const int64_t first = p * panel_rows;
    write_block(dx, row, m, first, std::min(count * panel_rows, w->columns - first), sums, ld, beta);
  }
};

struct WeightGradient {  // rows n, features c, sums over t
  using Element = float;
  static constexpr bool small = false, partial = false;
  matrix dw, dy, x;
  int64_t C;

  void read(float* out, int64_t ld, int64_t row, int64_t m, int64_t t, int64_t tokens) const {
    read_transposed(out, ld, dy, t, tokens, row, m);
  }
  const float* panels(int64_t p, int64_t count, int64_t t, int64_t tokens, float* scratch, int64_t* ld) const {
    *ld = tokens * panel_rows;
    for (int64_t i = 0; i < count; ++i) {
      const int64_t first = (p + i) * panel_rows;
      read_block(scratch + i * *ld, panel_rows, x, t, tokens, first, std::min(panel_rows, C - first));
    }
    return scratch;
  }
  void write(int64_t, int64_t row, int64_t m, int64_t p, int64_t count, const float* sums, int64_t ld) const {
    const int64_t first = p * panel_rows;
    write_block(dw, row, m, first, std::min(count * panel_rows, C - first), sums, ld, 1.0f);
  }
};

}  // namespace
}  // namespace ingrain::INGRAIN_ISA

INGRAIN_OP(matmul_backward,
           (ingrain_context * ctx, void* dx, const void* dy, const ingrain_weight* w, int32_t dtype, int32_t dx_dtype,
            int64_t T, float beta),
           (ctx, dx, dy, w, dtype, dx_dtype, T, beta)) {
  if (const ingrain_status status = check_dtype(ctx, dtype)) return status;
  if (const ingrain_status status = check_dtype(ctx, dx_dtype)) return status;
  if (const ingrain_status status = check_weight(ctx, w)) return status;
  const matrix to{dx, dx_dtype, w->columns}, from{const_cast<void*>(dy), dtype, w->rows};
  const gemm_shape shape{T, w->rows, panels_of(w->columns), w->rows};
#if defined(__AVX512BF16__)
  if (w->dtype != INGRAIN_F32) {
    gemm(ctx, InputGradient<bf16>{w, to, from, beta}, shape);
    return INGRAIN_OK;
  }
#endif
  gemm(ctx, InputGradient<float>{w, to, from, beta}, shape);
  return INGRAIN_OK;
}

INGRAIN_OP(matmul_weight_backward,
           (ingrain_context * ctx, float* dw, const void* dy, const void* x, int32_t dtype, int64_t T, int64_t N,
            int64_t C),
           (ctx, dw, dy, x, dtype, T, N, C)) {
  if (const ingrain_status status = check_dtype(ctx, dtype)) return status;
  const WeightGradient problem{
      {dw, INGRAIN_F32, C}, {const_cast<void*>(dy), dtype, N}, {const_cast<void*>(x), dtype, C}, C};
  if (T > 0) gemm(ctx, problem, {N, T, panels_of(C), T});
  return INGRAIN_OK;
}
