// An emulated cuBLASLt that computes in host memory, for cuda/runtime/blas_lt.cu. The emulation has the functions that
// blas_lt.cu calls, with the constants and sizes of cublasLt.h (docs.nvidia.com/cuda/cublas), and is column-major like
// the original. The emulation is stricter than the original: an invalid call returns status 7. Versions of cuBLASLt and
// GPUs differ in the products that they support. So a test sets the products that are refused, and the call that
// refuses them, with emulated_cublas_lt_script.
#include <cuda_bf16.h>
#include <cuda_fp8.h>
#include <cuda_runtime.h>

#include <atomic>

namespace {

enum Status { success = 0, invalid_value = 7, not_supported = 15 };
enum Type { f32 = 0, bf16 = 14, fp8 = 28 };

// The products that are refused: none, products with one scale per row, or all. Products with one scale per row are
// refused if they have at most Script::rows rows, or for any number of rows if Script::rows is 0.
enum What { nothing, scaled, everything };
// The call that refuses a product. before_vectors: the emulated version of cuBLASLt does not support a scale per row.
enum Where { at_heuristic, at_check, at_matmul, before_vectors };
struct Script { uint8_t what, where; uint16_t rows; };
std::atomic<Script> script{Script{nothing, at_heuristic, 0}};

struct Operation {
  int32_t transpose_a = 0, transpose_b = 0, a_mode = 0, b_mode = 0;
  int8_t fast = 0;
  const float *a_scales = nullptr, *b_scales = nullptr;
};
struct Layout { int type; uint64_t rows, columns; int64_t ld; int32_t batch = 1; int64_t stride = 0; };
struct Preference { uint64_t workspace = 0; uint32_t reductions = 7, alignments[4] = {256, 256, 256, 256}; };
struct Algorithm { uint64_t splits, workspace, alignments[3], unused[3]; };
struct Heuristic { Algorithm algorithm; size_t workspace; int status; float waves; int reserved[4]; };
static_assert(sizeof(Algorithm) == 64 && sizeof(Heuristic) == 96);

template <class T> Status read(T& field, const void* value, size_t bytes) {
  if (bytes != sizeof(T)) return invalid_value;
  memcpy(&field, value, bytes);
  return success;
}

bool refused(const Operation& o, const Layout& b, Where where) {
  const Script now = script;
  if (now.what == nothing || now.where != where) return false;
  return now.what == everything || (o.a_mode == 3 && (now.rows == 0 || b.columns <= now.rows));
}

// Returns success if op(A)·op(B) has the shape of D and real GPUs support the types and sizes; else an error.
Status consistent(const Operation& o, const Layout& a, const Layout& b, const Layout& d) {
  const uint64_t m = o.transpose_a ? a.columns : a.rows, k = o.transpose_a ? a.rows : a.columns;
  const uint64_t k_b = o.transpose_b ? b.columns : b.rows, n = o.transpose_b ? b.rows : b.columns;
  if (k != k_b || m != d.rows || n != d.columns || a.batch != d.batch || b.batch != d.batch || a.type != b.type)
    return invalid_value;
  if ((o.a_mode == 3) != (o.b_mode == 3) || (o.a_mode == 3 && (!o.a_scales || !o.b_scales || a.type != fp8)))
    return invalid_value;
  if (a.type == fp8 && (!o.transpose_a || o.transpose_b || m % 16 || k % 16 || a.ld % 16 || b.ld % 16))
    return not_supported;
  return a.type == f32 || (d.type != f32 && d.type != bf16) ? not_supported : success;
}

float element(const void* data, int type, int64_t i) {
  if (type == f32) return static_cast<const float*>(data)[i];
  if (type == bf16) return __bfloat162float(static_cast<const __nv_bfloat16*>(data)[i]);
  return static_cast<float>(static_cast<const __nv_fp8_e4m3*>(data)[i]);
}

// A copy of one product's arguments, because the descriptors may change before the stream runs the product.
struct Call {
  Operation o;
  Layout a_layout, b_layout, d_layout;
  const void *a, *b;
  void *d, *workspace;
  size_t workspace_bytes;
  float alpha, beta;

