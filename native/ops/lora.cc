// lora: the low-rank update of a frozen linear layer.                                  Hu et al. 2021, arXiv:2106.09685
//   u = m∘x·Aᵀ   y += s·u·Bᵀ   du = s·dy·B   dB += s·dyᵀ·u   dx += m∘(du·A)   dA += duᵀ·(m∘x)   m: common/dropout.h
// Shapes   x, dx (T, C) · A, dA (G, R, C) · u, du (T, R) · B, dB (G, N, R) · y, dy (T, N), row-major
// Types    x, y, dx, dy f32|bf16, all others and sums f32      Needs  scratch on the stack
// Mapping  common/gemm.h: one sum in ascending order per output element, for any T, slots and number of threads
// Bound    many rows: 2·T·R·C flops; few rows: memory, bytes of A and B     Oracle libtorch  Test LoraParityTest
#include "dropout.h"
#include "gemm.h"

namespace ingrain::INGRAIN_ISA {
namespace {

template <class Read, class Panels, class Write>
struct Product {  // a Problem of gemm.h
  using Element = float;
  Read read;
  Panels panels;
  Write write;
  bool small = false, partial = false;
};
template <class Read, class Panels, class Write>
Product(Read, Panels, Write) -> Product<Read, Panels, Write>;

matrix f32(const float* data, int64_t ld) { return {const_cast<float*>(data), INGRAIN_F32, ld}; }

// The rows that use one adapter: the rows whose numbers are in index (count), or rows 0 to count - 1 if index is null.
struct Rows {
  const int32_t* index;
  int64_t count;
  int64_t at(int64_t i) const { return index ? index[i] : i; }
};

// Runs body(slot, rows) for each slot that occurs in slots, including -1 (no adapter).
template <class Body>
void each_slot(const int32_t* slots, int64_t T, const Body& body) {
  if (!slots) return body(0, Rows{nullptr, T});
  constexpr int64_t most = 1024;
  int32_t index[most];
  for (int64_t first = 0; first < T; first += most) {
    const int64_t end = std::min(first + most, T);
    for (int64_t slot = *std::min_element(slots + first, slots + end), next; slot != INT64_MAX; slot = next) {
      next = INT64_MAX;
      int64_t count = 0;
      for (int64_t t = first; t < end; ++t) {
        if (slots[t] == slot) index[count++] = static_cast<int32_t>(t);
        else if (slots[t] > slot) next = std::min<int64_t>(next, slots[t]);
      }
      body(slot, Rows{index, count});
    }
  }
}

// Returns a reader of rows of x (T, columns), multiplied by the dropout mask.
auto read_rows(const matrix& x, const Rows& rows, const Dropout& dropout) {
  return [=](float* out, int64_t ld, int64_t row, int64_t m, int64_t column, int64_t columns) {
    for (int64_t r = 0; r < m; ++r) {
      read_block(out + r * ld, ld, x, rows.at(row + r), 1, column, columns);
      dropout.apply(out + r * ld, rows.at(row + r) * x.ld + column, columns);
    }
  };
}
// Returns a reader of rows of xᵀ, for x (columns, rows).
auto read_columns(const matrix& x) {
  return [=](float* out, int64_t ld, int64_t row, int64_t m, int64_t column, int64_t columns) {
    read_transposed(out, ld, x, column, columns, row, m);
  };
}

// Returns a reader of panels of w (features, columns).
auto panels_of_rows(const matrix& w, int64_t features) {
  return [=](int64_t p, int64_t count, int64_t column, int64_t columns, float* out, int64_t* ld) -> const float* {
    *ld = columns * panel_rows;
    for (int64_t i = 0; i < count; ++i) {
      const int64_t row = (p + i) * panel_rows;
      read_transposed(out + i * *ld, panel_rows, w, row, std::min(panel_rows, features - row), column, columns);
    }
    return out;
  };
}
// Returns a reader of panels of wᵀ, for w (columns, features), multiplied by the dropout mask.
auto panels_of_columns(const matrix& w, int64_t features, const Dropout& dropout) {
  return [=](int64_t p, int64_t count, int64_t column, int64_t columns, float* out, int64_t* ld) -> const float* {
    *ld = columns * panel_rows;
    for (int64_t i = 0; i < count; ++i) {
      const int64_t first = (p + i) * panel_rows, width = std::min(panel_rows, features - first);
      float* panel = out + i * *ld;
      read_block(panel, panel_rows, w, column, columns, first, width);
      if (dropout.off()) continue;
      for (int64_t c = 0; c < columns; ++c) dropout.apply(panel + c * panel_rows, (column + c) * w.ld + first, width);
    }
    return out;
  };
}

// y[element .. element + n) = beta·y + mask·scale·sums (n). All n elements are in one row of the matrix y.
template <class E>
void write_row(E* y, int64_t element, const float* sums, int64_t n, float scale, float beta, const Dropout& dropout) {
  constexpr int64_t piece = 256;
  float masked[piece];
  for (int64_t first = 0; first < n; first += piece) {
    const int64_t m = std::min(piece, n - first);
    for (int64_t i = 0; i < m; ++i) masked[i] = scale * sums[first + i];
    dropout.apply(masked, element + first, m);
    write_rows(y + element + first, 0, 1, m, masked, 0, beta);
  }
}
// Returns a writer of rows of y (T, features).
auto write_to(const matrix& y, const Rows& rows, int64_t features, float scale, float beta, const Dropout& dropout) {
  return [=](int64_t, int64_t row, int64_t m, int64_t p, int64_t count, const float* sums, int64_t ld) {
    const int64_t first = p * panel_rows, n = std::min(count * panel_rows, features - first);
    for (int64_t r = 0; r < m; ++r) {
      const int64_t element = rows.at(row + r) * y.ld + first;
      if (y.dtype == INGRAIN_F32)
        write_row(static_cast<float*>(y.data), element, sums + r * ld, n, scale, beta, dropout);
      else write_row(static_cast<bf16*>(y.data), element, sums + r * ld, n, scale, beta, dropout);
    }
  };
}

gemm_shape shape_of(int64_t rows, int64_t features, int64_t columns) {
  return {rows, columns, panels_of(features), columns};
}

}  // namespace
}  // namespace ingrain::INGRAIN_ISA

