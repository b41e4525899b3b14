// Memory of the CPU device, allocated with malloc. A call that allocates a large share of the free memory also
// populates the pages. So if memory is short, this call fails. Otherwise the system would kill the process later, when
// the process first accesses a page. The pages of smaller allocations are populated at their first access. This saves
// time if only a part of an allocation is used, for example a few blocks of the cache of a small model.
#include "context.h"
#include "host_memory.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <sys/mman.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23  // Linux 5.14
#endif

namespace {

constexpr int64_t large = 4 << 20, huge_page = 2 << 20, copy_grain = 1 << 20, most_workspace = 16 << 20;
// Allocations larger than free memory / share are populated at once. A generator of default sizes needs less
// (DefaultSizes.java).
constexpr int64_t share = 4;

ingrain_status allocate(ingrain_context* ctx, void** pointer, int64_t bytes) {
  *pointer = nullptr;
  if (bytes < 0)
    return ctx->fail(INGRAIN_INVALID_ARGUMENT, "malloc of %ld bytes: expected 0 or more", static_cast<long>(bytes));
  const auto exhausted = [&](int64_t free_bytes) {
    return ctx->fail(INGRAIN_OUT_OF_MEMORY, "out of memory: %ld bytes wanted, %ld bytes free", static_cast<long>(bytes),
                     static_cast<long>(free_bytes));
  };
  int64_t free_bytes = 0;
  if (bytes >= large) {
    free_bytes = ingrain::host_memory().free_bytes;
    if (bytes > free_bytes) return exhausted(free_bytes);
  }
  const int64_t alignment = bytes >= large ? huge_page : 256;
  if (posix_memalign(pointer, static_cast<size_t>(alignment), static_cast<size_t>(bytes > 0 ? bytes : 1)) != 0) {
    *pointer = nullptr;
    return exhausted(ingrain::host_memory().free_bytes);
  }
  if (bytes < large) return INGRAIN_OK;
  // Huge pages avoid TLB misses in the decode step. Some Linux kernels support only one of the two madvise calls below,
  // or neither. If a call is not supported, its failure is ignored.
  madvise(*pointer, static_cast<size_t>(bytes), MADV_HUGEPAGE);
  if (bytes <= free_bytes / share) return INGRAIN_OK;
  const int64_t pages = bytes & ~int64_t{4095};
  if (madvise(*pointer, static_cast<size_t>(pages), MADV_POPULATE_WRITE) != 0 && errno == ENOMEM) {
    free(*pointer);
    *pointer = nullptr;
    return exhausted(ingrain::host_memory().free_bytes);
  }
  return INGRAIN_OK;
}

ingrain_status copy(ingrain_context* ctx, void* destination, const void* source, int64_t bytes) {
  if (bytes < 0)
    return ctx->fail(INGRAIN_INVALID_ARGUMENT, "copy of %ld bytes: expected 0 or more", static_cast<long>(bytes));
  parallel_for(ctx, bytes, copy_grain, [&](int64_t begin, int64_t end) {
    memcpy(static_cast<char*>(destination) + begin, static_cast<const char*>(source) + begin,
           static_cast<size_t>(end - begin));
  });
  return INGRAIN_OK;
}

}  // namespace

