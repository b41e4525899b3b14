// Loads cuBLASLt by dlopen. The functions, structures and constants below are copied from cublasLt.h, library_types.h
// and cublas_api.h of CUDA 12 and 13 (docs.nvidia.com/cuda/cublas, "Using the cuBLASLt API"). This interface is stable,
// so the build needs none of these headers.
//
// cuBLASLt is column-major: our row-major d (M, N) is a column-major matrix (N, M) for cuBLASLt. So our b is passed as
// A, and our a as B.
#include "blas_lt.h"

#include "context.h"

#include <dlfcn.h>

#include <algorithm>
#include <array>
#include <map>
#include <utility>
#include <vector>

namespace ingrain {
namespace {

constexpr int success = 0, not_supported = 15;                                                  // cublasStatus_t
constexpr int r_32f = 0, r_16bf = 14, r_8f_e4m3 = 28;                                           // cudaDataType_t
constexpr int compute_32f = 68;                                                                 // cublasComputeType_t
// cublasLtMatmulDescAttributes_t
constexpr int desc_trans_a = 3, desc_trans_b = 4, desc_a_scale = 17, desc_b_scale = 18;
constexpr int desc_fast_accumulate = 25, desc_a_scale_mode = 31, desc_b_scale_mode = 32;
constexpr int layout_batch_count = 5, layout_batch_stride = 6;  // cublasLtMatrixLayoutAttribute_t
// cublasLtMatmulPreferenceAttributes_t; prefer_alignment applies to A, and the next three numbers apply to B, C and D
constexpr int prefer_workspace = 1, prefer_reduction = 3, prefer_alignment = 5;
constexpr uint32_t reduce_in_f32 = 2;  // cublasLtReductionScheme_t: COMPUTE_TYPE
constexpr int algorithm_split_k = 2;                 // cublasLtMatmulAlgoConfigAttributes_t
constexpr int scale_outer_vector = 3;                // cublasLtMatmulMatrixScale_t
constexpr size_t first_with_outer_vectors = 120900;  // cublasLtGetVersion

using Object = void*;                    // handle, descriptor, layout, preference
struct Algorithm { uint64_t data[8]; };  // cublasLtMatmulAlgo_t
// cublasLtMatmulHeuristicResult_t
struct Heuristic { Algorithm algorithm; size_t workspace; int status; float waves; int reserved[4]; };

struct Functions {
  int (*cublasLtCreate)(Object*);
  int (*cublasLtDestroy)(Object);
  size_t (*cublasLtGetVersion)();
  int (*cublasLtMatmulDescCreate)(Object*, int, int);
  int (*cublasLtMatmulDescDestroy)(Object);
  int (*cublasLtMatmulDescSetAttribute)(Object, int, const void*, size_t);
  int (*cublasLtMatrixLayoutCreate)(Object*, int, uint64_t, uint64_t, int64_t);
  int (*cublasLtMatrixLayoutDestroy)(Object);
  int (*cublasLtMatrixLayoutSetAttribute)(Object, int, const void*, size_t);
  int (*cublasLtMatmulPreferenceCreate)(Object*);
  int (*cublasLtMatmulPreferenceDestroy)(Object);
  int (*cublasLtMatmulPreferenceSetAttribute)(Object, int, const void*, size_t);
  int (*cublasLtMatmulAlgoGetHeuristic)(Object, Object, Object, Object, Object, Object, Object, int, Heuristic*, int*);
  int (*cublasLtMatmulAlgoConfigGetAttribute)(const Algorithm*, int, void*, size_t, size_t*);
  int (*cublasLtMatmulAlgoCheck)(Object, Object, Object, Object, Object, Object, const Algorithm*, Heuristic*);
  int (*cublasLtMatmul)(Object, Object, const void*, const void*, Object, const void*, Object, const void*, const void*,
                        Object, void*, Object, const Algorithm*, void*, size_t, cudaStream_t);
};

// A descriptor, layout or preference of cuBLASLt, destroyed with this object.
class Owned {
 public:
  Owned() = default;
  Owned(Object object, int (*destroy)(Object)) : object_(object), destroy_(destroy) {}
  Owned(Owned&& other) noexcept : object_(std::exchange(other.object_, nullptr)), destroy_(other.destroy_) {}
  Owned& operator=(Owned&& other) noexcept {
    return std::swap(object_, other.object_), std::swap(destroy_, other.destroy_), *this;
  }
  ~Owned() { if (object_) destroy_(object_); }
  Object get() const { return object_; }

