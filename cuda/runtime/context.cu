// Contexts: opens and describes a device, and manages its error text and workspace.
#include "context.h"
#include "counters.h"

#include "blas_lt.h"

#include <algorithm>
#include <string_view>

namespace {

constexpr int64_t first_workspace_bytes = 64 << 20;  // large enough for every op except fp8 products

ingrain_status explain(char* error, int64_t bytes, ingrain_status status, const std::string& text) {
  if (error && bytes > 0) snprintf(error, static_cast<size_t>(bytes), "%s", text.c_str());
  return status;
}

#ifdef INGRAIN_SIMT
constexpr const char* backend = "simt";
constexpr int64_t driver_bytes = 0;
constexpr std::string_view orders = "auto, ascending or descending";
bool known(std::string_view isa) { return isa == "auto" || isa == "ascending" || isa == "descending"; }
void choose_order(ingrain_context& context, std::string_view isa) {
  context.descending = isa == "descending";
  simt::set_descending(context.stream, context.descending);
}
std::string isa_of(const ingrain_context& context) { return context.descending ? "descending" : "ascending"; }
#else
constexpr const char* backend = "cuda";
// Memory that the driver uses for loaded kernels (those of this library and of cuBLASLt) and for one graph per batch
// size.
constexpr int64_t driver_bytes = int64_t{1} << 30;
constexpr std::string_view orders = "auto";
bool known(std::string_view isa) { return isa == "auto"; }
void choose_order(ingrain_context&, std::string_view) {}
std::string isa_of(const ingrain_context& context) {
  return "sm_" + std::to_string(context.properties.major) + std::to_string(context.properties.minor);
}
#endif

// Allocates the workspace, followed by the counters of counters.h.
cudaError_t allocate_workspace(ingrain_context& context, int64_t bytes) {
  cudaError_t error = cudaMalloc(&context.workspace, static_cast<size_t>(bytes + counter_bytes));
  if (error == cudaSuccess)
    error = cudaMemsetAsync(static_cast<char*>(context.workspace) + bytes, 0, counter_bytes, context.stream);
  if (error == cudaSuccess) context.workspace_bytes = bytes;
  return error;
}

cudaError_t open(ingrain_context& context) {
  cudaError_t error = context.use();
  if (error == cudaSuccess) error = cudaGetDeviceProperties(&context.properties, context.device);
  if (error == cudaSuccess) error = cudaStreamCreateWithFlags(&context.stream, cudaStreamNonBlocking);
  if (error == cudaSuccess) error = allocate_workspace(context, first_workspace_bytes);
  return error;
}

std::string fallbacks_of(const ingrain_context& context) {
  std::string members;
  for (const auto& [what, calls] : context.fallbacks)
    members += (members.empty() ? "\"" : ", \"") + what + "\": " + std::to_string(calls);
  return members;
}

void release(ingrain_context* context) {
  if (context->workspace) cudaFree(context->workspace);
  if (context->stream) cudaStreamDestroy(context->stream);
  delete context;
}

}  // namespace

