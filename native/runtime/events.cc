// Events and graphs of the CPU. An op has run when its call returns, so an event is a time stamp. Graphs are not
// supported.
#include "context.h"

#include <chrono>

struct ingrain_event {
  std::chrono::steady_clock::time_point time;
  bool recorded = false;
};

extern "C" {

ingrain_status ingrain_event_create(ingrain_context*, ingrain_event** event) {
  *event = new ingrain_event;
  return INGRAIN_OK;
}
ingrain_status ingrain_event_destroy(ingrain_context*, ingrain_event* event) {
  delete event;
  return INGRAIN_OK;
}
ingrain_status ingrain_event_record(ingrain_context*, ingrain_event* event) {
  event->time = std::chrono::steady_clock::now();
  event->recorded = true;
  return INGRAIN_OK;
}
ingrain_status ingrain_event_query(ingrain_context*, ingrain_event*, int32_t* done) {
  *done = 1;
  return INGRAIN_OK;
}
ingrain_status ingrain_event_wait(ingrain_context*, ingrain_event*) { return INGRAIN_OK; }

ingrain_status ingrain_event_elapsed(ingrain_context* ctx, float* milliseconds, ingrain_event* start,
                                     ingrain_event* end) {
  if (!start->recorded || !end->recorded)
    return ctx->fail(INGRAIN_INVALID_ARGUMENT, "elapsed: the %s event was never recorded",
                     start->recorded ? "end" : "start");
  *milliseconds = std::chrono::duration<float, std::milli>(end->time - start->time).count();
  return INGRAIN_OK;
}

ingrain_status ingrain_graph_begin(ingrain_context*) { return INGRAIN_OK; }
ingrain_status ingrain_graph_end(ingrain_context*, ingrain_graph** graph) {
  *graph = nullptr;
  return INGRAIN_OK;
}
ingrain_status ingrain_graph_launch(ingrain_context* ctx, ingrain_graph*) {
  return ctx->fail(INGRAIN_INVALID_ARGUMENT, "the CPU backend has no graphs to launch: call the ops");
}
ingrain_status ingrain_graph_destroy(ingrain_context*, ingrain_graph*) { return INGRAIN_OK; }

}  // extern "C"
