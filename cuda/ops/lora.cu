// lora: the low-rank update of a frozen linear layer.                                  Hu et al. 2021, arXiv:2106.09685
//   u = m∘x·Aᵀ   y += s·u·Bᵀ   du = s·dy·B   dB += s·dyᵀ·u   dx += m∘(du·A)   dA += duᵀ·(m∘x)   m: common/dropout.h
// Shapes   x, dx (T, C) · A, dA (G, R, C) · u, du (T, R) · B, dB (G, N, R) · y, dy (T, N), row-major
// Types    x, y, dx, dy f32|bf16, all others f32; an f32 operand of the tensor core is split into three bf16 terms:
//          common/low_rank.h
// Needs    nothing (16-byte accesses if all sizes are multiples of 8)
//          scratch for sums over C, N and T: the partial sums of the spans; a launch computes the rows whose partial
//          sums fit into the workspace
// Mapping  R <= 64 with bf16: one pass over x or dy computes the sums over its columns, over its rows, or both
//          (low_rank_pass.h). For few rows or several adapters, x streams into registers (low_rank_sums.h), and y and
//          dx always do (low_rank_stream.h). Otherwise one block per 64 × 64 of the result and per span of a long sum.
//          A span of C or N has 512 terms, or 128 terms for few rows; both give the same order of summation. The
//          length of a span of T depends on T, on the size of the result and on the size of the workspace
// Bound    many rows: memory, the bytes of x, y, dx or dy; few: the bytes of A and B
// Oracle   native/ops/lora.cc                                          Test  LoraParityTest
#include "low_rank_pass.h"

