// Functions that only call the correct library: contexts, memory, events, graphs, communicators, sizes.
#include "right.h"

#include <dlfcn.h>
#include <string>

namespace {
void* open_right() {
  Dl_info here;
  if (!dladdr(reinterpret_cast<void*>(&wrong::find), &here)) return nullptr;
  const std::string path = here.dli_fname;
  return dlopen((path.substr(0, path.rfind('/') + 1) + "libingrain_cpu.so").c_str(), RTLD_NOW | RTLD_LOCAL);
}
}  // namespace

void* wrong::find(const char* symbol) {
  static void* const library = open_right();
  return library ? dlsym(library, symbol) : nullptr;
}

#define FORWARD(result, name, parameters, arguments) \
  result ingrain_##name parameters { return RIGHT(name) arguments; }

extern "C" {
FORWARD(ingrain_status, context_create,
        (ingrain_context** context, int32_t device, int32_t threads, const char* isa, char* error, int64_t error_bytes),
        (context, device, threads, isa, error, error_bytes))
FORWARD(ingrain_status, context_destroy, (ingrain_context* ctx), (ctx))
FORWARD(const char*, last_error, (ingrain_context* ctx), (ctx))
FORWARD(ingrain_status, context_describe, (ingrain_context * ctx, char* json, int64_t json_bytes),
        (ctx, json, json_bytes))
FORWARD(ingrain_status, device_count, (int32_t* count), (count))
FORWARD(ingrain_status, can_access_peer, (int32_t* can, int32_t device, int32_t peer), (can, device, peer))
FORWARD(int32_t, abi_version, (void), ())
FORWARD(ingrain_status, native_stream, (ingrain_context* ctx, void** stream), (ctx, stream))
FORWARD(ingrain_status, set_deterministic, (ingrain_context* ctx, int32_t deterministic), (ctx, deterministic))
FORWARD(ingrain_status, set_error, (ingrain_context* ctx, const char* text), (ctx, text))
FORWARD(ingrain_status, parallel_for,
        (ingrain_context * ctx, int64_t n, int64_t grain, void (*body)(void* state, int64_t begin, int64_t end),
         void* state),
        (ctx, n, grain, body, state))
FORWARD(ingrain_status, trace, (ingrain_context* ctx, int32_t on), (ctx, on))
FORWARD(int32_t, tracing, (ingrain_context* ctx), (ctx))
FORWARD(ingrain_status, trace_add, (ingrain_context* ctx, const char* line), (ctx, line))
FORWARD(ingrain_status, trace_read, (ingrain_context* ctx, char* text, int64_t text_bytes), (ctx, text, text_bytes))

FORWARD(ingrain_status, malloc, (ingrain_context* ctx, void** pointer, int64_t bytes), (ctx, pointer, bytes))
FORWARD(ingrain_status, free, (ingrain_context* ctx, void* pointer), (ctx, pointer))
FORWARD(ingrain_status, host_malloc, (ingrain_context* ctx, void** pointer, int64_t bytes), (ctx, pointer, bytes))
FORWARD(ingrain_status, host_free, (ingrain_context* ctx, void* pointer), (ctx, pointer))
FORWARD(ingrain_status, copy_to_device, (ingrain_context * ctx, void* device, const void* host, int64_t bytes),
        (ctx, device, host, bytes))
FORWARD(ingrain_status, copy_to_host, (ingrain_context * ctx, void* host, const void* device, int64_t bytes),
        (ctx, host, device, bytes))
FORWARD(ingrain_status, copy, (ingrain_context * ctx, void* destination, const void* source, int64_t bytes),
        (ctx, destination, source, bytes))
FORWARD(ingrain_status, fill_zero, (ingrain_context* ctx, void* pointer, int64_t bytes), (ctx, pointer, bytes))
FORWARD(ingrain_status, workspace, (ingrain_context* ctx, void** pointer, int64_t* bytes), (ctx, pointer, bytes))
FORWARD(ingrain_status, workspace_reserve, (ingrain_context* ctx, int64_t bytes), (ctx, bytes))
FORWARD(ingrain_status, memory_info, (ingrain_context * ctx, int64_t* free_bytes, int64_t* total_bytes),
        (ctx, free_bytes, total_bytes))
FORWARD(ingrain_status, synchronize, (ingrain_context* ctx), (ctx))

FORWARD(ingrain_status, event_create, (ingrain_context* ctx, ingrain_event** event), (ctx, event))
FORWARD(ingrain_status, event_destroy, (ingrain_context* ctx, ingrain_event* event), (ctx, event))
FORWARD(ingrain_status, event_record, (ingrain_context* ctx, ingrain_event* event), (ctx, event))
FORWARD(ingrain_status, event_query, (ingrain_context* ctx, ingrain_event* event, int32_t* done), (ctx, event, done))
FORWARD(ingrain_status, event_wait, (ingrain_context* ctx, ingrain_event* event), (ctx, event))
FORWARD(ingrain_status, event_elapsed,
        (ingrain_context * ctx, float* milliseconds, ingrain_event* start, ingrain_event* end),
        (ctx, milliseconds, start, end))
FORWARD(ingrain_status, graph_begin, (ingrain_context* ctx), (ctx))
FORWARD(ingrain_status, graph_end, (ingrain_context* ctx, ingrain_graph** graph), (ctx, graph))
FORWARD(ingrain_status, graph_launch, (ingrain_context* ctx, ingrain_graph* graph), (ctx, graph))
FORWARD(ingrain_status, graph_destroy, (ingrain_context* ctx, ingrain_graph* graph), (ctx, graph))

FORWARD(ingrain_status, communicator_create, (ingrain_communicator * *communicator, int32_t ranks),
        (communicator, ranks))
FORWARD(ingrain_status, communicator_destroy, (ingrain_communicator* communicator), (communicator))
FORWARD(ingrain_status, communicator_set_limit, (ingrain_communicator* communicator, float seconds),
        (communicator, seconds))
FORWARD(ingrain_status, communicator_register, (ingrain_context * ctx, void* pointer, int64_t bytes),
        (ctx, pointer, bytes))
FORWARD(ingrain_status, communicator_join, (ingrain_context * ctx, ingrain_communicator* communicator, int32_t rank),
        (ctx, communicator, rank))

FORWARD(int64_t, weight_bytes,
        (int32_t dtype, int32_t layout, int64_t rows, int64_t columns, int32_t group, int32_t zeros),
        (dtype, layout, rows, columns, group, zeros))
FORWARD(int64_t, matmul_workspace_bytes,
        (int32_t weight_dtype, int64_t rows, int64_t columns, int64_t T, int32_t backward),
        (weight_dtype, rows, columns, T, backward))
FORWARD(int64_t, kv_cache_block_bytes, (int32_t cache_dtype, int64_t block_size, int64_t K, int64_t E),
        (cache_dtype, block_size, K, E))
}  // extern "C"
