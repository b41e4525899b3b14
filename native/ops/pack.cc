// pack: copies rows of a row-major matrix into a weight, in the weight's dtype and layout (native/ops/common/weight.h).
//   w[row + r, c] = source[r, c], rounded to nearest even; int8, int4: quantized in groups (common/quantize.h)
// pack_quantized: copies rows that are already quantized, from the parts of the row-major layout (common/quantized.h).
// Shapes   source (rows, columns), row distance ld                 Types  source f32|bf16|f16, w f32|bf16|int8|int4
// Needs    nothing, scratch 0                                      Mapping  panels (rows, if row-major) over threads
// Bound    memory: rows·columns elements read and written          Oracle the definition
// Test     PackParityTest, PackQuantizedParityTest
#include "quantize.h"

#include <algorithm>

namespace ingrain::INGRAIN_ISA {
namespace {

template <class E, class S>
void pack_row_major(ingrain_context* ctx, const ingrain_weight* w, const S* source, int64_t row, int64_t rows,
                    int64_t ld) {
  const int64_t C = w->columns;
  parallel_for(ctx, rows, 1 + 65536 / (C + 1), [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      E* out = static_cast<E*>(w->data) + (row + r) * C;
      int64_t c = 0;
      for (; c + lanes <= C; c += lanes) store(out + c, load(source + r * ld + c));
      for (; c < C; ++c) out[c] = from_float<E>(to_float(source[r * ld + c]));
    }
  });
}

// Packs the rows of panel p whose numbers in the weight are in [row, row + rows). The call that packs the last row of
// the weight also writes the padding.
template <class E, class S>
void pack_panel(const ingrain_weight* w, int64_t p, const S* source, int64_t row, int64_t rows, int64_t ld) {
  // Number of columns packed at a time. It is so small that their cache lines stay in L1 until all 16 rows are written.
  constexpr int64_t block = 256;
  const int64_t C = w->columns, padded = panel_elements<E>(C) / panel_rows, first = p * panel_rows;
  const int64_t begin = std::max(first, row), end = std::min(first + panel_rows, row + rows);
  const int64_t padding_end = end == w->rows ? first + panel_rows : end;
  E* out = panel<E>(w, p);
  for (int64_t c0 = 0; c0 < padded; c0 += block) {
    const int64_t c1 = std::min(c0 + block, padded), inside = std::min(c1, C);
    for (int64_t n = begin; n < padding_end; ++n) {
      const S* x = source + (n - row) * ld;
      const int64_t known = n < end ? inside : c0;
      for (int64_t c = c0; c < known; ++c) out[panel_index<E>(n - first, c)] = from_float<E>(to_float(x[c]));
      for (int64_t c = known; c < c1; ++c) out[panel_index<E>(n - first, c)] = from_float<E>(0.0f);
    }
  }
}

template <class E, class S>
ingrain_status pack_as(ingrain_context* ctx, const ingrain_weight* w, const S* source, int64_t row, int64_t rows,
                       int64_t ld) {
  if (w->layout == INGRAIN_ROW_MAJOR) {
    pack_row_major<E>(ctx, w, source, row, rows, ld);
    return INGRAIN_OK;
  }
  const int64_t first = row / panel_rows, last = panels_of(row + rows);
  parallel_for(ctx, rows == 0 ? 0 : last - first, 1 + 4096 / (w->columns + 1), [&](int64_t begin, int64_t end) {
    for (int64_t p = first + begin; p < first + end; ++p) pack_panel<E>(w, p, source, row, rows, ld);
  });
  return INGRAIN_OK;
}

// Writes rows [row, row + rows) of a quantized weight, panel by panel. group_of(to, r, g) returns group g of row
// row + r. The call that writes the last row of a packed weight also writes the padding.
template <class GroupOf>
void write_groups(ingrain_context* ctx, const ingrain_weight* w, int64_t row, int64_t rows, const GroupOf& group_of) {
  const int64_t first = row / panel_rows, groups = quantized_format(w).groups(w->columns);
  const int64_t padded = w->layout == INGRAIN_PACKED && row + rows == w->rows ? panels_of(w->rows) * panel_rows : 0;
  const int64_t last = std::max(row + rows, padded);
  parallel_for(ctx, rows == 0 ? 0 : panels_of(last) - first, 1 + 1024 / (w->columns + 1),
               [&](int64_t begin, int64_t end) {
                 for (int64_t p = first + begin; p < first + end; ++p)
                   for (int64_t g = 0; g < groups; ++g)
                     for (int64_t n = std::max(row, p * panel_rows); n < std::min(last, (p + 1) * panel_rows); ++n) {
                       row_group group;
                       if (n < row + rows) group_of(group, n - row, g);
                       write_group(group, w, n, g);
                     }
               });
}

template <class S>
ingrain_status quantize_rows(ingrain_context* ctx, const ingrain_weight* w, const S* source, int64_t row, int64_t rows,
                             int64_t ld) {
  const quantized_format format(w);
  write_groups(ctx, w, row, rows, [&](row_group& to, int64_t r, int64_t g) {
    const int64_t c = g * format.group, n = std::min(format.group, w->columns - c);
    float values[largest_group];
    for (int64_t i = 0; i < n; ++i) values[i] = to_float(source[r * ld + c + i]);
    quantize_group(to, format, values, n);
  });
  return INGRAIN_OK;
}

template <class S>
ingrain_status pack_from(ingrain_context* ctx, const ingrain_weight* w, const void* source, int64_t row, int64_t rows,
                         int64_t ld) {
  const S* in = static_cast<const S*>(source);
  if (quantized(w)) return quantize_rows(ctx, w, in, row, rows, ld);
  return with_dtype(ctx, w->dtype, [&]<class E>() { return pack_as<E>(ctx, w, in, row, rows, ld); });
}

ingrain_status check_rows(ingrain_context* ctx, const ingrain_weight* w, int64_t row, int64_t rows) {
  if (const ingrain_status status = check_weight(ctx, w)) return status;
  if (row < 0 || rows < 0 || row + rows > w->rows)
    return ctx->fail(INGRAIN_INVALID_ARGUMENT, "pack: rows [%ld, %ld) of a weight of %ld rows", static_cast<long>(row),
                     static_cast<long>(row + rows), static_cast<long>(w->rows));
  return INGRAIN_OK;
}

}  // namespace
}  // namespace ingrain::INGRAIN_ISA

