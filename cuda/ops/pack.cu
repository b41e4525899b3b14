#pragma GCC diagnostic ignored "-Wunused-parameter"
#include "ingrain.h"
extern "C" ingrain_status ingrain_pack(ingrain_context* ctx, const ingrain_weight* w, const void* source, int32_t source_dtype,
                                        int64_t row, int64_t rows, int64_t ld) { return INGRAIN_UNSUPPORTED; }
INGRAIN_EXPORT_OP(pack)
extern "C" int64_t ingrain_weight_bytes(int32_t dtype, int32_t layout, int64_t rows, int64_t columns) { return 0; }
