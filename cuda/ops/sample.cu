// sample: draws one token from each row of logits: temperature, then top_k, then top_p.
//   Holtzman et al. 2020, arXiv:1904.09751
//   weight w(i) = exp((x(i) − max x)/temperature), in units of 2⁻⁴⁰. The choice c is the first kept id for which the
//   sum of w over the kept ids up to c exceeds u times the sum of w over all kept ids, with u uniform in (0, 1)
//   log-probability of c = x(c) − max x − log Σ exp(x(i) − max x), summed over the whole row
// Kept     top_k keeps the k greatest logits. Of these, top_p keeps the greatest logits, as few as possible, whose
//          weights sum to at least top_p times the sum of the k weights. In a tie the lowest ids are kept
// Shapes   logits (M, V) f32 · ids, log_probabilities and every parameter (M)
// Types    f32; weights and their sums are 64-bit integers
// Needs    V < 2^23, scratch 0. Nothing is sorted: bisection over a float's bits finds a threshold. The bisection ends
//          when one logit is left between the bounds
// Mapping  one block per row, consecutive ids per thread; the row is copied to shared memory if this memory is large
//          enough (V = 32000: 144 KB)
// Bound    latency: about 20 passes over shared memory per threshold
// Oracle   native/ops/sample.cc
// Test     SampleParityTest
#include "dtype.h"
#include "philox.h"

namespace {

constexpr int max_threads = 1024, max_warps = max_threads / 32;
constexpr uint32_t lowest_key = 0x007fffff, infinity_key = 0xff800000;  // the keys of -inf and +inf

// Maps floats to unsigned integers in the same order; +0 and −0 have the same key.
__device__ __forceinline__ uint32_t to_key(float x) {
  const uint32_t u = __float_as_uint(x + 0.0f);
  return u >> 31 ? ~u : u | 0x80000000u;
}
__device__ __forceinline__ float from_key(uint32_t key) {
  return __uint_as_float(key >> 31 ? key & 0x7fffffffu : ~key);
}

// The distribution of ids over threads: thread t has ids [t·length, (t + 1)·length). The logits of these ids are in
// shared memory from index t·stride on.
struct Runs {
  int threads, length, stride;

