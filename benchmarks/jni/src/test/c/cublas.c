// A stub of libcublas.so.12 for machines without a GPU. It has only the functions that JCublasProduct calls.
#include <stddef.h>
#include <stdint.h>
#include <string.h>

int cublasCreate_v2(void** handle) {
  *handle = handle;
  return 0;
}

int cublasDestroy_v2(void* handle) { return handle == NULL; }
int cublasSetStream_v2(void* handle, void* stream) { return handle == NULL || stream == NULL; }

static float load(uint16_t x) {
  const uint32_t bits = (uint32_t)x << 16;
  float value;
  memcpy(&value, &bits, 4);
  return value;
}

static uint16_t store(float value) {  // rounds to nearest even
  uint32_t bits;
  memcpy(&bits, &value, 4);
  return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

// C (m, n) = alpha·Aᵀ·B + beta·C, with A (k, m) and B (k, n), column-major, all bf16.
int cublasGemmEx(void* handle, int transa, int transb, int m, int n, int k, const float* alpha, const uint16_t* A,
                 int atype, int lda, const uint16_t* B, int btype, int ldb, const float* beta, uint16_t* C, int ctype,
                 int ldc, int compute, int algorithm) {
  const int bf16 = 14, f32 = 68;  // CUDA_R_16BF, CUBLAS_COMPUTE_32F
  if (handle == NULL || transa != 1 || transb != 0 || atype != bf16 || btype != bf16 || ctype != bf16 ||
      compute != f32 || algorithm != -1)
    return 7;
  for (int column = 0; column < n; ++column)
    for (int row = 0; row < m; ++row) {
      float sum = 0;
      for (int i = 0; i < k; ++i) sum += load(A[(size_t)row * lda + i]) * load(B[(size_t)column * ldb + i]);
      uint16_t* const c = C + (size_t)column * ldc + row;
      *c = store(*alpha * sum + (*beta == 0 ? 0 : *beta * load(*c)));
    }
  return 0;
}
