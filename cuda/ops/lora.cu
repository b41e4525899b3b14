#pragma GCC diagnostic ignored "-Wunused-parameter"
#include "ingrain.h"
extern "C" ingrain_status ingrain_lora_down_forward(ingrain_context* ctx, float* u, const void* x, const float* A, const int32_t* slots,
                                                     int32_t dtype, int64_t T, int64_t C, int64_t R, float dropout, int64_t seed) { return INGRAIN_UNSUPPORTED; }
INGRAIN_EXPORT_OP(lora_down_forward)
extern "C" ingrain_status ingrain_lora_up_forward(ingrain_context* ctx, void* y, const float* u, const float* B, const float* scaling,
                                                   const int32_t* slots, int32_t dtype, int64_t T, int64_t N, int64_t R, int64_t ld) { return INGRAIN_UNSUPPORTED; }
INGRAIN_EXPORT_OP(lora_up_forward)
extern "C" ingrain_status ingrain_lora_up_backward(ingrain_context* ctx, float* du, float* dB, const void* dy, const float* u, const float* B,
                                                    int32_t dtype, int64_t T, int64_t N, int64_t R, int64_t ld, float scaling) { return INGRAIN_UNSUPPORTED; }
INGRAIN_EXPORT_OP(lora_up_backward)
extern "C" ingrain_status ingrain_lora_down_backward(ingrain_context* ctx, void* dx, float* dA, const float* du, const void* x, const float* A,
                                                      int32_t dtype, int64_t T, int64_t C, int64_t R, float dropout, int64_t seed) { return INGRAIN_UNSUPPORTED; }
INGRAIN_EXPORT_OP(lora_down_backward)