extern "C" {

ingrain_status ingrain_malloc(ingrain_context* ctx, void** pointer, int64_t bytes) {
  return allocate(ctx, pointer, bytes);
}
ingrain_status ingrain_host_malloc(ingrain_context* ctx, void** pointer, int64_t bytes) {
  return allocate(ctx, pointer, bytes);
}

ingrain_status ingrain_free(ingrain_context*, void* pointer) {
  free(pointer);
  return INGRAIN_OK;
}
ingrain_status ingrain_host_free(ingrain_context*, void* pointer) {
  free(pointer);
  return INGRAIN_OK;
}

ingrain_status ingrain_copy_to_device(ingrain_context* ctx, void* device, const void* host, int64_t bytes) {
  return copy(ctx, device, host, bytes);
}
ingrain_status ingrain_copy_to_host(ingrain_context* ctx, void* host, const void* device, int64_t bytes) {
  return copy(ctx, host, device, bytes);
}
ingrain_status ingrain_copy(ingrain_context* ctx, void* destination, const void* source, int64_t bytes) {
  return copy(ctx, destination, source, bytes);
}

ingrain_status ingrain_fill_zero(ingrain_context* ctx, void* pointer, int64_t bytes) {
  if (bytes < 0)
    return ctx->fail(INGRAIN_INVALID_ARGUMENT, "fill_zero of %ld bytes: expected 0 or more", static_cast<long>(bytes));
  parallel_for(ctx, bytes, copy_grain, [&](int64_t begin, int64_t end) {
    memset(static_cast<char*>(pointer) + begin, 0, static_cast<size_t>(end - begin));
  });
  return INGRAIN_OK;
}

ingrain_status ingrain_workspace(ingrain_context* ctx, void** pointer, int64_t* bytes) {
  *pointer = ctx->workspace;
  *bytes = ctx->workspace_bytes;
  return INGRAIN_OK;
}
ingrain_status ingrain_workspace_reserve(ingrain_context* ctx, int64_t bytes) {
  if (bytes <= ctx->workspace_bytes) return INGRAIN_OK;
  free(ctx->workspace);
  ctx->workspace = nullptr;
  ctx->workspace_bytes = 0;
  void* pointer = nullptr;
  if (const ingrain_status status = allocate(ctx, &pointer, bytes)) return status;
  ctx->workspace = static_cast<unsigned char*>(pointer);
  ctx->workspace_bytes = bytes;
  return INGRAIN_OK;
}
// The workspace contains the input of a product, converted once for all tasks (native/ops/common/gemm.h). If not all
// rows fit, the product is computed in several passes.
int64_t ingrain_matmul_workspace_bytes(int32_t weight_dtype, int64_t rows, int64_t columns, int64_t T,
                                       int32_t backward) {
  const bool f32 = weight_dtype == INGRAIN_F32;
  // For a bf16 weight AMX pads T to a multiple of 16, and each of up to eight chunks of columns to a multiple of 32.
  const int64_t element = !f32 && __builtin_cpu_supports("avx512bf16") ? 2 : 4, padding = f32 ? 1 : 8 * 31;
  const int64_t row = ((backward ? std::max(rows, columns) : columns) + padding) / 2 * 2 * element;
  if (!f32 && T < most_workspace) T = (T + 15) / 16 * 16;
  return T < most_workspace / row ? T * row : most_workspace;
}

ingrain_status ingrain_memory_info(ingrain_context*, int64_t* free_bytes, int64_t* total_bytes) {
  const ingrain::HostMemory memory = ingrain::host_memory();
  *free_bytes = memory.free_bytes;
  *total_bytes = memory.total_bytes;
  return INGRAIN_OK;
}

ingrain_status ingrain_synchronize(ingrain_context*) { return INGRAIN_OK; }

ingrain_status ingrain_context_describe(ingrain_context* ctx, char* json, int64_t json_bytes) {
  std::string name = ingrain::cpu_name();
  std::erase_if(name, [](char c) { return c == '"' || c == '\\' || static_cast<unsigned char>(c) < ' '; });
  const std::string text = "{\"backend\": \"cpu\", \"name\": \"" + name + "\", \"isa\": \"" +
                           ingrain::isa_name(ctx->isa) + "\", \"threads\": " + std::to_string(ctx->pool.threads()) +
                           ", \"memory_bytes\": " + std::to_string(ingrain::host_memory().total_bytes) +
                           ", \"graphs\": false}";
  if (static_cast<int64_t>(text.size()) >= json_bytes)
    return ctx->fail(INGRAIN_INVALID_ARGUMENT, "describe needs %zu bytes, json has %ld", text.size() + 1,
                     static_cast<long>(json_bytes));
  memcpy(json, text.c_str(), text.size() + 1);
  return INGRAIN_OK;
}

}  // extern "C"
