// sample: draws one token from each row of logits: temperature, then top_k, then top_p.
//   Holtzman et al. 2020, arXiv:1904.09751
//   weight w(i) = exp((x(i) − max x)/temperature); the choice is the first id at which Σ w exceeds u·(Σ of all kept)
//   log-probability of the choice c = x(c) − max x − log Σ exp(x(i) − max x), over the whole row
// Kept     top_k keeps the k greatest logits. Of these, top_p keeps the greatest logits, as few as possible, whose
//          weights sum to at least top_p times the sum of the k weights. In a tie the lowest ids are kept
// Shapes   logits (M, V) f32 · ids, log_probabilities and every parameter (M)
// Types    f32; sums of blocks, and the search for the chosen id, in f64
// Needs    nothing, scratch 0. Nothing is sorted: three passes of radix select over a float's bits find the thresholds
// Mapping  rows over threads   Bound  memory and exp: 2 to 8 passes over M·V
//                                                       Oracle the definition   Test SampleParityTest
#include "philox.h"
#include "strips.h"

#include <bit>
#include <cmath>
#include <limits>

namespace ingrain::INGRAIN_ISA {
namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr int64_t max_blocks = 512;

#if defined(__AVX512F__)
inline uint32_t at_least(vec a, vec b) { return _mm512_cmp_ps_mask(a.v, b.v, _CMP_GE_OQ); }
inline vec where_at_least(vec w, vec a, vec b) {
  return {_mm512_maskz_mov_ps(_mm512_cmp_ps_mask(a.v, b.v, _CMP_GE_OQ), w.v)};
}
#else
inline uint32_t at_least(vec a, vec b) {
  const int lo = _mm256_movemask_ps(_mm256_cmp_ps(a.lo, b.lo, _CMP_GE_OQ)),
            hi = _mm256_movemask_ps(_mm256_cmp_ps(a.hi, b.hi, _CMP_GE_OQ));
  return static_cast<uint32_t>(lo) | static_cast<uint32_t>(hi) << 8;
}
inline vec where_at_least(vec w, vec a, vec b) {
  return {_mm256_and_ps(w.lo, _mm256_cmp_ps(a.lo, b.lo, _CMP_GE_OQ)),
          _mm256_and_ps(w.hi, _mm256_cmp_ps(a.hi, b.hi, _CMP_GE_OQ))};
}
#endif

// Maps floats to unsigned integers with the same order. +0 and −0 have the same key.
inline uint32_t to_key(float x) {
  const uint32_t u = std::bit_cast<uint32_t>(x + 0.0f);
  return u >> 31 ? ~u : u | 0x80000000u;
}
inline float from_key(uint32_t key) { return std::bit_cast<float>(key >> 31 ? key & 0x7fffffffu : ~key); }

struct Row {
  const float* x;  // (V)
  int64_t V;
  float max;
  float inverse_temperature;

  vec weight(vec logits) const { return exp((logits - splat(max)) * splat(inverse_temperature)); }
  double weight(float logit) const {
    float b[lanes];
    store(b, weight(splat(logit)));
    return b[0];
  }
};

// An id is kept if its logit is above lowest, or if it equals lowest and the id is below tie_end.
struct Kept {
  float lowest;
  int64_t tie_end;

