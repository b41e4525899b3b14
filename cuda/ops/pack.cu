// pack: copies rows of a row-major matrix into a weight, in the weight's dtype. On GPUs a weight is also row-major.
// pack_quantized: copies rows that are quantized already.
//   w[row + r, c] = source[r, c], rounded to nearest even
//   fp8: scales[row] = max |source[r, :]| / 448, w = source / scales[row]    int8, int4: see ingrain_pack in ingrain.h
// Shapes   source (rows, columns), row distance ld
// Types    source f32|bf16|f16, w f32|bf16|f8e4m3 (arXiv:2209.05433)|int8|int4
// Needs    nothing, scratch 0. Accesses have 8 elements if columns % 8 == 0, ld % 8 == 0 and source and w are aligned
//          to 32 bytes, else 1 element
// Mapping  one block per row; int8, int4: one thread per group
// Bound    memory: rows·columns elements read (fp8: twice, the second time from L2) and written
// Oracle   native/ops/pack.cc                                       Test PackParityTest, PackQuantizedParityTest
#include "groups.h"
#include "reduce.h"

namespace {

constexpr int threads = 256;
constexpr float largest_fp8 = 448;

// Calls body(c, v) for this thread's part of a row, N columns at a time. v contains the values from column c on. C is a
// multiple of N.
template <int N, class S, class Body>
__device__ __forceinline__ void over_row(const S* x, int64_t C, const Body& body) {
  for (int64_t c = threadIdx.x * N; c < C; c += threads * N) body(c, load<N>(x + c));
}

template <class E, class S, int N> __global__ void copy_rows(E* w, const S* source, int64_t C, int64_t ld) {
  E* const out = w + blockIdx.x * C;
  over_row<N>(source + blockIdx.x * ld, C, [&](int64_t c, const Vec<S, N>& in) {
    Vec<E, N> values;
#pragma unroll
    for (int j = 0; j < N; ++j) values.v[j] = from_float<E>(to_float(in.v[j]));
    store(out + c, values);
  });
}

template <class S, int N> __global__ void scale_rows(fp8* w, float* scales, const S* source, int64_t C, int64_t ld) {
  __shared__ float scratch[32];
  const S* const x = source + blockIdx.x * ld;
  fp8* const out = w + blockIdx.x * C;
  float largest = 0;
  over_row<N>(x, C, [&](int64_t, const Vec<S, N>& in) {
#pragma unroll
    for (int j = 0; j < N; ++j) largest = fmaxf(largest, fabsf(to_float(in.v[j])));
  });
  largest = block_reduce<Max>(largest, scratch);
  const float scale = largest > 0 ? largest / largest_fp8 : 1;
  if (threadIdx.x == 0) scales[blockIdx.x] = scale;
  over_row<N>(x, C, [&](int64_t c, const Vec<S, N>& in) {
    Vec<fp8, N> values;
#pragma unroll
    for (int j = 0; j < N; ++j) values.v[j] = from_float<fp8>(to_float(in.v[j]) / scale);
    store(out + c, values);
  });
}

// Returns x, rounded and then clamped to [low, high]. A NaN gives low.
__device__ __forceinline__ int rounded_within(float x, float low, float high) {
  return static_cast<int>(fminf(fmaxf(rintf(x), low), high));
}

// Quantizes rows of source to the rows of w from `row` on, one group per thread. A thread writes whole bytes, because a
// group has an even number of columns or is the last of its row.
template <class S> __global__ void quantize_groups(Groups w, const S* source, int64_t row, int64_t rows, int64_t ld) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * threads + threadIdx.x;
  if (i >= rows * w.n) return;
  const int64_t at = row * w.n + i, first = i % w.n * w.group;
  const int n = static_cast<int>(min(static_cast<int64_t>(w.group), w.columns - first));
  const S* const x = source + i / w.n * ld + first;
  float low = 0, high = 0, largest = 0;  // largest: the first element with the largest magnitude
  for (int c = 0; c < n; ++c) {
    const float v = to_float(x[c]);
    low = fminf(low, v), high = fmaxf(high, v);
    if (fabsf(v) > fabsf(largest)) largest = v;
  }
  const float step = w.zeros ? (high - low) / 15 : w.int4 ? largest / -8 : fabsf(largest) / 127;
  w.scales[at] = from_float<f16>(fminf(fmaxf(step, -65504.0f), 65504.0f));
  const float scale = to_float(w.scales[at]);
  const int zero = w.zeros ? (scale > 0 ? rounded_within(-low / scale, 0, 15) : 0) : w.int4 ? 8 : 0;
  if (w.zeros) w.zeros[at] = static_cast<unsigned char>(zero);
  const float least = w.int4 ? -static_cast<float>(zero) : -127, most = w.int4 ? least + 15 : 127;
  unsigned char* const out = w.values + (row + i / w.n) * w.row_bytes + (w.int4 ? first / 2 : first);
  unsigned char byte = 0;
  for (int c = 0; c < n; ++c) {
    const int q = (scale == 0 ? 0 : rounded_within(to_float(x[c]) / scale, least, most)) + zero;
    byte = static_cast<unsigned char>(w.int4 && c % 2 ? byte | q << 4 : q);
    if (!w.int4) out[c] = byte;
    else if (c % 2 || c + 1 == n) out[c / 2] = byte;
  }
}

