// embedding: looks up a row of the table for each id.
//   y[t] = table[ids[t]]    dtable[ids[t]] += dy[t], t ascending
// Shapes   y, dy (T, D) · table a weight (V, D) · dtable (V, D) f32 · ids (T)
// Types  table f32|bf16|fp8|int8|int4, y f32|bf16
// Needs    0 <= ids < V (unchecked: ids are in device memory), scratch 0
// Mapping  one block per span of a row; backward: the block of an id's first token adds up all tokens of that id
// Bound    memory: 2·T·D elements                     Oracle native/ops/embedding.cc  Test EmbeddingParityTest
#include "groups.h"
#include "matches.h"

namespace {

constexpr int threads = match_threads;

template <class Y, class E, int N>
__global__ void forward(Y* y, const int32_t* ids, const E* table, const float* scales, int64_t D) {
  const int64_t t = blockIdx.x, d = (static_cast<int64_t>(blockIdx.y) * threads + threadIdx.x) * N;
  if (d >= D) return;
  const int64_t id = ids[t];
  const float scale = scales ? scales[id] : 1;
  const Vec<E, N> row = load<N>(table + id * D + d);
  Vec<Y, N> out;
#pragma unroll
  for (int j = 0; j < N; ++j) out.v[j] = from_float<Y>(to_float(row.v[j]) * scale);
  store(y + t * D + d, out);
}

template <class Y> __global__ void look_up_groups(Y* y, const int32_t* ids, Groups table) {
  const int64_t t = blockIdx.x, D = table.columns, d = static_cast<int64_t>(blockIdx.y) * threads + threadIdx.x;
  if (d < D) y[t * D + d] = from_float<Y>(table.element(ids[t], d));
}

template <class E, int N>
__global__ void backward(float* dtable, const E* dy, const int32_t* ids, int64_t T, int64_t D) {
  __shared__ unsigned masks[match_words];
  const int64_t t = blockIdx.x, d = (static_cast<int64_t>(blockIdx.y) * threads + threadIdx.x) * N;
  const int32_t id = ids[t];
  bool earlier = false;
  for (int64_t i = threadIdx.x; i < t; i += threads) earlier |= ids[i] == id;
  if (__syncthreads_or(earlier)) return;
  const bool mine = d < D;
  float sum[N];
#pragma unroll
  for (int j = 0; j < N; ++j) sum[j] = mine ? dtable[id * D + d + j] : 0;
  each_match(ids, t, T, id, masks, [&](int64_t i) {
    if (!mine) return;
    const Vec<E, N> grad = load<N>(dy + i * D + d);
#pragma unroll
    for (int j = 0; j < N; ++j) sum[j] += to_float(grad.v[j]);
  });
  if (!mine) return;
#pragma unroll
  for (int j = 0; j < N; ++j) dtable[id * D + d + j] = sum[j];
}

template <class Body> ingrain_status with_table(ingrain_context* ctx, const ingrain_weight* table, const Body& body) {
  if (table->dtype == INGRAIN_F8E4M3) return body.template operator()<fp8>();
  return with_dtype(ctx, table->dtype, body);
}

}  // namespace

extern "C" ingrain_status ingrain_embedding_forward(ingrain_context* ctx, void* y, const int32_t* ids,
                                                    const ingrain_weight* table, int32_t dtype, int64_t T) {
  const int64_t D = table->columns;
  if (ingrain_status status = check_groups(ctx, table)) return status;
  return with_dtype(ctx, dtype, [&]<class Y>() {
    if (quantized_dtype(table->dtype))
      return launch(look_up_groups<Y>, dim3(static_cast<unsigned>(T), blocks_for(D, threads)), threads, 0, ctx,
                    static_cast<Y*>(y), ids, groups_of(table));
    return with_table(ctx, table, [&]<class E>() {
      using Wider = std::conditional_t<(sizeof(E) > sizeof(Y)), E, Y>;
      return with_width<Wider>(
          D,
          [&]<int N>() {
            return launch(forward<Y, E, N>, dim3(static_cast<unsigned>(T), blocks_for(D, threads * N)), threads, 0, ctx,
                          static_cast<Y*>(y), ids, static_cast<const E*>(table->data),
                          table->dtype == INGRAIN_F8E4M3 ? table->scales : nullptr, D);
          },
          y, table->data);
    });
  });
}
INGRAIN_EXPORT_OP(embedding_forward)

extern "C" ingrain_status ingrain_embedding_backward(ingrain_context* ctx, float* dtable, const void* dy,
                                                     const int32_t* ids, int32_t dtype, int64_t T, int64_t D) {
  return with_dtype(ctx, dtype, [&]<class E>() {
    return with_width<E>(
        D,
        [&]<int N>() {
          return launch(backward<E, N>, dim3(static_cast<unsigned>(T), blocks_for(D, threads * N)), threads, 0, ctx,
                        dtable, static_cast<const E*>(dy), ids, T, D);
        },
        dy);
  });
}
INGRAIN_EXPORT_OP(embedding_backward)
