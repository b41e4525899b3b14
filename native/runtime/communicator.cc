#include "context.h"

#include <memory>

// A handle that shares the ownership of the Meeting with the contexts that joined. So a collective that a rank calls
// after the communicator was destroyed returns an error and does not access freed memory.
struct ingrain_communicator {
  std::shared_ptr<ingrain::Meeting> meeting;
};

namespace {

// The default limit in seconds. In training, a rank may have to wait while another rank computes a whole micro-batch.
constexpr double default_limit = 3600;

}  // namespace

extern "C" {

ingrain_status ingrain_communicator_create(ingrain_communicator** communicator, int32_t ranks) {
  *communicator = nullptr;
  if (ranks < 1) return INGRAIN_INVALID_ARGUMENT;
  *communicator = new ingrain_communicator{std::make_shared<ingrain::Meeting>(ranks, default_limit)};
  return INGRAIN_OK;
}

ingrain_status ingrain_communicator_destroy(ingrain_communicator* communicator) {
  communicator->meeting->end({});
  delete communicator;
  return INGRAIN_OK;
}

ingrain_status ingrain_communicator_set_limit(ingrain_communicator* communicator, float seconds) {
  if (!(seconds > 0)) return INGRAIN_INVALID_ARGUMENT;
  communicator->meeting->set_limit(seconds);
  return INGRAIN_OK;
}

ingrain_status ingrain_communicator_join(ingrain_context* ctx, ingrain_communicator* communicator, int32_t rank) {
  if (rank < 0 || rank >= communicator->meeting->ranks())
    return ctx->fail(INGRAIN_INVALID_ARGUMENT, "rank %d: expected 0 to %d", rank, communicator->meeting->ranks() - 1);
  ctx->meeting = communicator->meeting;
  ctx->rank = rank;
  communicator->meeting->set_device(rank, "cpu");
  return INGRAIN_OK;
}

// Does nothing: a rank can read any memory of the other ranks, because all are threads of one process.
ingrain_status ingrain_communicator_register(ingrain_context*, void*, int64_t) { return INGRAIN_OK; }

}  // extern "C"