template <class S>
ingrain_status pack_from(ingrain_context* ctx, const ingrain_weight* w, const void* source, int64_t row, int64_t rows,
                         int64_t ld) {
  const int64_t C = w->columns;
  const S* const in = static_cast<const S*>(source);
  const unsigned grid = static_cast<unsigned>(C > 0 ? rows : 0);
  const bool wide = C % 8 == 0 && ld % 8 == 0 && reinterpret_cast<uintptr_t>(source) % 32 == 0 &&
                    reinterpret_cast<uintptr_t>(w->data) % 32 == 0;
  if (w->dtype == INGRAIN_F8E4M3) {
    if (!w->scales)
      return refuse(ctx, INGRAIN_INVALID_ARGUMENT, "pack: scales of an F8E4M3 weight: null, expected %ld floats",
                    static_cast<long>(w->rows));
    fp8* const out = static_cast<fp8*>(w->data) + row * C;
    return launch(wide ? scale_rows<S, 8> : scale_rows<S, 1>, grid, threads, 0, ctx, out, w->scales + row, in, C, ld);
  }
  if (quantized_dtype(w->dtype)) {
    const Groups groups = groups_of(w);
    return launch(quantize_groups<S>, blocks_for(rows * groups.n, threads), threads, 0, ctx, groups, in, row, rows, ld);
  }
  return with_dtype(ctx, w->dtype, [&]<class E>() {
    return launch(wide ? copy_rows<E, S, 8> : copy_rows<E, S, 1>, grid, threads, 0, ctx,
                  static_cast<E*>(w->data) + row * C, in, C, ld);
  });
}

ingrain_status check_rows(ingrain_context* ctx, const ingrain_weight* w, int64_t row, int64_t rows) {
  if (ingrain_status status = check_groups(ctx, w)) return status;
  if (row < 0 || rows < 0 || row + rows > w->rows)
    return refuse(ctx, INGRAIN_INVALID_ARGUMENT, "pack: rows [%ld, %ld) of a weight of %ld rows",
                  static_cast<long>(row), static_cast<long>(row + rows), static_cast<long>(w->rows));
  return INGRAIN_OK;
}

}  // namespace

extern "C" ingrain_status ingrain_pack(ingrain_context* ctx, const ingrain_weight* w, const void* source,
                                       int32_t source_dtype, int64_t row, int64_t rows, int64_t ld) {
  if (ingrain_status status = check_rows(ctx, w, row, rows)) return status;
  switch (source_dtype) {
    case INGRAIN_F32: return pack_from<float>(ctx, w, source, row, rows, ld);
    case INGRAIN_BF16: return pack_from<bf16>(ctx, w, source, row, rows, ld);
    case INGRAIN_F16: return pack_from<f16>(ctx, w, source, row, rows, ld);
  }
  return refuse(ctx, INGRAIN_UNSUPPORTED, "pack: source dtype %d: expected F32 (0), BF16 (1) or F16 (2)", source_dtype);
}
INGRAIN_EXPORT_OP(pack)

extern "C" ingrain_status ingrain_pack_quantized(ingrain_context* ctx, const ingrain_weight* w, const void* values,
                                                 const void* scales, const void* zeros, int64_t row, int64_t rows) {
  if (ingrain_status status = check_rows(ctx, w, row, rows)) return status;
  if (!quantized_dtype(w->dtype) || (w->zeros != 0) != (zeros != nullptr))
    return refuse(ctx, INGRAIN_INVALID_ARGUMENT,
                  "pack_quantized: a weight of dtype %d %s zero points, parts %s: expected INT8 (6) or INT4 (7), "
                  "and zero points in both or in neither",
                  w->dtype, w->zeros ? "with" : "without", zeros ? "with them" : "without them");
  const Groups to = groups_of(w);
  if (ingrain_status status =
          ingrain_copy(ctx, to.values + row * to.row_bytes, values, rows * to.row_bytes))
    return status;
  if (ingrain_status status = ingrain_copy(ctx, to.scales + row * to.n, scales, rows * to.n * 2)) return status;
  return zeros ? ingrain_copy(ctx, to.zeros + row * to.n, zeros, rows * to.n) : INGRAIN_OK;
}
INGRAIN_EXPORT_OP(pack_quantized)

extern "C" int64_t ingrain_weight_bytes(int32_t dtype, int32_t, int64_t rows, int64_t columns, int32_t group,
                                        int32_t zeros) {
  int64_t bytes = 0;
  if (quantized_dtype(dtype)) return groups_in(nullptr, dtype, rows, columns, group, zeros, &bytes), bytes;
  return rows * columns * (dtype == INGRAIN_F8E4M3 ? 1 : dtype == INGRAIN_BF16 ? 2 : 4);
}