  void run() const {
    memset(workspace, 0xee, workspace_bytes);
    const int64_t m = static_cast<int64_t>(d_layout.rows), n = static_cast<int64_t>(d_layout.columns);
    for (int64_t batch = 0; batch < d_layout.batch; ++batch)
      for (int64_t i = 0; i < m; ++i)
        for (int64_t j = 0; j < n; ++j) put(batch, i, j);
  }
  void put(int64_t batch, int64_t i, int64_t j) const {
    const int64_t depth = static_cast<int64_t>(o.transpose_a ? a_layout.rows : a_layout.columns);
    float sum = 0;
    for (int64_t k = 0; k < depth; ++k)
      sum += element(a, a_layout.type,
                     batch * a_layout.stride + (o.transpose_a ? k + i * a_layout.ld : i + k * a_layout.ld)) *
             element(b, b_layout.type,
                     batch * b_layout.stride + (o.transpose_b ? j + k * b_layout.ld : k + j * b_layout.ld));
    if (o.a_mode == 3) sum *= o.a_scales[i] * o.b_scales[j];
    sum *= alpha;
    const int64_t at = batch * d_layout.stride + i + j * d_layout.ld;
    // cuBLASLt on an H200 also rounds to bf16 before it adds beta·d.
    if (beta != 0 && d_layout.type == bf16) sum = __bfloat162float(__float2bfloat16_rn(sum));
    if (beta != 0) sum += beta * element(d, d_layout.type, at);
    if (d_layout.type == f32) static_cast<float*>(d)[at] = sum;
    else static_cast<__nv_bfloat16*>(d)[at] = __float2bfloat16_rn(sum);
  }
};

bool aligned(const void* pointer, uint64_t bytes) { return reinterpret_cast<uintptr_t>(pointer) % bytes == 0; }

}  // namespace

#define EXPORT extern "C" __attribute__((visibility("default")))

EXPORT void emulated_cublas_lt_script(int32_t what, int32_t where, int64_t rows) {
  script = Script{static_cast<uint8_t>(what), static_cast<uint8_t>(where), static_cast<uint16_t>(rows)};
}

EXPORT int cublasLtCreate(void** handle) { return *handle = new int, success; }
EXPORT int cublasLtDestroy(void* handle) { return delete static_cast<int*>(handle), success; }
EXPORT size_t cublasLtGetVersion() { return script.load().where == before_vectors ? 120800 : 130101; }

EXPORT int cublasLtMatmulDescCreate(Operation** o, int compute, int scale) {
  if (compute != 68 || scale != f32) return invalid_value;
  return *o = new Operation, success;
}
EXPORT int cublasLtMatmulDescDestroy(Operation* o) { return delete o, success; }
EXPORT int cublasLtMatmulDescSetAttribute(Operation* o, int attribute, const void* value, size_t bytes) {
  switch (attribute) {
    case 3: return read(o->transpose_a, value, bytes);
    case 4: return read(o->transpose_b, value, bytes);
    case 17: return read(o->a_scales, value, bytes);
    case 18: return read(o->b_scales, value, bytes);
    case 25: return read(o->fast, value, bytes);
    case 31: return read(o->a_mode, value, bytes);
    case 32: return read(o->b_mode, value, bytes);
    default: return invalid_value;
  }
}

EXPORT int cublasLtMatrixLayoutCreate(Layout** layout, int type, uint64_t rows, uint64_t columns, int64_t ld) {
  if (ld < static_cast<int64_t>(rows)) return invalid_value;
  return *layout = new Layout{type, rows, columns, ld}, success;
}
EXPORT int cublasLtMatrixLayoutDestroy(Layout* layout) { return delete layout, success; }
EXPORT int cublasLtMatrixLayoutSetAttribute(Layout* layout, int attribute, const void* value, size_t bytes) {
  return attribute == 5   ? read(layout->batch, value, bytes)
         : attribute == 6 ? read(layout->stride, value, bytes)
                          : invalid_value;
}

