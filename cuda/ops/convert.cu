// convert: y = x converted to another element type, rounded to nearest even.
// Shapes   y, x (n)                                                Types  x f32|bf16|f16, y f32|bf16
// Needs    nothing (wide accesses if the pointers allow), scratch 0         Mapping  one thread per eight elements
// Bound    memory: n elements read, n written                      Oracle native/ops/convert.cc  Test ConvertParityTest
#include "dtype.h"

namespace {

constexpr int threads = 256, width = 8;

template <class Y, class X> __global__ void convert(Y* y, const X* x, int64_t n, bool aligned) {
  const int64_t i = (static_cast<int64_t>(blockIdx.x) * threads + threadIdx.x) * width;
  if (aligned && i + width <= n) {
    const Vec<X, width> in = load<width>(x + i);
    Vec<Y, width> out;
#pragma unroll
    for (int j = 0; j < width; ++j) out.v[j] = from_float<Y>(to_float(in.v[j]));
    store(y + i, out);
    return;
  }
  for (int64_t j = i; j < n && j < i + width; ++j) y[j] = from_float<Y>(to_float(x[j]));
}

template <class Y, class X> ingrain_status start(ingrain_context* ctx, Y* y, const void* x, int64_t n) {
  const bool aligned = (reinterpret_cast<uintptr_t>(y) | reinterpret_cast<uintptr_t>(x)) % 32 == 0;
  return launch(convert<Y, X>, blocks_for(n, threads * width), threads, 0, ctx, y, static_cast<const X*>(x), n,
                aligned);
}

}  // namespace

extern "C" ingrain_status ingrain_convert(ingrain_context* ctx, void* y, const void* x, int32_t y_dtype,
                                          int32_t x_dtype, int64_t n) {
  return with_dtype(ctx, y_dtype, [&]<class Y>() {
    switch (x_dtype) {
      case INGRAIN_F32: return start<Y, float>(ctx, static_cast<Y*>(y), x, n);
      case INGRAIN_BF16: return start<Y, bf16>(ctx, static_cast<Y*>(y), x, n);
      case INGRAIN_F16: return start<Y, f16>(ctx, static_cast<Y*>(y), x, n);
    }
    return refuse(ctx, INGRAIN_UNSUPPORTED, "convert: x dtype %d: expected F32 (0), BF16 (1) or F16 (2)", x_dtype);
  });
}
INGRAIN_EXPORT_OP(convert)