  vec weights(const Row& row, vec logits, int64_t i) const {
    const vec w = row.weight(logits);
    if (i + lanes <= tie_end) return where_at_least(w, logits, splat(lowest));
    const float above = std::nextafter(lowest, infinity);
    if (i >= tie_end) return where_at_least(w, logits, splat(above));
    float floor[lanes];
    for (int64_t j = 0; j < lanes; ++j) floor[j] = i + j < tie_end ? lowest : above;
    return where_at_least(w, logits, load(floor));
  }
};

// Writes the greatest logit to *max. Returns false if the softmax of the row is undefined because the row has a NaN,
// +inf or no logit above -inf.
bool find_max(const float* x, int64_t V, float* max) {
  vec m = splat(-infinity);
  uint32_t numbers = 0xffff;
  strips(V, [&](int64_t i, auto n) {
    const vec v = load(x + i, n, -infinity);
    numbers &= at_least(v, splat(-infinity));
    m = ingrain::INGRAIN_ISA::max(m, v);
  });
  *max = maximum(m);
  return numbers == 0xffff && *max > -infinity && *max < infinity;
}

// Returns the id of the nth logit (counted from 1) that equals value, or V if there are fewer.
int64_t find_equal(const float* x, int64_t V, float value, double nth) {
  int64_t found = V;
  for (int64_t i = 0; i < V && found == V; i += lanes) {
    const vec v = V - i < lanes ? load_some(x + i, V - i, -infinity) : load(x + i);
    uint32_t bits = at_least(v, splat(value)) & at_least(splat(value), v);
    for (; bits && found == V; bits &= bits - 1)
      if (--nth <= 0) found = i + std::countr_zero(bits);
  }
  return found;
}

Kept everything(int64_t V) { return {-infinity, V + lanes}; }

struct Selection {
  uint32_t key;  // the greatest key for which the total measure of all keys >= it is at least the target
  double above;  // total measure of all greater keys
};

// Finds the threshold of a selection by radix select. measure(v) returns how much each lane's logit counts: 1 or its
// weight. The threshold must be at least `lowest`.
template <class Measure>
Selection select(const Row& row, double target, float lowest, const Measure& measure) {
  struct Digit { int shift, bits; };
  Selection s{0, 0.0};
  for (const auto [shift, bits] : {Digit{21, 11}, Digit{10, 11}, Digit{0, 10}}) {
    double bins[2048] = {};
    const uint32_t prefix = s.key >> shift >> bits;
    strips(row.V, [&](int64_t i, auto n) {
      const vec v = load(row.x + i, n, -infinity);
      uint32_t some = at_least(v, splat(lowest)) &
                      static_cast<uint32_t>((uint64_t{1} << (row.V - i < lanes ? row.V - i : lanes)) - 1);
      if (!some) return;
      float shares[lanes];
      store(shares, measure(v));
      for (; some; some &= some - 1) {
        const int j = std::countr_zero(some);
        const uint32_t key = to_key(row.x[i + j]);
        if (shift == 21 || key >> shift >> bits == prefix) bins[key >> shift & ((1u << bits) - 1)] += shares[j];
      }
    });
    uint32_t digit = 0;
    double last = 0.0;  // sum of the last non-empty bin; its digit is used if rounding makes the total too low
    for (uint32_t d = 1u << bits; d-- > 0;) {
      if (bins[d] == 0.0) continue;
      s.above += last;
      last = bins[d];
      digit = d;
      if (s.above + last >= target) break;
    }
    s.key |= digit << shift;
    // If the key is below the key of -inf, `reached` is NaN, and `lowest` does not change.
    const float reached = from_key(s.key);
    if (reached > lowest) lowest = reached;
  }
  return s;
}

Kept keep_top_k(const Row& row, int64_t k) {
  const Selection s = select(row, static_cast<double>(k), -infinity, [](vec) { return splat(1.0f); });
  const float lowest = from_key(s.key);
  return {lowest, find_equal(row.x, row.V, lowest, static_cast<double>(k) - s.above) + 1};
}

// total is the sum of the weights of the ids in `kept`.
Kept keep_top_p(const Row& row, const Kept& kept, float top_p, double total) {
  // The weights below `light` sum to less than the weight that top_p may remove. The factor 0.5 allows for rounding.
  const double light = 0.5 * (1.0 - static_cast<double>(top_p)) * total / static_cast<double>(row.V);
  const float floor = std::nextafter(
      row.max + static_cast<float>(std::log(light) / static_cast<double>(row.inverse_temperature)), -infinity);
  const double target = static_cast<double>(top_p) * total;
  const Selection s =
      select(row, target, floor > kept.lowest ? floor : kept.lowest, [&](vec v) { return row.weight(v); });
  const float lowest = from_key(s.key);
  if (lowest < kept.lowest) return kept;
  const double ties = std::ceil((target - s.above) / row.weight(lowest));
  const int64_t end = find_equal(row.x, row.V, lowest, ties) + 1;
  return {lowest, lowest == kept.lowest && kept.tie_end < end ? kept.tie_end : end};
}

// Divides a row into at most max_blocks blocks of equal length. The length depends on V only.
struct Blocks {
  int64_t length;
  int64_t count;
  double total = 0.0;
  double weight[max_blocks];

