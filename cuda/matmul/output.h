// The outputs of few_rows.h and mid_rows.h.
#pragma once
#include "dtype.h"

struct Output {
  void* data;
  int32_t dtype;  // F32 or BF16
  float beta;

  // Sets element `at` to beta·element + value. With beta 0, the element is not read.
  __device__ __forceinline__ void put(int64_t at, float value) const {
    float* const y32 = static_cast<float*>(data);
    bf16* const y16 = static_cast<bf16*>(data);
    if (beta != 0) value = __fadd_rn(__fmul_rn(beta, dtype == INGRAIN_F32 ? y32[at] : to_float(y16[at])), value);
    if (dtype == INGRAIN_F32) y32[at] = value;
    else y16[at] = from_float<bf16>(value);
  }
};
