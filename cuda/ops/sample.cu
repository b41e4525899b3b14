#pragma GCC diagnostic ignored "-Wunused-parameter"
#include "ingrain.h"
extern "C" ingrain_status ingrain_sample(ingrain_context* ctx, int32_t* ids, float* log_probabilities, const float* logits,
                                          const float* temperature, const int32_t* top_k, const float* top_p, const int64_t* seeds,
                                          const int32_t* sequences, const int32_t* positions, int64_t M, int64_t V) { return INGRAIN_UNSUPPORTED; }
INGRAIN_EXPORT_OP(sample)