 private:
  Object object_ = nullptr;
  int (*destroy_)(Object) = nullptr;
};

struct Plan {
  Owned operation, a, b, d;
  Algorithm algorithm{};
  bool refused = false;  // true if cuBLASLt has no algorithm for the product
};

// The algorithm that is chosen for a weight in deterministic mode. All products with this weight use this algorithm.
struct Fixed {
  Algorithm algorithm{};
  bool refused = false;
};

// All values on which the choice of an algorithm depends: sizes, types, strides, alignment.
using Key = std::array<int64_t, 17>;

int type_of(int32_t dtype) { return dtype == INGRAIN_F32 ? r_32f : dtype == INGRAIN_BF16 ? r_16bf : r_8f_e4m3; }

// Returns the largest power of two, at most 256, that divides all values.
int64_t alignment(std::initializer_list<uint64_t> values) {
  uint64_t bits = 256;
  for (const uint64_t value : values) bits |= value;
  return static_cast<int64_t>(bits & (~bits + 1));
}

}  // namespace

class BlasLt {
 public:
#ifdef INGRAIN_SIMT
  static constexpr const char* libraries[] = {"libcublasLt_emulated.so"};  // cuda/simt/cublas_lt
#else
  static constexpr const char* libraries[] = {"libcublasLt.so.13", "libcublasLt.so.12", "libcublasLt.so",
                                              "/usr/local/cuda/lib64/libcublasLt.so"};
#endif
  static constexpr int64_t workspace_limit = 32 << 20;
  static constexpr int64_t fixed_rows = 128;  // number of rows for which a deterministic algorithm is chosen
  static constexpr size_t plan_limit = 8192;

  BlasLt() {
    for (const char* name : libraries)
      if (!library_) library_ = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (!library_) {
      error_ = std::string("cuBLASLt was not found (libcublasLt.so.13 or .12: install CUDA's libraries or put "
                           "their folder on LD_LIBRARY_PATH): ") + dlerror();
      return;
    }
#define INGRAIN_FIND(name) find(call_.name, #name)
    INGRAIN_FIND(cublasLtCreate), INGRAIN_FIND(cublasLtDestroy), INGRAIN_FIND(cublasLtGetVersion),
        INGRAIN_FIND(cublasLtMatmulDescCreate);
    INGRAIN_FIND(cublasLtMatmulDescDestroy), INGRAIN_FIND(cublasLtMatmulDescSetAttribute),
        INGRAIN_FIND(cublasLtMatrixLayoutCreate);
    INGRAIN_FIND(cublasLtMatrixLayoutDestroy), INGRAIN_FIND(cublasLtMatrixLayoutSetAttribute),
        INGRAIN_FIND(cublasLtMatmulPreferenceCreate);
    INGRAIN_FIND(cublasLtMatmulPreferenceDestroy), INGRAIN_FIND(cublasLtMatmulPreferenceSetAttribute);
    INGRAIN_FIND(cublasLtMatmulAlgoGetHeuristic), INGRAIN_FIND(cublasLtMatmulAlgoConfigGetAttribute),
        INGRAIN_FIND(cublasLtMatmulAlgoCheck);
    INGRAIN_FIND(cublasLtMatmul);
#undef INGRAIN_FIND
    if (error_.empty()) note(call_.cublasLtCreate(&handle_), "cublasLtCreate");
  }
  // cuBLASLt stays loaded, because loading it again for the next context would take most of a second.
  ~BlasLt() {
    plans_.clear();
    if (handle_) call_.cublasLtDestroy(handle_);
  }
  BlasLt(const BlasLt&) = delete;
  BlasLt& operator=(const BlasLt&) = delete;

