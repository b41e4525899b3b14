// Events and graphs.
#include "communicator.h"

struct ingrain_event {
  cudaEvent_t event = nullptr;
};
struct ingrain_graph {
  cudaGraphExec_t executable = nullptr;
  ingrain::Call nccl{};                   // the first NCCL call in the graph; op is null if there is none
  std::shared_ptr<ingrain::Peers> peers;  // the ranks of this call
};

extern "C" {

ingrain_status ingrain_event_create(ingrain_context* ctx, ingrain_event** event) {
  *event = nullptr;
  if (ingrain_status status = cuda_status(ctx, ctx->use(), "event_create")) return status;
  cudaEvent_t made = nullptr;
  if (ingrain_status status = cuda_status(ctx, cudaEventCreateWithFlags(&made, cudaEventDefault), "event_create"))
    return status;
  *event = new ingrain_event{made};
  return INGRAIN_OK;
}
ingrain_status ingrain_event_destroy(ingrain_context* ctx, ingrain_event* event) {
  if (ingrain_status status = cuda_status(ctx, ctx->use(), "event_destroy")) return status;
  const cudaError_t error = cudaEventDestroy(event->event);
  delete event;
  return cuda_status(ctx, error, "event_destroy");
}
ingrain_status ingrain_event_record(ingrain_context* ctx, ingrain_event* event) {
  if (ingrain_status status = cuda_status(ctx, ctx->use(), "event_record")) return status;
  return cuda_status(ctx, cudaEventRecord(event->event, ctx->stream), "event_record");
}
ingrain_status ingrain_event_query(ingrain_context* ctx, ingrain_event* event, int32_t* done) {
  if (ingrain_status status = cuda_status(ctx, ctx->use(), "event_query")) return status;
  const cudaError_t error = cudaEventQuery(event->event);
  *done = error == cudaSuccess;
  if (error == cudaErrorNotReady) return INGRAIN_OK;
  if (ingrain_status status = cuda_status(ctx, error, "event_query")) return status;
  return ingrain::check_ranks(ctx);
}
ingrain_status ingrain_event_wait(ingrain_context* ctx, ingrain_event* event) {
  if (ingrain_status status = cuda_status(ctx, ctx->use(), "event_wait")) return status;
  if (ingrain_status status = cuda_status(ctx, cudaEventSynchronize(event->event), "event_wait")) return status;
  return ingrain::check_ranks(ctx);
}
ingrain_status ingrain_event_elapsed(ingrain_context* ctx, float* milliseconds, ingrain_event* start,
                                     ingrain_event* end) {
  if (ingrain_status status = ingrain_event_wait(ctx, end)) return status;
  return cuda_status(ctx, cudaEventElapsedTime(milliseconds, start->event, end->event), "event_elapsed");
}

ingrain_status ingrain_graph_begin(ingrain_context* ctx) {
  if (ingrain_status status = cuda_status(ctx, ctx->use(), "graph_begin")) return status;
  return cuda_status(ctx, cudaStreamBeginCapture(ctx->stream, cudaStreamCaptureModeThreadLocal), "graph_begin");
}
ingrain_status ingrain_graph_end(ingrain_context* ctx, ingrain_graph** graph) {
  *graph = nullptr;
  const ingrain::Call nccl = ctx->peers ? ctx->peers->take_captured(ctx) : ingrain::Call{};
  if (ingrain_status status = cuda_status(ctx, ctx->use(), "graph_end")) return status;
  cudaGraph_t captured = nullptr;
  if (ingrain_status status = cuda_status(ctx, cudaStreamEndCapture(ctx->stream, &captured), "graph_end"))
    return status;
  cudaGraphExec_t executable = nullptr;
  const cudaError_t error = cudaGraphInstantiate(&executable, captured, 0);
  cudaGraphDestroy(captured);
  if (ingrain_status status = cuda_status(ctx, error, "graph_end")) return status;
  *graph = new ingrain_graph{executable, nccl, nccl.op ? ctx->peers : nullptr};
  return INGRAIN_OK;
}
ingrain_status ingrain_graph_launch(ingrain_context* ctx, ingrain_graph* graph) {
  if (ingrain_status status = cuda_status(ctx, ctx->use(), "graph_launch")) return status;
  if (graph->nccl.op)
    if (ingrain_status status = graph->peers->meet(ctx, graph->nccl)) return status;
  return cuda_status(ctx, cudaGraphLaunch(graph->executable, ctx->stream), "graph_launch");
}
ingrain_status ingrain_graph_destroy(ingrain_context* ctx, ingrain_graph* graph) {
  if (!graph) return INGRAIN_OK;
  if (ingrain_status status = cuda_status(ctx, ctx->drain(), "graph_destroy")) return status;
  const cudaError_t error = cudaGraphExecDestroy(graph->executable);
  delete graph;
  return cuda_status(ctx, error, "graph_destroy");
}

}  // extern "C"
