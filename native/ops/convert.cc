// convert: y = x converted to another element type, rounded to nearest even.
// Shapes   y, x (n)                                                Types  x f32|bf16|f16, y f32|bf16
// Needs    nothing, scratch 0                                      Mapping  elements over threads, 16 lanes
// Bound    memory: n elements read, n written                      Oracle the definition  Test ConvertParityTest
#include "simd.h"

namespace ingrain::INGRAIN_ISA {
namespace {

template <class Y, class X>
ingrain_status convert_as(ingrain_context* ctx, Y* y, const X* x, int64_t n) {
  parallel_for(ctx, n, 65536, [&](int64_t begin, int64_t end) {
    int64_t i = begin;
    for (; i + lanes <= end; i += lanes) store(y + i, load(x + i));
    for (; i < end; ++i) y[i] = from_float<Y>(to_float(x[i]));
  });
  return INGRAIN_OK;
}

}  // namespace
}  // namespace ingrain::INGRAIN_ISA

INGRAIN_OP(convert, (ingrain_context * ctx, void* y, const void* x, int32_t y_dtype, int32_t x_dtype, int64_t n),
           (ctx, y, x, y_dtype, x_dtype, n)) {
  return with_dtype(ctx, y_dtype, [&]<class Y>() {
    switch (x_dtype) {
      case INGRAIN_F32: return convert_as(ctx, static_cast<Y*>(y), static_cast<const float*>(x), n);
      case INGRAIN_BF16: return convert_as(ctx, static_cast<Y*>(y), static_cast<const bf16*>(x), n);
      case INGRAIN_F16: return convert_as(ctx, static_cast<Y*>(y), static_cast<const f16*>(x), n);
    }
    return ctx->fail(INGRAIN_UNSUPPORTED, "convert: x dtype %d: expected F32 (0), BF16 (1) or F16 (2)", x_dtype);
  });
}