  const std::string& error() const { return error_; }

  // Returns whether cuBLASLt can apply one scale per row to this product. The answer depends on the version of
  // cuBLASLt, the GPU, types and sizes, so the function makes a plan to find out.
  bool outer_vectors(const ingrain_context* ctx, const Product& p) {
    if (call_.cublasLtGetVersion() < first_with_outer_vectors) return false;
    Key key = key_of(ctx, p);
    if (ctx->deterministic) fix_rows(key);
    auto known = outer_vectors_.find(key);
    if (known == outer_vectors_.end()) {
      if (outer_vectors_.size() >= plan_limit) outer_vectors_.clear();
      const Plan* plan = planned(ctx, p);
      known = outer_vectors_.emplace(key, plan && !plan->refused).first;
      error_.clear();
    }
    return known->second;
  }

  ingrain_status gemm(ingrain_context* ctx, const Product& p, bool* taken) {
    error_.clear();
    *taken = false;
    Plan* plan = planned(ctx, p);
    if (plan && plan->refused) return INGRAIN_OK;
    if (!plan || !point_scales(*plan, p))
      return refuse(ctx, INGRAIN_DEVICE_ERROR, "%s", std::exchange(error_, {}).c_str());
    const float one = 1;
    const int status = call_.cublasLtMatmul(
        handle_, plan->operation.get(), &one, p.b, plan->a.get(), p.a, plan->b.get(), &p.beta, p.d, plan->d.get(), p.d,
        plan->d.get(), &plan->algorithm, p.scratch, static_cast<size_t>(workspace(p)), ctx->stream);
    *taken = status == success;
    if (*taken && ctx->tracing) trace(ctx, p);
    if (*taken) return INGRAIN_OK;
    // In deterministic mode, an unsupported product is an error. The plain kernel must not be used instead, because
    // products with other numbers of rows may already have used cuBLASLt's algorithm.
    if (status == not_supported && !ctx->deterministic) {
      plan->refused = true;
      return INGRAIN_OK;
    }
    return refuse(ctx, INGRAIN_DEVICE_ERROR, "cublasLtMatmul of (%ld, %ld) by (%ld, %ld): cuBLAS status %d",
                  static_cast<long>(p.M), static_cast<long>(p.K), static_cast<long>(p.K), static_cast<long>(p.N),
                  status);
  }

 private:
  static void trace(ingrain_context* ctx, const Product& p) {
    char line[160];
    snprintf(line, sizeof line, "cublasLtMatmul (%ld, %ld) by (%ld, %ld), dtypes %d and %d to %d",
             static_cast<long>(p.M), static_cast<long>(p.K), static_cast<long>(p.K), static_cast<long>(p.N), p.a_dtype,
             p.b_dtype, p.d_dtype);
    ingrain_trace_add(ctx, line);
  }
  template <class F> void find(F*& function, const char* name) {
    function = reinterpret_cast<F*>(dlsym(library_, name));
    if (!function && error_.empty()) error_ = std::string("cuBLASLt has no ") + name;
  }
  bool note(int status, const char* what) {
    if (status != success && error_.empty()) error_ = std::string(what) + ": cuBLAS status " + std::to_string(status);
    return status == success;
  }
  // Returns the bytes of scratch for cuBLASLt, rounded down to whole MiB, so that the choice of an algorithm does not
  // depend on the exact sizes of other parts of the workspace.
  static int64_t workspace(const Product& p) { return std::min(p.scratch_bytes, workspace_limit) >> 20 << 20; }

