// Loads cuBLASLt by dlopen, like cuda/runtime/blas_lt.cu. Declares the functions, structures and constants of cuBLASLt
// that the program `products` needs.
#pragma once
#include <cuda_runtime.h>
#include <dlfcn.h>

#include <cstdint>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

constexpr int r_32f = 0, r_16bf = 14, r_8f_e4m3 = 28, compute_32f = 68;  // cudaDataType_t, cublasComputeType_t
constexpr int desc_trans_a = 3, desc_trans_b = 4, desc_a_scale = 17, desc_b_scale = 18;  // ..MatmulDescAttributes_t
constexpr int desc_fast_accumulate = 25, desc_a_scale_mode = 31, desc_b_scale_mode = 32;
constexpr int scale_outer_vector = 3;                                       // cublasLtMatmulMatrixScale_t
constexpr int prefer_workspace = 1;                                         // cublasLtMatmulPreferenceAttributes_t
constexpr int algorithm_id = 0, algorithm_tile = 1, algorithm_split_k = 2;  // cublasLtMatmulAlgoConfigAttributes_t
constexpr size_t workspace_bytes = 32 << 20;  // as in the engine

using Object = void*;
struct Algorithm { uint64_t data[8]; };
struct Heuristic { Algorithm algorithm; size_t workspace; int status; float waves; int reserved[4]; };

struct Blas {
  int (*cublasLtCreate)(Object*);
  size_t (*cublasLtGetVersion)();
  int (*cublasLtMatmulDescCreate)(Object*, int, int);
  int (*cublasLtMatmulDescDestroy)(Object);
  int (*cublasLtMatmulDescSetAttribute)(Object, int, const void*, size_t);
  int (*cublasLtMatrixLayoutCreate)(Object*, int, uint64_t, uint64_t, int64_t);
  int (*cublasLtMatrixLayoutDestroy)(Object);
  int (*cublasLtMatmulPreferenceCreate)(Object*);
  int (*cublasLtMatmulPreferenceDestroy)(Object);
  int (*cublasLtMatmulPreferenceSetAttribute)(Object, int, const void*, size_t);
  int (*cublasLtMatmulAlgoGetHeuristic)(Object, Object, Object, Object, Object, Object, Object, int, Heuristic*, int*);
  int (*cublasLtMatmulAlgoConfigGetAttribute)(const Algorithm*, int, void*, size_t, size_t*);
  int (*cublasLtMatmulAlgoCheck)(Object, Object, Object, Object, Object, Object, const Algorithm*, Heuristic*);
  int (*cublasLtMatmul)(Object, Object, const void*, const void*, Object, const void*, Object, const void*, const void*,
                        Object, void*, Object, const Algorithm*, void*, size_t, cudaStream_t);
  Object handle = nullptr;
  std::string path;

  void open() {
    void* library = nullptr;
    for (const char* name :
         {"libcublasLt.so.13", "libcublasLt.so.12", "libcublasLt.so", "/usr/local/cuda/lib64/libcublasLt.so"})
      if (!library) library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (!library) throw std::runtime_error(std::string("no cuBLASLt: put its folder on LD_LIBRARY_PATH: ") + dlerror());
    auto find = [&](auto& function, const char* name) {
      function = reinterpret_cast<std::decay_t<decltype(function)>>(dlsym(library, name));
      if (!function) throw std::runtime_error(std::string("cuBLASLt has no ") + name);
    };
#define FIND(name) find(name, #name);
    FIND(cublasLtCreate) FIND(cublasLtGetVersion) FIND(cublasLtMatmulDescCreate) FIND(cublasLtMatmulDescDestroy)
    FIND(cublasLtMatmulDescSetAttribute) FIND(cublasLtMatrixLayoutCreate) FIND(cublasLtMatrixLayoutDestroy)
    FIND(cublasLtMatmulPreferenceCreate) FIND(cublasLtMatmulPreferenceDestroy)
    FIND(cublasLtMatmulPreferenceSetAttribute) FIND(cublasLtMatmulAlgoGetHeuristic)
    FIND(cublasLtMatmulAlgoConfigGetAttribute) FIND(cublasLtMatmulAlgoCheck) FIND(cublasLtMatmul)
#undef FIND
    Dl_info where{};
    if (dladdr(reinterpret_cast<void*>(cublasLtMatmul), &where) && where.dli_fname) path = where.dli_fname;
    const int status = cublasLtCreate(&handle);
    if (status) throw std::runtime_error("cublasLtCreate: status " + std::to_string(status));
  }
};

