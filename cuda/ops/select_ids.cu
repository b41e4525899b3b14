#pragma GCC diagnostic ignored "-Wunused-parameter"
#include "ingrain.h"
extern "C" ingrain_status ingrain_select_ids(ingrain_context* ctx, int32_t* ids, const int32_t* given, const int32_t* source,
                                              const int32_t* drawn, int64_t T) { return INGRAIN_UNSUPPORTED; }
INGRAIN_EXPORT_OP(select_ids)
