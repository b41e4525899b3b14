#pragma GCC diagnostic ignored "-Wunused-parameter"
#include "ingrain.h"
extern "C" ingrain_status ingrain_convert(ingrain_context* ctx, void* y, const void* x, int32_t y_dtype, int32_t x_dtype, int64_t n) { return INGRAIN_UNSUPPORTED; }
INGRAIN_EXPORT_OP(convert)