namespace {

using namespace low_rank;

constexpr int64_t piece = 128, pieces = 4, few_tokens = 64;
constexpr int64_t enough_blocks = 1024;
template <class P, class Q, class Out, class Body> ingrain_status with_wide(bool wide, const Body& body) {
  return wide ? body(product<P, Q, Out, true>) : body(product<P, Q, Out, false>);
}

dim3 grid_of(const Shape& s) {
  return dim3(blocks_for(s.rows, tile), blocks_for(s.columns, tile), blocks_for(s.depth, s.span));
}

template <class P, class Q> bool fits(const P& p, const Q& q, const Shape& s) {
  return p.fits(P::rows_inner ? s.rows : s.depth) && q.fits(Q::rows_inner ? s.columns : s.depth);
}

// The destination of a product: out = scale·sum, or out += scale·sum. ld is the distance of the rows of out.
struct Into {
  float* out;
  int64_t ld;
  float scale;
  bool accumulate;
  int group;  // number of spans in a group of add_spans
};

// Launches row_sums, or returns INGRAIN_UNSUPPORTED if row_sums does not support these sums.
ingrain_status streamed_sums(ingrain_context* ctx, const RowSums& sums) {
  if (!streams(sums)) return INGRAIN_UNSUPPORTED;
  const dim3 grid(blocks_for(sums.rows, sum_rows), blocks_for(sums.depth, sums.span), blocks_for(sums.R, narrow));
  return launch(sums.mask.on ? row_sums<true> : row_sums<false>, grid, wide_threads, sums_shared(sums.span), ctx, sums);
}

// Computes a product with long sums: writes the partial sums of the spans to the workspace and then adds them. The
// partial sums have the shape (spans, rows, columns), or (spans, columns, rows) if `transposed` is true. `out` has this
// shape without the spans.
template <bool transposed, class P, class Q>
ingrain_status long_sum(ingrain_context* ctx, const char* op, Into into, P p, Q q, Shape shape) {
  if (shape.rows < 1) return INGRAIN_OK;
  void* workspace = nullptr;
  int64_t bytes = 0;
  ingrain_workspace(ctx, &workspace, &bytes);
  const int64_t spans = blocks_for(shape.depth, shape.span),
                row_bytes = spans * shape.columns * static_cast<int64_t>(sizeof(float));
  const int64_t room = bytes / row_bytes, band = room >= shape.rows ? shape.rows : room / tile * tile;
  if (band == 0 || (P::rows_inner && band < shape.rows))
    return refuse(ctx, INGRAIN_OUT_OF_MEMORY, "%s: the workspace has %ld bytes, %ld are needed", op,
                  static_cast<long>(bytes),
                  static_cast<long>(row_bytes * (P::rows_inner ? shape.rows : int64_t{tile})));
  float* const partials = static_cast<float*>(workspace);
  const bool wide = fits(p, q, shape);
  for (int64_t first = 0; first < shape.rows; first += band) {
    Shape part = shape;
    part.rows = shape.rows - first < band ? shape.rows - first : band;
    if (part.slots) part.slots += first;
    P from = p;
    from.data += first * p.ld;
    from.mask.skip(first);
    const int64_t n = part.rows * shape.columns;
    using Out = Partial<transposed>;
    const Out out{partials, part.rows, shape.columns};
    ingrain_status status = INGRAIN_UNSUPPORTED;
    if constexpr (sizeof(typename P::E) == 2 && !P::rows_inner && !Q::rows_inner)
      status = streamed_sums(ctx, RowSums{from.data, p.ld, part.rows, shape.depth, shape.span, q.data, q.adapter,
                                          static_cast<int>(shape.columns), part.slots, from.mask, partials});
    if (status == INGRAIN_UNSUPPORTED)
      status = with_wide<P, Q, Out>(wide, [&](auto kernel) {
        return launch(kernel, grid_of(part), threads, shared_bytes<P, Q>(), ctx, from, q, out, part);
      });
    if (status) return status;
    const int64_t width = transposed || into.ld == shape.columns ? 0 : shape.columns;
    const Spans sums{into.out + first * into.ld, partials, n,      spans, into.group, into.scale,
                     into.accumulate,            width,    into.ld};
    if (ingrain_status status = launch(add_all_spans, blocks_for(n, 256), 256, 0, ctx, sums, sums)) return status;
  }
  return INGRAIN_OK;
}

int64_t whole(int64_t R) { return (R + tile - 1) / tile * tile; }

// Computes a product whose sums run over R, and adds it to a wide matrix, in one launch.
template <class E, class P, class Q>
ingrain_status short_sum(ingrain_context* ctx, const Add<E>& out, const P& p, const Q& q, const Shape& shape) {
  const bool wide =
      fits(p, q, shape) && shape.columns % 8 == 0 && out.ld % 8 == 0 && reinterpret_cast<uintptr_t>(out.y) % 16 == 0;
  return with_wide<P, Q, Add<E>>(wide, [&](auto kernel) {
    return launch(kernel, grid_of(shape), threads, shared_bytes<P, Q>(), ctx, p, q, out, shape);
  });
}

// Returns the number of tokens per span for a result with `rows` rows. There are just enough spans to occupy the device
// with blocks, because more spans would need more partial sums.
int64_t span_of_tokens(int64_t T, int64_t rows) {
  const int64_t tiles = (rows + tile - 1) / tile, most = (T + piece * pieces - 1) / (piece * pieces);
  const int64_t wanted = enough_blocks / tiles < 1 ? 1 : enough_blocks / tiles, spans = wanted < most ? wanted : most;
  return (T + spans * piece - 1) / (spans * piece) * piece;
}

// Checks `column` and `columns`. If C is a multiple of eight, the kernels compute the mask for four elements at a time.
// So the columns of this rank must begin at a multiple of four in every row.
ingrain_status check_band(ingrain_context* ctx, int64_t C, int64_t column, int64_t columns) {
  if (C % 8 != 0 || (column % 4 == 0 && columns % 4 == 0)) return INGRAIN_OK;
  return refuse(ctx, INGRAIN_INVALID_ARGUMENT, "lora: column %lld of %lld columns: expected multiples of 4",
                static_cast<long long>(column), static_cast<long long>(columns));
}

}  // namespace

extern "C" ingrain_status ingrain_lora_down_forward(ingrain_context* ctx, float* u, const void* x, const float* A,
                                                    const int32_t* slots, int32_t dtype, int64_t T, int64_t C,
                                                    int64_t R, float dropout, int64_t seed, int64_t column,
                                                    int64_t columns) {
  if (ingrain_status status = check_band(ctx, C, column, columns)) return status;
  return with_dtype(ctx, dtype, [&]<class E>() {
    const Dropout mask(dropout, seed, column, columns);
    if constexpr (sizeof(E) == 2)
      if (T > few_tokens && !slots) {
        const Pass all{.x = static_cast<const E*>(x), .ld = C, .T = T, .columns = C, .R = static_cast<int>(R), .q = A,
                       .ldu = R, .r_distance = C, .column_distance = 1, .mask = mask};
        const ingrain_status status = sums_of_pass<true, false>(ctx, all, u, nullptr, mask.scale);
        if (status != INGRAIN_UNSUPPORTED) return status;
      }
    const int64_t together = T <= few_tokens ? 1 : pieces;
    return long_sum<false>(ctx, "lora_down_forward", Into{u, R, mask.scale, false, static_cast<int>(pieces / together)},
                           Operand<E, false>{static_cast<const E*>(x), C, 0, mask}, Operand<float, false>{A, C, R * C},
                           Shape{T, R, C, piece * together, piece, slots});
  });
}
INGRAIN_EXPORT_OP(lora_down_forward)