  static Key key_of(const ingrain_context* ctx, const Product& p) {
    const uint64_t a = static_cast<uint64_t>(element_bytes(p.a_dtype)),
                   b = static_cast<uint64_t>(element_bytes(p.b_dtype));
    const uint64_t d = static_cast<uint64_t>(element_bytes(p.d_dtype)),
                   chunk = static_cast<uint64_t>(p.partial ? p.chunk : 0);
    return {p.M,
            p.N,
            p.K,
            p.lda,
            p.ldb,
            p.partial ? p.chunk : 0,
            p.a_dtype,
            p.b_dtype,
            p.d_dtype,
            p.a_transposed + 2 * p.b_transposed,
            p.beta != 0,
            (p.a_scales != nullptr) + 2 * p.fast_accumulate + 4 * ctx->deterministic,
            workspace(p),
            alignment({reinterpret_cast<uintptr_t>(p.a), static_cast<uint64_t>(p.lda) * a, chunk * a}),
            alignment({reinterpret_cast<uintptr_t>(p.b), static_cast<uint64_t>(p.ldb) * b, chunk * b}),
            alignment({reinterpret_cast<uintptr_t>(p.d), static_cast<uint64_t>(ldd_of(p)) * d}),
            ldd_of(p)};
  }

  // Changes the key of a product to the key that all products with the same weight share. This key does not depend on
  // the number of rows. Its alignments are the smallest alignments that a slice of rows can have.
  static void fix_rows(Key& key) {
    key[0] = fixed_rows;
    key[13] = key[15] = 16;
  }

  // Returns the plan of a product, or null if a call of cuBLASLt failed. If cuBLASLt has no algorithm for the product,
  // the plan is marked as refused.
  Plan* planned(const ingrain_context* ctx, const Product& p) {
    const Key key = key_of(ctx, p);
    if (auto found = plans_.find(key); found != plans_.end()) return &found->second;
    Plan plan;
    if (!describe(plan, p)) return nullptr;
    if (ctx->deterministic ? !fix(plan, p, key) : !choose(plan, key, {}, splits_for(ctx, p))) return nullptr;
    if (plans_.size() >= plan_limit) plans_.clear();
    return &plans_.emplace(key, std::move(plan)).first->second;
  }

  bool describe(Plan& plan, const Product& p) {
    const int64_t K = p.partial ? p.chunk : p.K;
    Object operation = nullptr;
    if (!note(call_.cublasLtMatmulDescCreate(&operation, compute_32f, r_32f), "cublasLtMatmulDescCreate")) return false;
    plan.operation = Owned(operation, call_.cublasLtMatmulDescDestroy);
    const int32_t trans_a = p.b_transposed, trans_b = p.a_transposed;
    if (!set(plan, desc_trans_a, trans_a) || !set(plan, desc_trans_b, trans_b)) return false;
    if (p.a_dtype == INGRAIN_F8E4M3 && !set(plan, desc_fast_accumulate, static_cast<int8_t>(p.fast_accumulate)))
      return false;
    if (p.a_scales &&
        (!set(plan, desc_a_scale_mode, static_cast<int32_t>(scale_outer_vector)) ||
         !set(plan, desc_b_scale_mode, static_cast<int32_t>(scale_outer_vector)) || !point_scales(plan, p)))
      return false;
    const int32_t batch = static_cast<int32_t>(p.partial ? chunks_of(p) : 1);
    return lay(plan.a, type_of(p.b_dtype), p.b_transposed ? K : p.N, p.b_transposed ? p.N : K, p.ldb, batch,
               p.b_transposed ? K : K * p.ldb) &&
           lay(plan.b, type_of(p.a_dtype), p.a_transposed ? p.M : K, p.a_transposed ? K : p.M, p.lda, batch,
               p.a_transposed ? K * p.lda : K) &&
           lay(plan.d, type_of(p.d_dtype), p.N, p.M, ldd_of(p), batch, p.M * ldd_of(p));
  }
  template <class T> bool set(const Plan& plan, int attribute, T value) {
    return note(call_.cublasLtMatmulDescSetAttribute(plan.operation.get(), attribute, &value, sizeof value),
                "cublasLtMatmulDescSetAttribute");
  }
  bool point_scales(const Plan& plan, const Product& p) {
    return !p.a_scales || (set(plan, desc_a_scale, p.b_scales) && set(plan, desc_b_scale, p.a_scales));
  }
  bool lay(Owned& layout, int type, int64_t rows, int64_t columns, int64_t ld, int32_t batch, int64_t stride) {
    Object made = nullptr;
    if (!note(call_.cublasLtMatrixLayoutCreate(&made, type, static_cast<uint64_t>(rows), static_cast<uint64_t>(columns),
                                               ld),
              "cublasLtMatrixLayoutCreate"))
      return false;
    layout = Owned(made, call_.cublasLtMatrixLayoutDestroy);
    return batch == 1 ||
           (note(call_.cublasLtMatrixLayoutSetAttribute(made, layout_batch_count, &batch, sizeof batch),
                 "cublasLtMatrixLayoutSetAttribute") &&
            note(call_.cublasLtMatrixLayoutSetAttribute(made, layout_batch_stride, &stride, sizeof stride),
                 "cublasLtMatrixLayoutSetAttribute"));
  }

