#pragma GCC diagnostic ignored "-Wunused-parameter"
#include "ingrain.h"
extern "C" ingrain_status ingrain_all_reduce(ingrain_context* ctx, void* y, const float* partials, int32_t dtype, int64_t chunks, int64_t n) { return INGRAIN_UNSUPPORTED; }
INGRAIN_EXPORT_OP(all_reduce)
extern "C" ingrain_status ingrain_all_gather(ingrain_context* ctx, void* y, const void* x, int64_t bytes) { return INGRAIN_UNSUPPORTED; }
INGRAIN_EXPORT_OP(all_gather)
