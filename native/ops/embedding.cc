// embedding: looks up a row of the table for each id.
//   y[t] = table[ids[t]]    dtable[ids[t]] += dy[t], t ascending
// Shapes   y, dy (T, D) · table a weight (V, D) · dtable (V, D) f32 · ids (T)
// Types  table f32|bf16|int8|int4, y f32|bf16
// Needs    0 <= ids < V (unchecked: ids are in device memory), scratch 0
// Mapping  forward: tokens over threads; backward: spans of D over threads, since an id may occur twice
// Bound    memory: 2·T·D elements                                  Oracle libtorch embedding  Test EmbeddingParityTest
#include "quantized.h"

namespace ingrain::INGRAIN_ISA {
namespace {

template <class Y>
ingrain_status look_up_groups(ingrain_context* ctx, Y* y, const int32_t* ids, const ingrain_weight* table, int64_t T) {
  const int64_t D = table->columns;
  parallel_for(ctx, T, 1 + 4096 / (D + 1), [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t)
      for (int64_t d = 0; d < D; d += table->group) {
        row_group group;
        read_group(group, table, ids[t], d / table->group);
        for (int64_t i = 0; i < std::min<int64_t>(table->group, D - d); ++i)
          y[t * D + d + i] = from_float<Y>(group.element(i));
      }
  });
  return INGRAIN_OK;
}

template <class E, class Y>
ingrain_status look_up(ingrain_context* ctx, Y* y, const int32_t* ids, const ingrain_weight* table, int64_t T) {
  const int64_t D = table->columns;
  parallel_for(ctx, T, 1 + 16384 / (D + 1), [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      Y* out = y + t * D;
      if (table->layout == INGRAIN_PACKED) {
        const E* p = panel<E>(table, ids[t] / panel_rows);
        for (int64_t d = 0; d < D; ++d) out[d] = from_float<Y>(to_float(p[panel_index<E>(ids[t] % panel_rows, d)]));
        continue;
      }
      const E* row = static_cast<const E*>(table->data) + ids[t] * D;
      int64_t d = 0;
      for (; d + lanes <= D; d += lanes) store(out + d, load(row + d));
      for (; d < D; ++d) out[d] = from_float<Y>(to_float(row[d]));
    }
  });
  return INGRAIN_OK;
}

}  // namespace
}  // namespace ingrain::INGRAIN_ISA

INGRAIN_OP(embedding_forward,
           (ingrain_context * ctx, void* y, const int32_t* ids, const ingrain_weight* table, int32_t dtype, int64_t T),
           (ctx, y, ids, table, dtype, T)) {
  if (const ingrain_status status = check_weight(ctx, table)) return status;
  return with_dtype(ctx, dtype, [&]<class Y>() {
    if (quantized(table)) return look_up_groups(ctx, static_cast<Y*>(y), ids, table, T);
    return with_dtype(ctx, table->dtype, [&]<class E>() { return look_up<E>(ctx, static_cast<Y*>(y), ids, table, T); });
  });
}

INGRAIN_OP(embedding_backward,
           (ingrain_context * ctx, float* dtable, const void* dy, const int32_t* ids, int32_t dtype, int64_t T,
            int64_t D),
           (ctx, dtable, dy, ids, dtype, T, D)) {
  return with_dtype(ctx, dtype, [&]<class E>() {
    parallel_for(ctx, D, 64 + 16384 / (T + 1), [&](int64_t begin, int64_t end) {
      for (int64_t t = 0; t < T; ++t) {
        float* row = dtable + ids[t] * D;
        const E* d = static_cast<const E*>(dy) + t * D;
        int64_t i = begin;
        for (; i + lanes <= end; i += lanes) store(row + i, load(row + i) + load(d + i));
        for (; i < end; ++i) row[i] += to_float(d[i]);
      }
    });
    return INGRAIN_OK;
  });
}
