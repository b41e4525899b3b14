#pragma GCC diagnostic ignored "-Wunused-parameter"
#include "ingrain.h"
extern "C" ingrain_status ingrain_random_normal(ingrain_context* ctx, void* y, int32_t dtype, int64_t n, float std, int64_t seed) { return INGRAIN_UNSUPPORTED; }
INGRAIN_EXPORT_OP(random_normal)