// One product y (rows, N) = x (rows, K) · Wᵀ with W (N, K). For cuBLASLt, A is the transposed W, and B is x. If a call
// fails, `call` has its name and `status` has its status; later failures do not change these fields.
class Operation {
 public:
  Operation(Blas& blas, int64_t rows, int64_t N, int64_t K, bool fp8, bool scaled, int out) : blas_(blas) {
    const int type = fp8 ? r_8f_e4m3 : r_16bf;
    ran(blas.cublasLtMatmulDescCreate(&operation, compute_32f, r_32f), "cublasLtMatmulDescCreate");
    set(desc_trans_a, int32_t{1}), set(desc_trans_b, int32_t{0});
    if (fp8) set(desc_fast_accumulate, int8_t{1});
    if (scaled)
      set(desc_a_scale_mode, int32_t{scale_outer_vector}), set(desc_b_scale_mode, int32_t{scale_outer_vector});
    ran(blas.cublasLtMatrixLayoutCreate(&a, type, K, N, K), "cublasLtMatrixLayoutCreate");
    ran(blas.cublasLtMatrixLayoutCreate(&b, type, K, rows, K), "cublasLtMatrixLayoutCreate");
    ran(blas.cublasLtMatrixLayoutCreate(&d, out, N, rows, N), "cublasLtMatrixLayoutCreate");
  }
  Operation(const Operation&) = delete;
  ~Operation() {
    if (operation) blas_.cublasLtMatmulDescDestroy(operation);
    for (Object layout : {a, b, d})
      if (layout) blas_.cublasLtMatrixLayoutDestroy(layout);
  }
  template <class T> void set(int attribute, T value) {
    if (!status)
      ran(blas_.cublasLtMatmulDescSetAttribute(operation, attribute, &value, sizeof value),
          "cublasLtMatmulDescSetAttribute " + std::to_string(attribute));
  }
  // Writes cuBLASLt's candidates to `found` and returns their number. The candidate that cuBLASLt itself estimates to
  // be the best comes first.
  int candidates(Heuristic* found, int most) {
    Object wishes = nullptr;
    int count = 0;
    ran(blas_.cublasLtMatmulPreferenceCreate(&wishes), "cublasLtMatmulPreferenceCreate");
    if (status) return 0;
    const auto bytes = static_cast<uint64_t>(workspace_bytes);
    ran(blas_.cublasLtMatmulPreferenceSetAttribute(wishes, prefer_workspace, &bytes, sizeof bytes),
        "cublasLtMatmulPreferenceSetAttribute");
    if (!status)
      ran(blas_.cublasLtMatmulAlgoGetHeuristic(blas_.handle, operation, a, b, d, d, wishes, most, found, &count),
          "cublasLtMatmulAlgoGetHeuristic");
    blas_.cublasLtMatmulPreferenceDestroy(wishes);
    if (!status && !count) call = "cublasLtMatmulAlgoGetHeuristic";  // the call succeeded without any candidate
    return status ? 0 : count;
  }
  int checked(const Algorithm& algorithm) {
    Heuristic result{};
    return blas_.cublasLtMatmulAlgoCheck(blas_.handle, operation, a, b, d, d, &algorithm, &result);
  }
  int run(void* y, const void* x, const void* w, const Algorithm& algorithm, void* workspace, cudaStream_t stream) {
    const float one = 1, zero = 0;
    return blas_.cublasLtMatmul(blas_.handle, operation, &one, w, a, x, b, &zero, y, d, y, d, &algorithm, workspace,
                                workspace_bytes, stream);
  }
  int32_t config(const Algorithm& algorithm, int attribute) {
    int32_t value = -1;
    size_t written = 0;
    const auto get = blas_.cublasLtMatmulAlgoConfigGetAttribute;
    return get(&algorithm, attribute, &value, sizeof value, &written) ? -1 : value;
  }
  void ran(int result, std::string name) {
    if (!status && result) status = result, call = std::move(name);
  }

  Object operation = nullptr, a = nullptr, b = nullptr, d = nullptr;
  int status = 0;
  std::string call;

 private:
  Blas& blas_;
};