EXPORT int cublasLtMatmulPreferenceCreate(Preference** preference) { return *preference = new Preference, success; }
EXPORT int cublasLtMatmulPreferenceDestroy(Preference* preference) { return delete preference, success; }
EXPORT int cublasLtMatmulPreferenceSetAttribute(Preference* preference, int attribute, const void* value,
                                                size_t bytes) {
  if (attribute == 1) return read(preference->workspace, value, bytes);
  if (attribute == 3) return read(preference->reductions, value, bytes);
  return attribute >= 5 && attribute <= 8 ? read(preference->alignments[attribute - 5], value, bytes) : invalid_value;
}

// Returns two candidates. If splits of K are allowed, the first candidate splits K and needs more workspace than the
// caller offers. Only cublasLtMatmulAlgoCheck reports this, so a caller that does not check its candidates fails.
EXPORT int cublasLtMatmulAlgoGetHeuristic(void*, const Operation* o, const Layout* a, const Layout* b, const Layout* c,
                                          const Layout* d, const Preference* preference, int wanted, Heuristic* found,
                                          int* count) {
  *count = 0;
  if (c != d) return invalid_value;
  if (const Status status = consistent(*o, *a, *b, *d)) return status;
  if (refused(*o, *b, at_heuristic)) return not_supported;
  for (int i = 0; i < 2 && i < wanted; ++i) {
    found[i] = {};
    found[i].algorithm.splits = preference->reductions != 0 && i == 0 ? 2 : 1;
    found[i].algorithm.workspace = preference->workspace + (preference->reductions != 0 && i == 0);
    for (int j = 0; j < 3; ++j) found[i].algorithm.alignments[j] = preference->alignments[j == 2 ? 3 : j];
    found[i].workspace = preference->workspace;
    ++*count;
  }
  return success;
}
EXPORT int cublasLtMatmulAlgoConfigGetAttribute(const Algorithm* algorithm, int attribute, void* value, size_t bytes,
                                                size_t* written) {
  if (attribute != 2 || bytes != sizeof(int32_t)) return invalid_value;
  const auto splits = static_cast<int32_t>(algorithm->splits);
  memcpy(value, &splits, sizeof splits);
  return *written = sizeof splits, success;
}
EXPORT int cublasLtMatmulAlgoCheck(void*, const Operation* o, const Layout* a, const Layout* b, const Layout* c,
                                   const Layout* d, const Algorithm* algorithm, Heuristic* result) {
  if (c != d) return invalid_value;
  if (const Status status = consistent(*o, *a, *b, *d)) return status;
  if (refused(*o, *b, at_check)) return not_supported;
  *result = {*algorithm, algorithm->workspace, success, 1, {}};
  return success;
}

EXPORT int cublasLtMatmul(void*, const Operation* o, const float* alpha, const void* a, const Layout* a_layout,
                          const void* b, const Layout* b_layout, const float* beta, const void* c,
                          const Layout* c_layout, void* d, const Layout* d_layout, const Algorithm* algorithm,
                          void* workspace, size_t workspace_bytes, cudaStream_t stream) {
  if (c != d || c_layout != d_layout || !algorithm || !aligned(workspace, 256) ||
      workspace_bytes < algorithm->workspace)
    return invalid_value;
  if (!aligned(a, algorithm->alignments[0]) || !aligned(b, algorithm->alignments[1]) ||
      !aligned(d, algorithm->alignments[2]))
    return invalid_value;
  if (const Status status = consistent(*o, *a_layout, *b_layout, *d_layout)) return status;
  if (refused(*o, *b_layout, at_matmul)) return not_supported;
  const Call call{*o, *a_layout, *b_layout, *d_layout, a, b, d, workspace, workspace_bytes, *alpha, *beta};
  return simt::enqueue(stream, [call] { call.run(); }) == cudaSuccess ? success : 13;  // CUBLAS_STATUS_EXECUTION_FAILED
}