extern "C" {

ingrain_status ingrain_context_create(ingrain_context** context, int32_t device, int32_t, const char* isa, char* error,
                                      int64_t error_bytes) {
  *context = nullptr;
  const std::string_view wanted = isa ? isa : "auto";
  if (!known(wanted))
    return explain(error, error_bytes, INGRAIN_INVALID_ARGUMENT,
                   "instruction set '" + std::string(wanted) + "', expected " + std::string(orders));
  int count = 0;
  const cudaError_t counted = cudaGetDeviceCount(&count);
  if (counted != cudaSuccess || count == 0) {
    cudaGetLastError();
    return explain(error, error_bytes, INGRAIN_DEVICE_ERROR,
                   std::string("no CUDA device can be used: ") + cudaGetErrorString(counted));
  }
  if (device < 0 || device >= count)
    return explain(error, error_bytes, INGRAIN_INVALID_ARGUMENT,
                   "device " + std::to_string(device) + ", expected 0 to " + std::to_string(count - 1));
  auto* made = new ingrain_context;
  made->device = device;
  const cudaError_t opened = open(*made);
  if (opened == cudaSuccess && made->properties.major >= 8) {
    choose_order(*made, wanted);
    ingrain::open_blas(made);
    *context = made;
    return INGRAIN_OK;
  }
  cudaGetLastError();
  const std::string why = opened != cudaSuccess ? cudaGetErrorString(opened)
                                                : "compute capability " + std::to_string(made->properties.major) + "." +
                                                      std::to_string(made->properties.minor) + ", expected 8.0 or more";
  release(made);
  return explain(error, error_bytes, opened == cudaErrorMemoryAllocation ? INGRAIN_OUT_OF_MEMORY : INGRAIN_DEVICE_ERROR,
                 "device " + std::to_string(device) + ": " + why);
}

ingrain_status ingrain_context_destroy(ingrain_context* ctx) {
  ctx->use();
  cudaStreamSynchronize(ctx->stream);
  release(ctx);
  return INGRAIN_OK;
}

const char* ingrain_last_error(ingrain_context* ctx) { return ctx->error.c_str(); }

ingrain_status ingrain_set_error(ingrain_context* ctx, const char* text) {
  ctx->error = text;
  return INGRAIN_OK;
}

ingrain_status ingrain_trace(ingrain_context* ctx, int32_t on) {
  ctx->tracing = on != 0;
  if (on) ctx->trace.clear();
  return INGRAIN_OK;
}

int32_t ingrain_tracing(ingrain_context* ctx) { return ctx->tracing; }

ingrain_status ingrain_trace_add(ingrain_context* ctx, const char* line) {
  if (ctx->tracing) ctx->trace += std::string(line) + "\n";
  return INGRAIN_OK;
}

ingrain_status ingrain_trace_read(ingrain_context* ctx, char* text, int64_t text_bytes) {
  if (static_cast<int64_t>(ctx->trace.size()) >= text_bytes)
    return refuse(ctx, INGRAIN_INVALID_ARGUMENT, "trace_read: text has %ld bytes, expected %zu",
                  static_cast<long>(text_bytes), ctx->trace.size() + 1);
  memcpy(text, ctx->trace.c_str(), ctx->trace.size() + 1);
  return INGRAIN_OK;
}

ingrain_status ingrain_context_describe(ingrain_context* ctx, char* json, int64_t json_bytes) {
  const std::string text = std::string("{\"backend\": \"") + backend + "\", \"name\": \"" + ctx->properties.name +
                           "\", \"isa\": \"" + isa_of(*ctx) +
                           "\", \"threads\": " + std::to_string(ctx->properties.multiProcessorCount) +
                           ", \"memory_bytes\": " + std::to_string(ctx->properties.totalGlobalMem) +
                           ", \"graphs\": true, \"driver_bytes\": " + std::to_string(driver_bytes) +
                           ", \"fallbacks\": {" + fallbacks_of(*ctx) + "}}";
  if (static_cast<int64_t>(text.size()) >= json_bytes)
    return refuse(ctx, INGRAIN_INVALID_ARGUMENT, "describe needs %zu bytes, json has %ld", text.size() + 1,
                  static_cast<long>(json_bytes));
  memcpy(json, text.c_str(), text.size() + 1);
  return INGRAIN_OK;
}

}  // extern "C"

namespace ingrain {
void note_fallback(ingrain_context* ctx, const char* what) {
  constexpr size_t most = 32;  // limits the length of the text of context_describe
  const bool listed = ctx->fallbacks.size() < most || ctx->fallbacks.contains(what);
  ++ctx->fallbacks[listed ? what : "ops of other sizes"];
}
}  // namespace ingrain

extern "C" {

ingrain_status ingrain_device_count(int32_t* count) {
  int found = 0;
  *count = cudaGetDeviceCount(&found) == cudaSuccess ? found : 0;
  cudaGetLastError();
  return INGRAIN_OK;
}

ingrain_status ingrain_can_access_peer(int32_t* can, int32_t device, int32_t peer) {
  int32_t count = 0;
  ingrain_device_count(&count);
  if (std::min(device, peer) < 0 || std::max(device, peer) >= count) return INGRAIN_INVALID_ARGUMENT;
  *can = 1;
  if (device == peer || cudaDeviceCanAccessPeer(can, device, peer) == cudaSuccess) return INGRAIN_OK;
  cudaGetLastError();
  return INGRAIN_DEVICE_ERROR;
}

int32_t ingrain_abi_version(void) { return INGRAIN_ABI_VERSION; }

ingrain_status ingrain_native_stream(ingrain_context* ctx, void** stream) {
  *stream = ctx->stream;
  return cuda_status(ctx, ctx->use(), "native_stream");
}

ingrain_status ingrain_set_deterministic(ingrain_context* ctx, int32_t deterministic) {
  ctx->deterministic = deterministic != 0;
  return INGRAIN_OK;
}

ingrain_status ingrain_parallel_for(ingrain_context* ctx, int64_t, int64_t, void (*)(void*, int64_t, int64_t), void*) {
  return refuse(ctx, INGRAIN_UNSUPPORTED, "parallel_for: a GPU's context has no host threads");
}

ingrain_status ingrain_workspace(ingrain_context* ctx, void** pointer, int64_t* bytes) {
  *pointer = ctx->workspace;
  *bytes = ctx->workspace_bytes;
  return INGRAIN_OK;
}

ingrain_status ingrain_workspace_reserve(ingrain_context* ctx, int64_t bytes) {
  if (bytes <= ctx->workspace_bytes) return INGRAIN_OK;
  if (ingrain_status status = ingrain_synchronize(ctx)) return status;
  cudaFree(ctx->workspace);
  ctx->workspace = nullptr;
  ctx->workspace_bytes = 0;
  return cuda_status(ctx, allocate_workspace(*ctx, (bytes + 255) / 256 * 256), "workspace");
}

}  // extern "C"