extern "C" ingrain_status ingrain_lora_up_forward(ingrain_context* ctx, void* y, const float* u, const float* B,
                                                  const float* scaling, const int32_t* slots, int32_t dtype, int64_t T,
                                                  int64_t N, int64_t R, int64_t ld, int64_t ldu) {
  return with_dtype(ctx, dtype, [&]<class E>() {
    if constexpr (sizeof(E) == 2) {
      const Update all{static_cast<E*>(y), ld, N, T, u, ldu, B, N * R, static_cast<int>(R), scaling, slots, {}};
      if (streams(all)) return launch_update<false>(ctx, all);
    }
    return short_sum(ctx, Add<E>{static_cast<E*>(y), ld, N, scaling, {}}, Operand<float, false>{u, ldu},
                     Operand<float, false>{B, R, N * R}, Shape{T, N, R, R, whole(R), slots});
  });
}
INGRAIN_EXPORT_OP(lora_up_forward)

extern "C" ingrain_status ingrain_lora_up_backward(ingrain_context* ctx, float* du, float* dB, const void* dy,
                                                   const float* u, const float* B, int32_t dtype, int64_t T, int64_t N,
                                                   int64_t R, int64_t ld, int64_t ldu, float scaling) {
  if (T < 1) return INGRAIN_OK;
  return with_dtype(ctx, dtype, [&]<class E>() {
    const E* const grad = static_cast<const E*>(dy);
    if constexpr (sizeof(E) == 2) {
      const Pass all{.x = grad, .ld = ld, .T = T, .columns = N, .R = static_cast<int>(R), .q = B, .u = u, .ldu = ldu,
                     .r_distance = 1, .column_distance = R};
      const ingrain_status status = sums_of_pass<true, true>(ctx, all, du, dB, scaling);
      if (status != INGRAIN_UNSUPPORTED) return status;
    }
    if (ingrain_status status =
            long_sum<false>(ctx, "lora_up_backward", Into{du, ldu, scaling, false, 1}, Operand<E, false>{grad, ld},
                            Operand<float, true>{B, R}, Shape{T, R, N, piece * pieces, piece, nullptr}))
      return status;
    return long_sum<false>(ctx, "lora_up_backward", Into{dB, R, scaling, true, 1}, Operand<E, true>{grad, ld},
                           Operand<float, true>{u, ldu}, Shape{N, R, T, span_of_tokens(T, N), piece, nullptr});
  });
}
INGRAIN_EXPORT_OP(lora_up_backward)

extern "C" ingrain_status ingrain_lora_down_backward(ingrain_context* ctx, void* dx, float* dA, const float* du,
                                                     const void* x, const float* A, int32_t dtype, int64_t T, int64_t C,
                                                     int64_t R, float dropout, int64_t seed, int64_t column,
                                                     int64_t columns) {
  if (T < 1) return INGRAIN_OK;
  if (ingrain_status status = check_band(ctx, C, column, columns)) return status;
  return with_dtype(ctx, dtype, [&]<class E>() {
    const Dropout mask(dropout, seed, column, columns);
    ingrain_status status = INGRAIN_UNSUPPORTED;
    if constexpr (sizeof(E) == 2) {
      const Pass all{.x = static_cast<const E*>(x), .ld = C, .T = T, .columns = C, .R = static_cast<int>(R), .u = du,
                     .ldu = R, .r_distance = C, .column_distance = 1, .mask = mask};
      status = sums_of_pass<false, true>(ctx, all, nullptr, dA, mask.scale);
    }
    if (status == INGRAIN_UNSUPPORTED)
      status = long_sum<true>(ctx, "lora_down_backward", Into{dA, C, mask.scale, true, 1},
                              Operand<E, true>{static_cast<const E*>(x), C, 0, mask}, Operand<float, true>{du, R},
                              Shape{C, R, T, span_of_tokens(T, C), piece, nullptr});
    if (status) return status;
    if (!dx) return ingrain_status{INGRAIN_OK};
    if constexpr (sizeof(E) == 2) {
      const Update all{static_cast<E*>(dx), C, C, T, du, R, A, 0, static_cast<int>(R), nullptr, nullptr, mask};
      if (streams(all)) return launch_update<true>(ctx, all);
    }
    return short_sum(ctx, Add<E>{static_cast<E*>(dx), C, C, nullptr, mask}, Operand<float, false>{du, R},
                     Operand<float, true>{A, C}, Shape{T, C, R, R, whole(R), nullptr});
  });
}
INGRAIN_EXPORT_OP(lora_down_backward)