#ifdef INGRAIN_ISA_avx2
extern "C" INGRAIN_API int64_t ingrain_weight_bytes(int32_t dtype, int32_t layout, int64_t rows, int64_t columns,
                                                    int32_t group, int32_t zeros) {
  using namespace ingrain::avx2;
  if (group > 0) return quantized_format(dtype, group, zeros).bytes(layout, rows, columns);
  const int64_t bytes = dtype == INGRAIN_F8E4M3 ? 1 : dtype == INGRAIN_BF16 ? 2 : 4;
  if (layout == INGRAIN_ROW_MAJOR) return rows * columns * bytes;
  return panels_of(rows) * bytes *
         (dtype == INGRAIN_BF16 ? panel_elements<bf16>(columns) : panel_elements<float>(columns));
}
#endif

INGRAIN_OP(pack,
           (ingrain_context * ctx, const ingrain_weight* w, const void* source, int32_t source_dtype, int64_t row,
            int64_t rows, int64_t ld),
           (ctx, w, source, source_dtype, row, rows, ld)) {
  if (const ingrain_status status = check_rows(ctx, w, row, rows)) return status;
  switch (source_dtype) {
    case INGRAIN_F32: return pack_from<float>(ctx, w, source, row, rows, ld);
    case INGRAIN_BF16: return pack_from<bf16>(ctx, w, source, row, rows, ld);
    case INGRAIN_F16: return pack_from<f16>(ctx, w, source, row, rows, ld);
  }
  return ctx->fail(INGRAIN_UNSUPPORTED, "pack: source dtype %d: expected F32 (0), BF16 (1) or F16 (2)", source_dtype);
}

INGRAIN_OP(pack_quantized,
           (ingrain_context * ctx, const ingrain_weight* w, const void* values, const void* scales, const void* zeros,
            int64_t row, int64_t rows),
           (ctx, w, values, scales, zeros, row, rows)) {
  if (const ingrain_status status = check_rows(ctx, w, row, rows)) return status;
  if (!quantized(w) || (w->zeros != 0) != (zeros != nullptr))
    return ctx->fail(INGRAIN_INVALID_ARGUMENT,
                     "pack_quantized: a weight of dtype %d %s zero points, parts %s: expected INT8 (6) or INT4 (7), "
                     "and zero points in both or in neither",
                     w->dtype, w->zeros ? "with" : "without", zeros ? "with them" : "without them");
  const quantized_parts source{static_cast<uint8_t*>(const_cast<void*>(values)),
                               static_cast<f16*>(const_cast<void*>(scales)),
                               static_cast<uint8_t*>(const_cast<void*>(zeros)), w->columns};
  const quantized_format format(w);
  write_groups(ctx, w, row, rows,
               [&](row_group& to, int64_t r, int64_t g) { source.read(to, format, r, g); });
  return INGRAIN_OK;
}
