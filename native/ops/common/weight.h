// The packed layout of a weight W (rows, columns) on the CPU. A panel has sixteen rows and is stored column after
// column, so that one load reads sixteen adjacent output features. In bf16, two adjacent columns are interleaved, as
// the operand of vdpbf16ps requires.
//   f32   (rows/16, columns, 16)   bf16   (rows/16, columns/2, 16, 2)   zeros pad the rows and an odd last column
// INT8 and INT4: quantized.h.
#pragma once
#include "simd.h"

namespace ingrain::INGRAIN_ISA {

constexpr int64_t panel_rows = lanes;

inline int64_t panels_of(int64_t rows) { return (rows + panel_rows - 1) / panel_rows; }

template <class E> constexpr int64_t columns_together = 1;
template <> inline constexpr int64_t columns_together<bf16> = 2;

template <class E>
int64_t panel_elements(int64_t columns) {
  constexpr int64_t together = columns_together<E>;
  return (columns + together - 1) / together * together * panel_rows;
}
template <class E>
E* panel(const ingrain_weight* w, int64_t p) { return static_cast<E*>(w->data) + p * panel_elements<E>(w->columns); }

// The part of the next block of W that a tile prefetches. The block has one to three panels, which start `ld` bytes
// apart. Each time the tile has multiplied prefetch_columns columns, it prefetches `lines` cache lines of each panel.
constexpr int64_t prefetch_columns = 32;
struct WeightAhead {
  const char* at = nullptr;
  int64_t ld = 0, lines = 0, panels = 0;

  void prefetch() {
    for (int64_t i = 0; i < lines; ++i, at += 64)
      for (int64_t p = 0; p < panels; ++p) _mm_prefetch(at + p * ld, _MM_HINT_T1);
  }
};

// Index of element (lane, c) in a panel.
template <class E>
int64_t panel_index(int64_t lane, int64_t c) {
  constexpr int64_t together = columns_together<E>;
  return c / together * together * panel_rows + lane * together + c % together;
}

inline bool quantized(const ingrain_weight* w) { return w->dtype == INGRAIN_INT8 || w->dtype == INGRAIN_INT4; }

inline ingrain_status check_weight(ingrain_context* ctx, const ingrain_weight* w) {
  if (w->dtype != INGRAIN_F32 && w->dtype != INGRAIN_BF16 && !quantized(w))
    return ctx->fail(INGRAIN_UNSUPPORTED,
                     "weight dtype %d is not supported here: expected F32 (0), BF16 (1), INT8 (6) or INT4 (7)",
                     w->dtype);
  if (quantized(w) && ((w->group != 32 && w->group != 64 && w->group != 128) || w->chunk % w->group != 0))
    return ctx->fail(INGRAIN_INVALID_ARGUMENT,
                     "weight in groups of %d columns and chunks of %ld: expected groups of 32, 64 or 128 that divide a "
                     "chunk",
                     w->group, static_cast<long>(w->chunk));
  if (quantized(w) && w->zeros != 0 && (w->zeros != 1 || w->dtype != INGRAIN_INT4))
    return ctx->fail(INGRAIN_INVALID_ARGUMENT, "weight of dtype %d with zeros %d: expected 0, or 1 for INT4 (7)",
                     w->dtype, w->zeros);
  if (w->layout != INGRAIN_ROW_MAJOR && w->layout != INGRAIN_PACKED)
    return ctx->fail(INGRAIN_INVALID_ARGUMENT, "weight layout %d: expected ROW_MAJOR (0) or PACKED (1)", w->layout);
  return INGRAIN_OK;
}

}  // namespace ingrain::INGRAIN_ISA
