#pragma GCC diagnostic ignored "-Wunused-parameter"
#include "ingrain.h"
extern "C" ingrain_status ingrain_embedding_forward(ingrain_context* ctx, void* y, const int32_t* ids, const ingrain_weight* table,
                                                     int32_t dtype, int64_t T) { return INGRAIN_UNSUPPORTED; }
INGRAIN_EXPORT_OP(embedding_forward)
extern "C" ingrain_status ingrain_embedding_backward(ingrain_context* ctx, float* dtable, const void* dy, const int32_t* ids,
                                                      int32_t dtype, int64_t T, int64_t D) { return INGRAIN_UNSUPPORTED; }
INGRAIN_EXPORT_OP(embedding_backward)