INGRAIN_OP(lora_down_forward,
           (ingrain_context * ctx, float* u, const void* x, const float* A, const int32_t* slots, int32_t dtype,
            int64_t T, int64_t C, int64_t R, float dropout, int64_t seed, int64_t column, int64_t columns),
           (ctx, u, x, A, slots, dtype, T, C, R, dropout, seed, column, columns)) {
  if (const ingrain_status status = check_dtype(ctx, dtype)) return status;
  const matrix in{const_cast<void*>(x), dtype, C};
  const Dropout mask(dropout, seed, {C, column, columns}), none(0.0f, 0);
  each_slot(slots, T, [&](int64_t slot, const Rows& rows) {
    if (slot < 0) {
      for (int64_t i = 0; i < rows.count; ++i) std::fill_n(u + rows.at(i) * R, R, 0.0f);
      return;
    }
    gemm(ctx, Product{read_rows(in, rows, mask), panels_of_rows(f32(A + slot * R * C, C), R),
                      write_to(f32(u, R), rows, R, 1.0f, 0.0f, none)},
         shape_of(rows.count, R, C));
  });
  return INGRAIN_OK;
}

INGRAIN_OP(lora_up_forward,
           (ingrain_context * ctx, void* y, const float* u, const float* B, const float* scaling, const int32_t* slots,
            int32_t dtype, int64_t T, int64_t N, int64_t R, int64_t ld, int64_t ldu),
           (ctx, y, u, B, scaling, slots, dtype, T, N, R, ld, ldu)) {
  if (const ingrain_status status = check_dtype(ctx, dtype)) return status;
  const Dropout none(0.0f, 0);
  each_slot(slots, T, [&](int64_t slot, const Rows& rows) {
    if (slot < 0) return;
    gemm(ctx, Product{read_rows(f32(u, ldu), rows, none), panels_of_rows(f32(B + slot * N * R, R), N),
                      write_to({y, dtype, ld}, rows, N, scaling[slot], 1.0f, none)},
         shape_of(rows.count, N, R));
  });
  return INGRAIN_OK;
}

INGRAIN_OP(lora_up_backward,
           (ingrain_context * ctx, float* du, float* dB, const void* dy, const float* u, const float* B, int32_t dtype,
            int64_t T, int64_t N, int64_t R, int64_t ld, int64_t ldu, float scaling),
           (ctx, du, dB, dy, u, B, dtype, T, N, R, ld, ldu, scaling)) {
  if (const ingrain_status status = check_dtype(ctx, dtype)) return status;
  if (T < 1) return INGRAIN_OK;
  const matrix grad{const_cast<void*>(dy), dtype, ld};
  const Dropout none(0.0f, 0);
  const Rows all{nullptr, 0};
  gemm(ctx,
       Product{read_rows(grad, all, none), panels_of_columns(f32(B, R), R, none),
               write_to(f32(du, ldu), all, R, scaling, 0.0f, none)},
       shape_of(T, R, N));
  // Computes dBᵀ (R, N) = uᵀ·dy and stores its transpose, so that the panels divide N, which is larger than R.
  const auto write = [=](int64_t, int64_t row, int64_t m, int64_t p, int64_t count, const float* sums,
                         int64_t sums_ld) {
    const int64_t first = p * panel_rows, n = std::min(count * panel_rows, N - first);
    for (int64_t j = 0; j < n; ++j)
      for (int64_t r = 0; r < m; ++r) dB[(first + j) * R + row + r] += scaling * sums[r * sums_ld + j];
  };
  gemm(ctx, Product{read_columns(f32(u, ldu)), panels_of_columns(grad, N, none), write}, shape_of(R, N, T));
  return INGRAIN_OK;
}

INGRAIN_OP(lora_down_backward,
           (ingrain_context * ctx, void* dx, float* dA, const float* du, const void* x, const float* A, int32_t dtype,
            int64_t T, int64_t C, int64_t R, float dropout, int64_t seed, int64_t column, int64_t columns),
           (ctx, dx, dA, du, x, A, dtype, T, C, R, dropout, seed, column, columns)) {
  if (const ingrain_status status = check_dtype(ctx, dtype)) return status;
  if (T < 1) return INGRAIN_OK;
  const Dropout mask(dropout, seed, {C, column, columns}), none(0.0f, 0);
  const Rows all{nullptr, 0};
  gemm(ctx, Product{read_columns(f32(du, R)), panels_of_columns({const_cast<void*>(x), dtype, C}, C, mask),
                    write_to(f32(dA, C), all, C, 1.0f, 1.0f, none)},
       shape_of(R, C, T));
  if (dx)
    gemm(ctx, Product{read_rows(f32(du, R), all, none), panels_of_columns(f32(A, C), C, none),
                      write_to({dx, dtype, C}, all, C, 1.0f, 1.0f, mask)},
         shape_of(T, C, R));
  return INGRAIN_OK;
}
