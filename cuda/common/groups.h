// The parts of an INT8 or INT4 weight. On GPUs both layouts are the ROW_MAJOR layout of ingrain.h.
#pragma once
#include "dtype.h"

struct Groups {
  unsigned char* values;  // (N, row_bytes)
  f16* scales;            // (N, n)
  unsigned char* zeros;   // (N, n) or null
  int64_t columns, row_bytes, n;
  int group;
  bool int4;

  __device__ __forceinline__ float element(int64_t row, int64_t c) const {
    const int64_t at = row * n + c / group;
    const unsigned char byte = values[row * row_bytes + (int4 ? c / 2 : c)];
    const int q = int4 ? (byte >> c % 2 * 4 & 15) - (zeros ? zeros[at] : 8) : static_cast<signed char>(byte);
    return static_cast<float>(q) * to_float(scales[at]);
  }
};

inline bool quantized_dtype(int32_t dtype) { return dtype == INGRAIN_INT8 || dtype == INGRAIN_INT4; }

// Returns the addresses of the parts in `values`. Also writes the size of all parts to `bytes` if it is not null.
inline Groups groups_in(void* values, int32_t dtype, int64_t rows, int64_t columns, int32_t group, int32_t zeros,
                        int64_t* bytes = nullptr) {
  const bool int4 = dtype == INGRAIN_INT4;
  const int64_t row_bytes = int4 ? (columns + 1) / 2 : columns, n = (columns + group - 1) / group;
  const int64_t scales_at = (rows * row_bytes + 63) / 64 * 64, zeros_at = (scales_at + rows * n * 2 + 63) / 64 * 64;
  if (bytes) *bytes = zeros ? zeros_at + rows * n : scales_at + rows * n * 2;
  unsigned char* const data = static_cast<unsigned char*>(values);
  return {data, reinterpret_cast<f16*>(data + scales_at), zeros ? data + zeros_at : nullptr, columns, row_bytes, n,
          group, int4};
}
inline Groups groups_of(const ingrain_weight* w) {
  return groups_in(w->data, w->dtype, w->rows, w->columns, w->group, w->zeros);
}

// Checks group, chunk and zeros of a quantized weight; accepts every other weight.
inline ingrain_status check_groups(ingrain_context* ctx, const ingrain_weight* w) {
  if (!quantized_dtype(w->dtype)) return INGRAIN_OK;
  if ((w->group != 32 && w->group != 64 && w->group != 128) || w->chunk % w->group != 0)
    return refuse(ctx, INGRAIN_INVALID_ARGUMENT,
                  "weight in groups of %d columns and chunks of %ld: expected groups of 32, 64 or 128 that divide a "
                  "chunk",
                  w->group, static_cast<long>(w->chunk));
  if (w->zeros != 0 && (w->zeros != 1 || w->dtype != INGRAIN_INT4))
    return refuse(ctx, INGRAIN_INVALID_ARGUMENT, "weight of dtype %d with zeros %d: expected 0, or 1 for INT4 (7)",
                  w->dtype, w->zeros);
  return INGRAIN_OK;
}