  // stride / 4 is odd, so that 16-byte accesses of adjacent threads have no bank conflicts.
  explicit Runs(int64_t V)
      : threads(V > 32 * 8 * max_warps ? max_threads : static_cast<int>((V + 255) / 256 * 32)),
        length(static_cast<int>((V + 4 * threads - 1) / (4 * threads) * 4)),
        stride(length / 4 % 2 ? length : length + 4) {}
  size_t bytes(int64_t V) const { return static_cast<size_t>((V + length - 1) / length * stride) * sizeof(float); }
};

// Shared memory for exchanges between the warps. Exchanges alternate between two sets of cells, so that each exchange
// needs only one barrier.
struct Cells {
  uint64_t of_warp[2][max_warps];
  int id;
};

__device__ __forceinline__ uint64_t warp_sum(unsigned x) { return __reduce_add_sync(0xffffffffu, x); }
__device__ __forceinline__ uint64_t warp_sum(uint64_t x) {
  constexpr uint64_t low = (1u << 22) - 1;
  return warp_sum(static_cast<unsigned>(x & low)) + (warp_sum(static_cast<unsigned>(x >> 22 & low)) << 22) +
         (warp_sum(static_cast<unsigned>(x >> 44)) << 44);
}

template <bool staged> struct Row {
  const float* x;  // (V) in global memory, or the copy in shared memory, where runs begin every `stride` floats
  int V, length, stride;
  float max;
  Cells* cells;
  int turn;

  // Calls f(id, logit) for this thread's ids in ascending order.
  template <class F> __device__ __forceinline__ void each(const F& f) const {
    const int first = static_cast<int>(threadIdx.x) * length, n = ::min(length, V - first);
    const float* p = x + (staged ? static_cast<int>(threadIdx.x) * stride : first);
    int j = 0;
    if constexpr (staged)
#pragma unroll 2
      for (; j + 4 <= n; j += 4) {
        const Vec<float, 4> v = load<4>(p + j);
#pragma unroll
        for (int i = 0; i < 4; ++i) f(first + j + i, v.v[i]);
      }
    for (; j < n; ++j) f(first + j, p[j]);
  }

  __device__ float logit(int id) const { return staged ? x[id / length * stride + id % length] : x[id]; }

  // Combines the values of all warps with `join` and returns the result to every thread.
  template <class Join> __device__ __forceinline__ uint64_t over_warps(uint64_t value, const Join& join) {
    const int lane = threadIdx.x % 32, warps = blockDim.x / 32;
    if (warps == 1) return value;
    uint64_t* cell = cells->of_warp[turn ^= 1];
    if (lane == 0) cell[threadIdx.x / 32] = value;
    __syncthreads();
    return join(lane < warps ? cell[lane] : 0);
  }
  __device__ uint32_t maximum(uint32_t key) {
    const auto join = [](uint64_t k) -> uint64_t { return __reduce_max_sync(0xffffffffu, static_cast<unsigned>(k)); };
    return static_cast<uint32_t>(over_warps(join(key), join));
  }

  // Returns Σ share(id, logit) over the row. N is the type of the sums: unsigned if 32 bits are enough, else uint64_t.
  template <class N, class Share> __device__ uint64_t sum(const Share& share) {
    N own = 0;
    each([&](int id, float logit) { own += share(id, logit); });
    return over_warps(warp_sum(own), [](uint64_t s) { return warp_sum(s); });
  }

  // Returns the first id for which the sum of the shares, up to and including this id, exceeds `target`. `target` must
  // be less than the total.
  template <class Share> __device__ int locate(uint64_t target, const Share& share) {
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    uint64_t own = 0;
    each([&](int id, float logit) { own += share(id, logit); });
    uint64_t until = own;
#pragma unroll
    for (int bits = 1; bits < 32; bits *= 2) {
      const uint64_t lower = __shfl_up_sync(0xffffffffu, static_cast<unsigned long long>(until), bits);
      if (lane >= bits) until += lower;
    }
    uint64_t* cell = cells->of_warp[turn ^= 1];
    if (lane == 31) cell[warp] = until;
    __syncthreads();
    for (int w = 0; w < warp; ++w) until += cell[w];
    uint64_t before = until - own;
    if (before <= target && target < until)
      each([&](int id, float logit) {
        const uint64_t s = share(id, logit);
        if (before <= target && s) cells->id = id;
        before += s;
      });
    __syncthreads();
    return cells->id;
  }
};

struct Weight {
  float max, inverse_temperature;
  __device__ __forceinline__ uint64_t operator()(float logit) const {
    return static_cast<uint64_t>(llrintf(expf((logit - max) * inverse_temperature) * 0x1p40f));
  }
};
struct One {
  __device__ __forceinline__ unsigned operator()(float) const { return 1; }
};

// The rule for the kept ids. An id is kept if the key of its logit is above `lowest`, or if the key equals `lowest` and
// the id is below `tie_end`.
struct Kept {
  uint32_t lowest;
  int tie_end;
  __device__ __forceinline__ bool holds(int id, uint32_t key) const {
    return key > lowest || (key == lowest && id < tie_end);
  }
};

struct Selection {
  uint32_t key;  // the greatest key for which the total share of all keys >= it is at least the target
  int tie_end;  // an id with this key is kept if the id is below tie_end
  uint64_t sum;  // sum of the shares of the kept ids
};

// Finds the threshold of a selection by bisection between the key `lowest` and the greatest key. `all` must be at least
// the sum of the shares of all keys >= `lowest`.
template <class N, bool staged, class Share>
__device__ Selection select(Row<staged>& row, uint64_t target, uint32_t lowest, uint64_t all, const Share& share) {
  uint32_t low = lowest, high = to_key(row.max) + 1;
  uint64_t at_low = all, at_high = 0;
  while (high - low > 1 && at_low - at_high >= 2 * static_cast<uint64_t>(share(from_key(low)))) {
    const uint32_t middle = low + (high - low) / 2;
    const uint64_t s =
        row.template sum<N>([&](int, float logit) -> N { return to_key(logit) >= middle ? share(logit) : 0; });
    if (s >= target) low = middle, at_low = s;
    else high = middle, at_high = s;
  }
  const bool alone = high - low > 1;
  if (alone) {
    uint32_t below = 0;
    row.each([&](int, float logit) {
      const uint32_t key = to_key(logit);
      if (key < high) below = max(below, key);
    });
    low = row.maximum(below);
  }
  const uint64_t each = max(static_cast<unsigned long long>(share(from_key(low))), 1ull),
                 needed = (target - at_high + each - 1) / each;
  if (alone || needed * each >= at_low - at_high) return {low, row.V, at_high + (alone ? each : at_low - at_high)};
  const int last = row.locate(needed - 1, [&](int, float logit) -> uint64_t { return to_key(logit) == low; });
  return {low, last + 1, at_high + needed * each};
}

struct Choice { float temperature; int top_k; float top_p; uint64_t random; };
// `total` is the sum of all weights of the row at temperature 1, or 0 if this sum was not computed.
struct Chosen { int id; uint64_t total; };

template <bool staged> __device__ Chosen choose(Row<staged>& row, const Choice& choice) {
  if (!(choice.temperature > 0.0f)) {
    const uint32_t best = to_key(row.max);
    return {row.locate(0, [&](int, float logit) -> uint64_t { return to_key(logit) == best; }), 0};
  }
  // The limits avoid the product 0·inf, which is NaN.
  const Weight weight{row.max, fmaxf(1e-30f, fminf(1.0f / choice.temperature, 1e30f))};
  Kept kept{0, 0};
  if (choice.top_k > 0 && choice.top_k < row.V) {
    const Selection s = select<unsigned>(row, choice.top_k, lowest_key, row.V, One{});
    kept = {s.key, s.tie_end};
  }
  const auto share = [&](int id, float logit) { return kept.holds(id, to_key(logit)) ? weight(logit) : 0; };
  uint64_t total = row.template sum<uint64_t>(share);
  const uint64_t whole = kept.lowest == 0 && weight.inverse_temperature == 1.0f ? total : 0;
  if (choice.top_p < 1.0f) {
    const double top_p = fmaxf(choice.top_p, 0.0f);
    // The weights below `light` sum to less than the weight that top_p may remove, so the bisection starts at `light`.
    // The factor 0.5 allows for rounding.
    const float light = static_cast<float>(0.5 * (1.0 - top_p) * static_cast<double>(total) * 0x1p-40 / row.V);
    const uint32_t floor = max(to_key(row.max + logf(light) / weight.inverse_temperature), lowest_key + 1) - 1;
    const uint64_t target = max(static_cast<unsigned long long>(ceil(top_p * static_cast<double>(total))), 1ull);
    const Selection s = select<uint64_t>(row, target, max(kept.lowest, floor), total, weight);
    if (s.key > kept.lowest || s.tie_end < kept.tie_end) kept = {s.key, s.tie_end}, total = s.sum;
  }
  // The random number is (k + ½)·2⁻⁵² for 52 random bits k, so it is strictly between 0 and 1. It is stored as an
  // integer in units of 2⁻⁶⁴.
  const uint64_t random = (choice.random & ~uint64_t{0xfff}) | 0x800;
  return {row.locate(__umul64hi(random, total), share), whole};
}

template <bool staged>
__global__ void __launch_bounds__(max_threads)
    draw(int32_t* ids, float* log_probabilities, const float* logits, const float* temperature, const int32_t* top_k,
         const float* top_p, const int64_t* seeds, const int32_t* sequences, const int32_t* positions, int V,
         int length, int stride) {
  __shared__ Cells cells;
  const int64_t m = blockIdx.x;
  const float* x = logits + m * V;
  uint32_t best = 0;
  const auto take = [&](int i, float logit) {
    if constexpr (staged) dynamic_shared<float>()[i / length * stride + i % length] = logit;
    best = max(best, logit < INFINITY ? to_key(logit) : infinity_key);  // a NaN counts as +inf: both give NaN
  };
  const int threads = static_cast<int>(blockDim.x), thread = static_cast<int>(threadIdx.x);
  if (V % 4 == 0 && reinterpret_cast<uintptr_t>(logits) % 16 == 0) {
#pragma unroll 4
    for (int i = 4 * thread; i < V; i += 4 * threads) {
      const Vec<float, 4> v = load<4>(x + i);
#pragma unroll
      for (int j = 0; j < 4; ++j) take(i + j, v.v[j]);
    }
  } else {
#pragma unroll 4
    for (int i = thread; i < V; i += threads) take(i, x[i]);
  }
  Row<staged> row{staged ? dynamic_shared<float>() : x, V, length, stride, 0, &cells, 0};
  __syncthreads();
  best = row.maximum(best);
  if (best <= lowest_key || best >= infinity_key) {
    if (thread == 0) ids[m] = -1;
    if (thread == 0 && log_probabilities) log_probabilities[m] = NAN;
    return;
  }
  row.max = from_key(best);
  const philox_block r =
      philox(seeds[m], static_cast<uint32_t>(positions[m]), static_cast<uint32_t>(sequences[m]), 0, 0);
  Chosen chosen = choose(row, {temperature[m], top_k[m], top_p[m], static_cast<uint64_t>(r.x[0]) << 32 | r.x[1]});
  if (thread == 0) ids[m] = chosen.id;
  if (!log_probabilities) return;
  const Weight plain{row.max, 1.0f};
  if (!chosen.total) chosen.total = row.template sum<uint64_t>([&](int, float logit) { return plain(logit); });
  if (thread == 0)
    log_probabilities[m] = row.logit(chosen.id) - row.max - logf(static_cast<float>(chosen.total) * 0x1p-40f);
}

}  // namespace

