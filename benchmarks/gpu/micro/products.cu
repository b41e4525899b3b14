// products: compares cuBLASLt's first candidate with the best of 24 candidates, for the linear layers of Llama 2 70B,
// and finds the fp8 products that cuBLASLt refuses.
//   product    "us" is the time of the first candidate and "best_us" the time of the best candidate; the program
// measures both in turn at the end. TB/s counts only the bytes of the weight. "error" is the error of the
//              best candidate; the result is correct if the error is below 0.03. "status" and "call" are present if
//              the first candidate is refused
//   accepts    fp8, not timed: whether the product runs, and which call refuses it ("heuristic_status", "candidates",
//              "check_status", "status" of cublasLtMatmul)
// Build    benchmarks/gpu/micro/build FOLDER
// Run      FOLDER/products SECONDS     cuBLASLt on LD_LIBRARY_PATH; needs 3 GB of GPU memory
//
// Weights and activations are random. Calls alternate between weights in a pool that is larger than the L2 cache.
#include <cuda_bf16.h>
#include <cuda_fp8.h>

#include <functional>

#include "blas.h"
#include "row.h"

namespace {

constexpr int64_t D = 8192, F = 28672, most_rows = 2048, most_out = 2 * F;
constexpr size_t pool_bytes = size_t{2} << 30;
constexpr int most_candidates = 24;

struct Weight { const char* name; int64_t N, K; };
constexpr Weight qkv{"qkv", 10240, D}, o{"o", D, D}, gate_up{"gate_up", 2 * F, D}, down{"down", D, F};

Blas blas;
cudaStream_t stream;
cudaEvent_t start, end;
char *pool, *x, *y, *workspace;
float *w_scales, *x_scales, *worst;
double limit = 30;

void check(cudaError_t error, const char* what) {
  if (error != cudaSuccess) throw std::runtime_error(std::string(what) + ": " + cudaGetErrorString(error));
}
#define CHECK(call) check(call, #call)

// Fills `wide`, or `narrow` if `wide` is null, with sums of four uniform numbers. These sums are approximately normal
// with standard deviation 1.
__global__ void fill(__nv_bfloat16* wide, __nv_fp8_e4m3* narrow, size_t n, unsigned seed) {
  for (size_t i = size_t{blockIdx.x} * 256 + threadIdx.x; i < n; i += size_t{gridDim.x} * 256) {
    unsigned r = static_cast<unsigned>(i) * 2654435761u ^ seed;
    r = (r ^ r >> 16) * 0x7feb352du, r = (r ^ r >> 15) * 0x846ca68bu, r ^= r >> 16;
    const float value = (__dp4a(r, 0x01010101u, 0u) - 510.f) / 148.f;
    if (wide) wide[i] = __float2bfloat16(value);
    else narrow[i] = __nv_fp8_e4m3(value);
  }
}
__global__ void fill_scales(float* scales, int64_t n) {
  for (int64_t i = threadIdx.x; i < n; i += blockDim.x) scales[i] = (1 + i % 7) / 256.f;
}

// Computes the largest error of 256 elements of y, one per warp, relative to the expected magnitude of an element.
template <class E>
__global__ void compare(const __nv_bfloat16* y, const E* x, const E* w, const float* sx, const float* sw, int64_t rows,
                        int64_t N, int64_t K, float* worst) {
  const int64_t m = blockIdx.x * 977ll % rows, n = blockIdx.x * 7919ll % N;
  float sum = 0;
  for (int64_t k = threadIdx.x; k < K; k += 32)
    sum += static_cast<float>(x[m * K + k]) * static_cast<float>(w[n * K + k]);
  for (int step = 16; step; step /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, step);
  const float scale = sx ? sx[m] * sw[n] : 1;
  const float error = fabsf(__bfloat162float(y[m * N + n]) - sum * scale) / (sqrtf(static_cast<float>(K)) * scale);
  if (threadIdx.x == 0)
    atomicMax(reinterpret_cast<int*>(worst), __float_as_int(error >= 0 ? error : 1e30f));  // NaN counts as 1e30
}

size_t bytes_of(const Weight& w, bool fp8) { return static_cast<size_t>(w.N) * w.K * (fp8 ? 1 : 2); }
const char* copy_of(const Weight& w, bool fp8, int i) {
  return pool + i % (pool_bytes / bytes_of(w, fp8)) * bytes_of(w, fp8);
}

// Returns microseconds per call, or the negative status of a refused call.
double time(Operation& op, const Weight& w, bool fp8, const Algorithm& algorithm, int calls) {
  CHECK(cudaEventRecord(start, stream));
  for (int i = 0; i < calls; ++i)
    if (const int status = op.run(y, x, copy_of(w, fp8, i), algorithm, workspace, stream)) return -status;
  CHECK(cudaEventRecord(end, stream));
  CHECK(cudaEventSynchronize(end));
  float ms = 0;
  CHECK(cudaEventElapsedTime(&ms, start, end));
  return ms * 1e3 / calls;
}

float error_of(Operation& op, const Weight& w, bool fp8, int64_t rows, const Algorithm& algorithm) {
  CHECK(cudaMemsetAsync(y, 0xff, rows * w.N * 2, stream));
  CHECK(cudaMemsetAsync(worst, 0, sizeof *worst, stream));
  if (op.run(y, x, pool, algorithm, workspace, stream)) return NAN;
  const auto* const out = reinterpret_cast<const __nv_bfloat16*>(y);
  auto run = [&]<class E>(const E*) {
    compare<E><<<256, 32, 0, stream>>>(out, reinterpret_cast<E*>(x), reinterpret_cast<E*>(pool),
                                       fp8 ? x_scales : nullptr, w_scales, rows, w.N, w.K, worst);
  };
  fp8 ? run(static_cast<__nv_fp8_e4m3*>(nullptr)) : run(static_cast<__nv_bfloat16*>(nullptr));
  CHECK(cudaGetLastError());
  float error = 0;
  CHECK(cudaMemcpyAsync(&error, worst, sizeof error, cudaMemcpyDeviceToHost, stream));
  CHECK(cudaStreamSynchronize(stream));
  return error;
}

Row& head(Row& row, const Weight& w, int64_t rows, bool fp8) {
  return row.with("dtype", fp8 ? "fp8" : "bf16")
      .with("weight", w.name)
      .with("rows", rows)
      .with("N", w.N)
      .with("K", w.K);
}

struct Best { int index = -1, taken = 0, first_status = 0; double us = 1e30; };

// Times every candidate, with a warm-up and then a few calls. A candidate that takes three times as long as the best
// candidate so far is timed with one call only.
Best fastest(Operation& op, const Weight& w, bool fp8, int64_t rows, const Heuristic* found, int count) {
  Best best;
  const int calls = rows <= 256 ? 8 : 3;
  for (int i = 0; i < count && (best.index < 0 || seconds() < limit); ++i) {
    double us = found[i].status ? -found[i].status : time(op, w, fp8, found[i].algorithm, 1);
    if (us > 0) us = time(op, w, fp8, found[i].algorithm, 1);
    if (us > 0 && us < 3 * best.us) us = time(op, w, fp8, found[i].algorithm, calls);
    if (i == 0 && us < 0) best.first_status = static_cast<int>(-us);
    if (us <= 0) continue;
    ++best.taken;
    if (us < best.us) best.us = us, best.index = i;
  }
  return best;
}

void product_row(const Weight& w, int64_t rows, bool fp8) {
  Operation op(blas, rows, w.N, w.K, fp8, fp8, r_16bf);
  if (fp8) op.set(desc_a_scale, w_scales), op.set(desc_b_scale, x_scales);
  Heuristic found[most_candidates] = {};
  const int count = op.candidates(found, most_candidates);
  const Best best = count ? fastest(op, w, fp8, rows, found, count) : Best{};
  Row row("product");
  head(row, w, rows, fp8).with("candidates", count).with("taken", best.taken);
  if (best.index < 0 || best.first_status) {
    if (!op.status && count) op.ran(best.first_status, "cublasLtMatmul");
    row.with("status", op.status).with("call", op.call);
    if (best.index < 0) return;
  }
  int whole = 0;  // the first candidate that does not split K
  while (whole < count && op.config(found[whole].algorithm, algorithm_split_k) > 1) ++whole;
  const int calls = rows <= 256 ? 12 : 4;
  std::vector<double> first_us, best_us, whole_us;
  for (int turn = 0; turn < 3; ++turn) {
    if (!best.first_status) first_us.push_back(time(op, w, fp8, found[0].algorithm, calls));
    best_us.push_back(time(op, w, fp8, found[best.index].algorithm, calls));
    if (whole < count) whole_us.push_back(time(op, w, fp8, found[whole].algorithm, calls));
  }
  const double bytes = static_cast<double>(bytes_of(w, fp8)), flops = 2. * rows * w.N * w.K, us = median(best_us);
  if (!best.first_status) row.time(median(first_us), least(first_us), bytes, flops);
  else rows_measured = rows_measured + 1;
  const Heuristic& chosen = found[best.index];
  row.with("best_us", us)
      .with("best_TB_per_s", bytes / us * 1e-6)
      .with("best_TFLOP_per_s", flops / us * 1e-6)
      .with("best_index", best.index);
  if (whole < count) row.with("whole_us", median(whole_us)).with("whole_index", whole);
  auto describe = [&](const std::string& which, const Heuristic& h) {
    row.with((which + "_algorithm").c_str(), op.config(h.algorithm, algorithm_id))
        .with((which + "_workspace").c_str(), h.workspace);
    row.with((which + "_tile").c_str(), op.config(h.algorithm, algorithm_tile));
    row.with((which + "_split_k").c_str(), op.config(h.algorithm, algorithm_split_k));
  };
  describe("first", found[0]), describe("best", chosen);
  row.with("error", error_of(op, w, fp8, rows, chosen.algorithm));
}

// Outputs whether cuBLASLt computes the fp8 product. If scaled is true, the product applies a scale per row (outer
// vectors) and writes bf16. Otherwise the product applies no scale and writes f32; the engine would have to scale the
// result.
void accepts_row(const Weight& w, int64_t rows, bool scaled) {
  Operation op(blas, rows, w.N, w.K, true, scaled, scaled ? r_16bf : r_32f);
  if (scaled) op.set(desc_a_scale, w_scales), op.set(desc_b_scale, x_scales);
  Heuristic found[8] = {};
  const int count = op.candidates(found, 8), asked = op.status;
  Row row("accepts");
  head(row, w, rows, true)
      .with("scales", scaled ? "outer vectors" : "none, f32 out")
      .with("heuristic_status", asked)
      .with("candidates", count);
  int status = op.status;
  for (int i = 0; i < count; ++i) {
    const int checked = found[i].status ? found[i].status : op.checked(found[i].algorithm);
    status = op.run(y, x, pool, found[i].algorithm, workspace, stream);
    op.ran(status, "cublasLtMatmul");
    if (status && i + 1 < count) continue;
    row.with("index", i).with("check_status", checked);
    break;
  }
  CHECK(cudaStreamSynchronize(stream));
  row.with("status", status).with("first_refusal", op.call);
}

void random_data(bool fp8) {
  auto make = [&](char* p, size_t bytes, unsigned seed) {
    auto* const wide = fp8 ? nullptr : reinterpret_cast<__nv_bfloat16*>(p);
    fill<<<2048, 256, 0, stream>>>(wide, reinterpret_cast<__nv_fp8_e4m3*>(p), bytes / (fp8 ? 1 : 2), seed);
    CHECK(cudaGetLastError());
  };
  make(pool, pool_bytes, 1);
  make(x, most_rows * most_out * 2, 2);
}

void prepare() {
  cudaDeviceProp card;
  CHECK(cudaGetDeviceProperties(&card, 0));
  CHECK(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  CHECK(cudaEventCreate(&start));
  CHECK(cudaEventCreate(&end));
  blas.open();
  Row("facts")
      .with("name", card.name)
      .with("sms", card.multiProcessorCount)
      .with("l2_bytes", card.l2CacheSize)
      .with("shared_per_block", card.sharedMemPerBlockOptin)
      .with("cublaslt", blas.cublasLtGetVersion())
      .with("path", blas.path)
      .with("workspace_bytes", workspace_bytes)
      .with("pool_bytes", pool_bytes);
  CHECK(cudaMalloc(&pool, pool_bytes));
  CHECK(cudaMalloc(&x, most_rows * most_out * 2));
  CHECK(cudaMalloc(&y, most_rows * most_out * 4));
  CHECK(cudaMalloc(&workspace, workspace_bytes));
  CHECK(cudaMalloc(&w_scales, most_out * 4));
  CHECK(cudaMalloc(&x_scales, most_rows * 4));
  CHECK(cudaMalloc(&worst, 4));
  fill_scales<<<1, 1024, 0, stream>>>(w_scales, most_out);
  fill_scales<<<1, 1024, 0, stream>>>(x_scales, most_rows);
  CHECK(cudaGetLastError());
  CHECK(cudaStreamSynchronize(stream));
}

// Runs a part, unless the time limit has passed. If the part fails, outputs its error as a row.
bool part(const char* name, const std::function<void()>& rows) {
  if (seconds() > limit) return false;
  try {
    rows();
    return true;
  } catch (const std::exception& failure) {
    Row(name).with("rows", 0).with("error", failure.what());
    cudaGetLastError();
    return false;
  }
}
void products(const std::vector<Weight>& weights, const std::vector<int64_t>& rows, bool fp8) {
  if (!part("random_data", [&] { random_data(fp8); })) return;
  for (const int64_t m : rows)
    for (const Weight& w : weights) part("product", [&] { product_row(w, m, fp8); });
}
// Tests the products of the forward pass and of the backward pass. For the backward pass the engine transposes the
// weight, so N and K are swapped.
void acceptance() {
  const double until = std::min(limit, seconds() + 6);
  for (const int64_t m :
       {40, 2048, 17, 24, 48, 33, 64, 65, 128, 500, 512, 1, 8, 16, 18, 20, 31, 32, 41, 47, 96, 127, 1000, 2047})
    for (const Weight& w : {qkv, o, gate_up, down, Weight{"qkv backward", D, 10240},
                            Weight{"gate_up backward", D, 2 * F}, Weight{"head", 32000, D}})
      for (const bool scaled : {true, false})
        if (seconds() < until) part("accepts", [&] { accepts_row(w, m, scaled); });
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1) limit = std::max(1., atof(argv[1]));
  end_after(static_cast<unsigned>(limit) + 15);
  if (!part("facts", prepare)) return finish();
  products({gate_up, down}, {40, 2048}, false);
  products({gate_up, down}, {40, 2048}, true);
  part("accepts", acceptance);
  products({qkv, o}, {40, 2048}, true);
  products({qkv, o, gate_up, down}, {24, 64, 128}, true);
  products({qkv, o}, {40, 2048}, false);
  products({qkv, o, gate_up, down}, {24, 64, 128, 256, 512}, false);
  products({qkv, o, gate_up, down}, {256, 512}, true);
  return finish();
}
