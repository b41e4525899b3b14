#include "context.h"

#include <cpuid.h>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <exception>
#include <string_view>
#include <sys/syscall.h>
#include <thread>
#include <unistd.h>

namespace ingrain {

const char* isa_name(Isa isa) {
  switch (isa) {
    case Isa::avx2: return "avx2";
    case Isa::avx512: return "avx512";
    case Isa::avx512_bf16: return "avx512_bf16";
    case Isa::amx: return "amx";
  }
  return "unknown";
}

namespace {

// Returns whether the CPU has AMX with bf16 and int8. Also requests the permission that a Linux process needs before it
// can use tiles.
bool amx() {
  constexpr unsigned bf16 = 1u << 22, tile = 1u << 24, int8 = 1u << 25, all = bf16 | tile | int8;  // bits of edx
  constexpr long request_permission = 0x1023, tile_data = 18;  // ARCH_REQ_XCOMP_PERM and XFEATURE_XTILEDATA
  unsigned a, b, c, d;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (d & all) == all &&
         syscall(SYS_arch_prctl, request_permission, tile_data) == 0;
}

bool has(Isa isa) {
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
  const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  switch (isa) {
    case Isa::avx2: return avx2;
    case Isa::avx512: return avx512;
    case Isa::avx512_bf16:  // every CPU with AVX-512 BF16 has VNNI
    case Isa::amx:
      return avx512 && __builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512vnni") &&
             (isa == Isa::avx512_bf16 || amx());
  }
  return false;
}

ingrain_status explain(char* error, int64_t bytes, ingrain_status status, const std::string& text) {
  if (error && bytes > 0) snprintf(error, static_cast<size_t>(bytes), "%s", text.c_str());
  return status;
}

}  // namespace
}  // namespace ingrain

void ingrain_context::trace_op(const char* op) { trace += std::string(op) + " " + ingrain::isa_name(isa) + "\n"; }

ingrain_status ingrain_context::fail(ingrain_status status, const char* format, ...) {
  char line[1024];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(line, sizeof line, format, arguments);
  va_end(arguments);
  error = line;
  return status;
}

extern "C" {

ingrain_status ingrain_context_create(ingrain_context** context, int32_t device, int32_t threads, const char* isa,
                                      char* error, int64_t error_bytes) {
  using namespace ingrain;
  constexpr Isa all[] = {Isa::amx, Isa::avx512_bf16, Isa::avx512, Isa::avx2};
  const std::string_view wanted = isa ? isa : "auto";
  *context = nullptr;
  if (device != 0)
    return explain(error, error_bytes, INGRAIN_INVALID_ARGUMENT,
                   "the CPU backend has device 0 only, not " + std::to_string(device));
  if (threads < 0)
    return explain(error, error_bytes, INGRAIN_INVALID_ARGUMENT,
                   "threads is " + std::to_string(threads) + ": expected 0 (all cores) or more");
  if (threads > ThreadPool::most_threads)
    return explain(error, error_bytes, INGRAIN_INVALID_ARGUMENT,
                   "threads is " + std::to_string(threads) + ": expected at most " +
                       std::to_string(ThreadPool::most_threads));
  for (Isa candidate : all) {
    if (wanted != "auto" && wanted != isa_name(candidate)) continue;
    if (!has(candidate)) {
      if (wanted == "auto") continue;
      return explain(error, error_bytes, INGRAIN_UNSUPPORTED, "this CPU has no " + std::string(wanted));
    }
    if (threads == 0) threads = static_cast<int32_t>(std::thread::hardware_concurrency());
    try {
      *context = new ingrain_context(candidate, threads < 1 ? 1 : threads);
    } catch (const std::exception& e) {
      return explain(error, error_bytes, INGRAIN_DEVICE_ERROR,
                     std::string("cannot start ") + std::to_string(threads) + " threads: " + e.what());
    }
    return INGRAIN_OK;
  }
  if (wanted == "auto")
    return explain(error, error_bytes, INGRAIN_UNSUPPORTED,
                   "this CPU lacks AVX2, FMA or BMI2, which the CPU backend needs");
  return explain(error, error_bytes, INGRAIN_INVALID_ARGUMENT,
                 "isa is '" + std::string(wanted) + "': expected auto, avx2, avx512, avx512_bf16 or amx");
}

ingrain_status ingrain_context_destroy(ingrain_context* ctx) {
  delete ctx;
  return INGRAIN_OK;
}

const char* ingrain_last_error(ingrain_context* ctx) { return ctx->error.c_str(); }
int32_t ingrain_abi_version(void) { return INGRAIN_ABI_VERSION; }

ingrain_status ingrain_device_count(int32_t* count) {
  *count = 1;
  return INGRAIN_OK;
}

ingrain_status ingrain_can_access_peer(int32_t* can, int32_t device, int32_t peer) {
  *can = 1;
  return device == 0 && peer == 0 ? INGRAIN_OK : INGRAIN_INVALID_ARGUMENT;
}

ingrain_status ingrain_native_stream(ingrain_context*, void** stream) {
  *stream = nullptr;
  return INGRAIN_OK;
}

ingrain_status ingrain_set_deterministic(ingrain_context*, int32_t) { return INGRAIN_OK; }

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
    return ctx->fail(INGRAIN_INVALID_ARGUMENT, "trace_read: text has %ld bytes, expected %zu",
                     static_cast<long>(text_bytes), ctx->trace.size() + 1);
  memcpy(text, ctx->trace.c_str(), ctx->trace.size() + 1);
  return INGRAIN_OK;
}

ingrain_status ingrain_parallel_for(ingrain_context* ctx, int64_t n, int64_t grain,
                                    void (*body)(void* state, int64_t begin, int64_t end), void* state) {
  if (grain < 1)
    return ctx->fail(INGRAIN_INVALID_ARGUMENT, "parallel_for: grain is %ld: expected 1 or more",
                     static_cast<long>(grain));
  if (n <= 0) return INGRAIN_OK;
  const int64_t grains = n < grain ? 1 : n / grain;  // the last piece includes the remainder
  parallel_for(ctx, grains, 1,
               [&](int64_t begin, int64_t end) { body(state, begin * grain, end == grains ? n : end * grain); });
  return INGRAIN_OK;
}

}  // extern "C"
