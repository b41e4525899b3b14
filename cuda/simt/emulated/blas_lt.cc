// cuda/runtime/blas_lt.h by host loops that run when the stream does. In ascending order it scales the rows of fp8 operands, as
// cuBLASLt of CUDA 12.9 and later does; in descending order it does not, as earlier ones: both ways of the ops are tested.
#include "blas_lt.h"

#include "context.h"
#include "dtype.h"

namespace {

template <class E> float at(const void* data, int64_t i) { return to_float(static_cast<const E*>(data)[i]); }
float element(const void* data, int32_t dtype, int64_t i) {
  return dtype == INGRAIN_F32 ? at<float>(data, i) : dtype == INGRAIN_BF16 ? at<bf16>(data, i) : at<fp8>(data, i);
}

void run(const Product& p) {
  const int64_t sums = p.partial ? chunks_of(p) : 1, length = p.partial ? p.chunk : p.K;
  for (int64_t s = 0; s < sums; ++s)
    for (int64_t m = 0; m < p.M; ++m)
      for (int64_t n = 0; n < p.N; ++n) {
        float sum = 0;
        for (int64_t k = s * length; k < (s + 1) * length; ++k)
          sum += element(p.a, p.a_dtype, p.a_transposed ? k * p.lda + m : m * p.lda + k) *
                 element(p.b, p.b_dtype, p.b_transposed ? n * p.ldb + k : k * p.ldb + n);
        if (p.a_scales) sum *= p.a_scales[m] * p.b_scales[n];
        const int64_t i = (s * p.M + m) * p.N + n;
        if (p.beta != 0 && p.d_dtype == INGRAIN_BF16) sum = to_float(from_float<bf16>(sum));  // as cuBLASLt does on an H200
        if (p.beta != 0) sum += p.beta * element(p.d, p.d_dtype, i);
        if (p.d_dtype == INGRAIN_F32) static_cast<float*>(p.d)[i] = sum;
        else static_cast<bf16*>(p.d)[i] = from_float<bf16>(sum);
      }
}

}  // namespace

namespace ingrain {

bool deterministic(const ingrain_context* ctx) { return ctx->deterministic; }

void open_blas(ingrain_context*) {}

ingrain_status blas_scales_rows(ingrain_context* ctx, const Product&, bool* scales) {
  *scales = !ctx->descending;
  return INGRAIN_OK;
}

ingrain_status blas_gemm(ingrain_context* ctx, const Product& p, bool* taken) {
  *taken = true;
  return cuda_status(ctx, simt::enqueue(ctx->stream, [p] { run(p); }), "matmul");
}

}  // namespace ingrain