  explicit Blocks(int64_t V)
      : length((V / max_blocks / (4 * lanes) + 1) * 4 * lanes), count((V + length - 1) / length) {}

  void add_up(const Row& row, const Kept& kept) {
    total = 0.0;
    for (int64_t b = 0; b < count; ++b) {
      const int64_t first = b * length, n = row.V - first < length ? row.V - first : length;
      weight[b] = sum_strips(n, [&](int64_t i, auto m, vec a) {
        return a + kept.weights(row, load(row.x + first + i, m, -infinity), first + i);
      });
      total += weight[b];
    }
  }

  // Returns the first id at which the sum of the weights up to this id exceeds u·total. Since u < 1, such an id exists.
  int32_t draw(const Row& row, const Kept& kept, double u) const {
    const double target = u * total;
    double before = 0.0;
    int64_t b = 0;
    while (b + 1 < count && before + weight[b] <= target) before += weight[b++];
    const int64_t end = (b + 1) * length < row.V ? (b + 1) * length : row.V;
    int64_t chosen = 0;  // the last id so far whose weight is not 0; returned if rounding keeps the sum too low
    for (int64_t i = b * length; i < end && before <= target; i += lanes) {
      float w[lanes];
      store(w, kept.weights(row, end - i < lanes ? load_some(row.x + i, end - i, -infinity) : load(row.x + i), i));
      for (int64_t j = 0; j < lanes && before <= target; ++j) {
        if (w[j] == 0.0f) continue;
        chosen = i + j;
        before += static_cast<double>(w[j]);
      }
    }
    return static_cast<int32_t>(chosen);
  }
};

// Returns (k + ½)·2⁻⁵² for 52 random bits k: strictly between 0 and 1.
double uniform64(const philox_block& r) {
  const uint64_t word = static_cast<uint64_t>(r.x[0]) << 32 | r.x[1];
  return (static_cast<double>(word >> 12) + 0.5) * 0x1p-52;
}

struct Choice { float temperature; int32_t top_k; float top_p; double u; };

int32_t choose(Row row, const Choice& choice) {
  if (!(choice.temperature > 0.0f)) return static_cast<int32_t>(find_equal(row.x, row.V, row.max, 1.0));
  // The two limits avoid the product 0·inf, which is NaN.
  row.inverse_temperature = std::fmax(1e-30f, std::fmin(1.0f / choice.temperature, 1e30f));
  Kept kept = everything(row.V);
  if (choice.top_k > 0 && choice.top_k < row.V) kept = keep_top_k(row, choice.top_k);
  Blocks blocks(row.V);
  blocks.add_up(row, kept);
  if (choice.top_p < 1.0f) {
    kept = keep_top_p(row, kept, choice.top_p, blocks.total);
    blocks.add_up(row, kept);
  }
  return blocks.draw(row, kept, choice.u);
}

float log_probability(const Row& row, int32_t id) {
  Blocks blocks(row.V);
  blocks.add_up(row, everything(row.V));
  return static_cast<float>(static_cast<double>(row.x[id] - row.max) - std::log(blocks.total));
}

}  // namespace
}  // namespace ingrain::INGRAIN_ISA

INGRAIN_OP(sample,
           (ingrain_context * ctx, int32_t* ids, float* log_probabilities, const float* logits,
            const float* temperature, const int32_t* top_k, const float* top_p, const int64_t* seeds,
            const int32_t* sequences, const int32_t* positions, int64_t M, int64_t V),
           (ctx, ids, log_probabilities, logits, temperature, top_k, top_p, seeds, sequences, positions, M, V)) {
  parallel_for(ctx, M, 1, [&](int64_t begin, int64_t end) {
    for (int64_t m = begin; m < end; ++m) {
      Row row{logits + m * V, V, 0.0f, 1.0f};
      const bool meaningful = find_max(row.x, V, &row.max);
      const philox_block r =
          philox(seeds[m], static_cast<uint32_t>(positions[m]), static_cast<uint32_t>(sequences[m]), 0, 0);
      ids[m] = meaningful ? choose(row, {temperature[m], top_k[m], top_p[m], uniform64(r)}) : -1;
      if (log_probabilities)
        log_probabilities[m] = meaningful ? log_probability(row, ids[m]) : std::numeric_limits<float>::quiet_NaN();
    }
  });
  return INGRAIN_OK;
}
