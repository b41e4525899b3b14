#pragma GCC diagnostic ignored "-Wunused-parameter"
#include "ingrain.h"
extern "C" ingrain_status ingrain_communicator_create(ingrain_communicator** communicator, int32_t ranks) { return INGRAIN_UNSUPPORTED; }
extern "C" ingrain_status ingrain_communicator_destroy(ingrain_communicator* communicator) { return INGRAIN_UNSUPPORTED; }
extern "C" ingrain_status ingrain_communicator_join(ingrain_context* ctx, ingrain_communicator* communicator, int32_t rank) { return INGRAIN_UNSUPPORTED; }