  // How candidates that split K are ranked: as cuBLASLt ranks them (as_ranked), after all other candidates (last), or
  // not at all (never: they are not used). `last` is for products whose blocks occupy at least 7/8 of the
  // multiprocessors even without a split. At such shapes of Llama-2-70B, the first candidate without a split was never
  // slower than a split that cuBLASLt ranked higher, and up to 18 % faster (benchmarks/results/h200.md, micro).
  enum class Splits { as_ranked, last, never };
  static Splits splits_for(const ingrain_context* ctx, const Product& p) {
    constexpr int64_t features = 64;  // output columns of the smallest thread block tile
    return p.N / features * 8 >= static_cast<int64_t>(ctx->properties.multiProcessorCount) * 7 ? Splits::last
                                                                                               : Splits::as_ranked;
  }

  // Requests candidates in the order of cuBLASLt's own estimate and chooses the first that passes
  // cublasLtMatmulAlgoCheck for this product and for all plans in `others`. Returns false if a call failed. If no
  // candidate passes, the plan is marked as refused.
  bool choose(Plan& plan, const Key& key, const std::vector<Plan>& others, Splits rule) {
    Object made = nullptr;
    if (!note(call_.cublasLtMatmulPreferenceCreate(&made), "cublasLtMatmulPreferenceCreate")) return false;
    const Owned preference(made, call_.cublasLtMatmulPreferenceDestroy);
    auto prefer = [&](int attribute, auto value) {
      return note(call_.cublasLtMatmulPreferenceSetAttribute(made, attribute, &value, sizeof value),
                  "cublasLtMatmulPreferenceSetAttribute");
    };
    const auto a = static_cast<uint32_t>(key[14]), b = static_cast<uint32_t>(key[13]),
               d = static_cast<uint32_t>(key[15]);
    if (!prefer(prefer_workspace, static_cast<uint64_t>(key[12])) || !prefer(prefer_alignment, a) ||
        !prefer(prefer_alignment + 1, b) || !prefer(prefer_alignment + 2, d) || !prefer(prefer_alignment + 3, d) ||
        !prefer(prefer_reduction, rule == Splits::never ? uint32_t{0} : reduce_in_f32))
      return false;
    std::array<Heuristic, 16> found{};
    int count = 0;
    const int status = call_.cublasLtMatmulAlgoGetHeuristic(
        handle_, plan.operation.get(), plan.a.get(), plan.b.get(), plan.d.get(), plan.d.get(), made,
        static_cast<int>(rule == Splits::never ? found.size() : 8), found.data(), &count);
    if (status == not_supported) count = 0;
    else if (!note(status, "cublasLtMatmulAlgoGetHeuristic")) return false;
    const auto takes_all = [&](const Algorithm& algorithm) {
      return takes(plan, algorithm, key) &&
             std::ranges::all_of(others, [&](const Plan& other) { return takes(other, algorithm, key); });
    };
    const auto end = found.begin() + count;
    if (rule != Splits::as_ranked) {
      const auto split = std::stable_partition(
          found.begin(), end, [&](const Heuristic& h) { return h.status == success && !splits(h.algorithm); });
      if (rule == Splits::never) count = static_cast<int>(split - found.begin());
    }
    for (int i = 0; i < count; ++i) {
      if (found[i].status != success || !takes_all(found[i].algorithm)) continue;
      plan.algorithm = found[i].algorithm;
      return true;
    }
    plan.refused = true;
    return true;
  }
  bool takes(const Plan& plan, const Algorithm& algorithm, const Key& key) const {
    Heuristic checked{};
    return call_.cublasLtMatmulAlgoCheck(handle_, plan.operation.get(), plan.a.get(), plan.b.get(), plan.d.get(),
                                         plan.d.get(), &algorithm, &checked) == success &&
           checked.workspace <= static_cast<size_t>(key[12]);
  }
  bool splits(const Algorithm& algorithm) const {
    int32_t parts = 1;
    size_t written = 0;
    return call_.cublasLtMatmulAlgoConfigGetAttribute(&algorithm, algorithm_split_k, &parts, sizeof parts, &written) ==
               success &&
           parts > 1;
  }

