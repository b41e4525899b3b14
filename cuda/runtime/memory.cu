// Memory and copies. Copies are enqueued. If host memory is not pinned, the CUDA runtime copies it through a staging
// buffer.
#include "communicator.h"

namespace {

ingrain_status allocate(ingrain_context* ctx, void** pointer, int64_t bytes, cudaError_t (*make)(void**, size_t),
                        const char* what) {
  *pointer = nullptr;
  if (bytes < 0)
    return refuse(ctx, INGRAIN_INVALID_ARGUMENT, "%s of %ld bytes: expected 0 or more", what, static_cast<long>(bytes));
  if (ingrain_status status = cuda_status(ctx, ctx->use(), what)) return status;
  const cudaError_t error = make(pointer, static_cast<size_t>(bytes > 0 ? bytes : 1));
  if (error == cudaErrorMemoryAllocation) {
    cudaGetLastError();
    size_t free_bytes = 0, total_bytes = 0;
    cudaMemGetInfo(&free_bytes, &total_bytes);
    return refuse(ctx, INGRAIN_OUT_OF_MEMORY, "%s of %ld bytes: %zu of %zu are free", what, static_cast<long>(bytes),
                  free_bytes, total_bytes);
  }
  return cuda_status(ctx, error, what);
}

ingrain_status copy(ingrain_context* ctx, void* destination, const void* source, int64_t bytes, cudaMemcpyKind kind) {
  if (bytes < 0)
    return refuse(ctx, INGRAIN_INVALID_ARGUMENT, "copy of %ld bytes: expected 0 or more", static_cast<long>(bytes));
  if (bytes == 0) return INGRAIN_OK;
  if (ingrain_status status = cuda_status(ctx, ctx->use(), "copy")) return status;
  return cuda_status(ctx, cudaMemcpyAsync(destination, source, static_cast<size_t>(bytes), kind, ctx->stream), "copy");
}

cudaError_t device_memory(void** pointer, size_t bytes) { return cudaMalloc(pointer, bytes); }
cudaError_t pinned_memory(void** pointer, size_t bytes) { return cudaMallocHost(pointer, bytes); }

}  // namespace

extern "C" {

ingrain_status ingrain_malloc(ingrain_context* ctx, void** pointer, int64_t bytes) {
  return allocate(ctx, pointer, bytes, device_memory, "malloc");
}
ingrain_status ingrain_host_malloc(ingrain_context* ctx, void** pointer, int64_t bytes) {
  return allocate(ctx, pointer, bytes, pinned_memory, "host_malloc");
}
// Waits for the stream first, because enqueued work may still use the memory.
ingrain_status ingrain_free(ingrain_context* ctx, void* pointer) {
  if (!pointer) return INGRAIN_OK;
  if (ingrain_status status = cuda_status(ctx, ctx->drain(), "free")) return status;
  ingrain::forget_shown(ctx, pointer);
  return cuda_status(ctx, cudaFree(pointer), "free");
}
ingrain_status ingrain_host_free(ingrain_context* ctx, void* pointer) {
  if (!pointer) return INGRAIN_OK;
  if (ingrain_status status = cuda_status(ctx, ctx->drain(), "host_free")) return status;
  return cuda_status(ctx, cudaFreeHost(pointer), "host_free");
}

ingrain_status ingrain_copy_to_device(ingrain_context* ctx, void* device, const void* host, int64_t bytes) {
  return copy(ctx, device, host, bytes, cudaMemcpyHostToDevice);
}
ingrain_status ingrain_copy_to_host(ingrain_context* ctx, void* host, const void* device, int64_t bytes) {
  return copy(ctx, host, device, bytes, cudaMemcpyDeviceToHost);
}
ingrain_status ingrain_copy(ingrain_context* ctx, void* destination, const void* source, int64_t bytes) {
  return copy(ctx, destination, source, bytes, cudaMemcpyDeviceToDevice);
}

ingrain_status ingrain_fill_zero(ingrain_context* ctx, void* pointer, int64_t bytes) {
  if (bytes < 0)
    return refuse(ctx, INGRAIN_INVALID_ARGUMENT, "fill_zero of %ld bytes: expected 0 or more",
                  static_cast<long>(bytes));
  if (bytes == 0) return INGRAIN_OK;
  if (ingrain_status status = cuda_status(ctx, ctx->use(), "fill_zero")) return status;
  return cuda_status(ctx, cudaMemsetAsync(pointer, 0, static_cast<size_t>(bytes), ctx->stream), "fill_zero");
}

ingrain_status ingrain_memory_info(ingrain_context* ctx, int64_t* free_bytes, int64_t* total_bytes) {
  size_t unused = 0, total = 0;
  if (ingrain_status status = cuda_status(ctx, ctx->use(), "memory_info")) return status;
  const cudaError_t error = cudaMemGetInfo(&unused, &total);
  *free_bytes = static_cast<int64_t>(unused);
  *total_bytes = static_cast<int64_t>(total);
  return cuda_status(ctx, error, "memory_info");
}

ingrain_status ingrain_synchronize(ingrain_context* ctx) {
  if (ingrain_status status = cuda_status(ctx, ctx->drain(), "synchronize")) return status;
  return ingrain::check_ranks(ctx);
}

}  // extern "C"
