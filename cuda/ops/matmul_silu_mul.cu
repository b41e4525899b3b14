#pragma GCC diagnostic ignored "-Wunused-parameter"
#include "ingrain.h"
extern "C" ingrain_status ingrain_matmul_silu_mul_forward(ingrain_context* ctx, void* y, void* gate_up, const void* x,
                                                           const ingrain_weight* w, int32_t dtype, int64_t T) { return INGRAIN_UNSUPPORTED; }
INGRAIN_EXPORT_OP(matmul_silu_mul_forward)