  // Sets the plan's algorithm to the fixed algorithm of this weight. The algorithm is chosen for a fixed number of rows
  // of a and checked for the actual number of rows. (For the gradient of a weight, the algorithm is chosen for the
  // actual sizes.) If cuBLASLt has no algorithm for the weight, the plan is marked as refused for every number of rows.
  // If the algorithm does not support the actual number of rows, the function returns false and sets the error text.
  bool fix(Plan& plan, const Product& p, Key key) {
    if (p.a_transposed) return choose(plan, key, {}, Splits::never);
    Product usual = p;
    usual.M = fixed_rows;
    fix_rows(key);
    auto fixed = fixed_.find(key);
    if (fixed == fixed_.end()) {
      Plan found;
      std::vector<Plan> others;
      for (const int64_t rows : {1, 17, 512, 4096}) {
        usual.M = rows;
        if (!describe(others.emplace_back(), usual)) return false;
      }
      usual.M = fixed_rows;
      if (!describe(found, usual) || !choose(found, key, others, Splits::never)) return false;
      fixed = fixed_.emplace(key, Fixed{found.algorithm, found.refused}).first;
    }
    plan.algorithm = fixed->second.algorithm;
    plan.refused = fixed->second.refused;
    if (plan.refused || takes(plan, plan.algorithm, key)) return true;
    error_ = "deterministic: cuBLASLt's algorithm for this weight does not support " + std::to_string(p.M) + " rows";
    return false;
  }

  void* library_ = nullptr;
  Object handle_ = nullptr;
  Functions call_{};
  std::string error_;
  std::map<Key, Plan> plans_;
  std::map<Key, Fixed> fixed_;
  std::map<Key, bool> outer_vectors_;
};

bool deterministic(const ingrain_context* ctx) { return ctx->deterministic; }

bool multiplies_fp8(const ingrain_context* ctx) { return ctx->properties.major * 10 + ctx->properties.minor >= 89; }

void open_blas(ingrain_context* ctx) { ctx->blas = std::make_shared<BlasLt>(); }

ingrain_status blas_scales_rows(ingrain_context* ctx, const Product& p, bool* scales) {
  if (!ctx->blas->error().empty()) return refuse(ctx, INGRAIN_UNSUPPORTED, "%s", ctx->blas->error().c_str());
  // A cuBLASLt handle belongs to the device that was current when it was created.
  if (ingrain_status status = cuda_status(ctx, ctx->use(), "matmul")) return status;
  *scales = ctx->blas->outer_vectors(ctx, p);
  return INGRAIN_OK;
}

ingrain_status blas_gemm(ingrain_context* ctx, const Product& p, bool* taken) {
  if (!ctx->blas->error().empty()) return refuse(ctx, INGRAIN_UNSUPPORTED, "%s", ctx->blas->error().c_str());
  if (ingrain_status status = cuda_status(ctx, ctx->use(), "matmul")) return status;
  return ctx->blas->gemm(ctx, p, taken);
}

}  // namespace ingrain