extern "C" ingrain_status ingrain_sample(ingrain_context* ctx, int32_t* ids, float* log_probabilities,
                                         const float* logits, const float* temperature, const int32_t* top_k,
                                         const float* top_p, const int64_t* seeds, const int32_t* sequences,
                                         const int32_t* positions, int64_t M, int64_t V) {
  if (V < 1 || V >= 1 << 23)
    return refuse(ctx, INGRAIN_UNSUPPORTED, "sample: V = %ld, expected 1 to 2^23 - 1", static_cast<long>(V));
  void* stream = nullptr;
  // ingrain_native_stream also makes the context's device current.
  if (ingrain_status status = ingrain_native_stream(ctx, &stream)) return status;
  size_t most = 0;
  if (ingrain_status status = cuda_status(ctx, most_dynamic_shared(draw<true>, &most), "sample")) return status;
  const Runs runs(V);
  const bool staged = runs.bytes(V) <= most;
  return launch(staged ? draw<true> : draw<false>, static_cast<unsigned>(M), static_cast<unsigned>(runs.threads),
                staged ? runs.bytes(V) : 0, ctx, ids, log_probabilities, logits, temperature, top_k, top_p, seeds,
                sequences, positions, static_cast<int>(V), runs.length, runs.stride);
}
INGRAIN_EXPORT_OP(sample)
