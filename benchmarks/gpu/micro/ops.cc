// ops: times each op that determines the engine's speed, one op at a time, through the C ABI, at the shapes of Llama 2
// 70B. TB/s counts the bytes that the op must read or write; each weight is counted once. TFLOP/s counts the
// multiplications and additions that the op must compute. Calls alternate between copies of a weight; all copies
// together are larger than the cache. All data are random. If an op fails, its row contains the error.
// Build    benchmarks/gpu/micro/build FOLDER
// Run      FOLDER/ops build/release/lib/libingrain_cuda.so SECONDS [tiny]     needs 8 GB of GPU memory
//          tiny: small shapes, once, for a trial on libingrain_simt.so or libingrain_cpu.so
//
// The host launches each call. A launch takes about 4 us. If an op takes less time than its launch, the row has the
// time of the launch. At the end, a graph of norms shows the cost of such a short op in a decode step.
#include "ingrain.h"

#include <dlfcn.h>

#include <cstring>
#include <functional>
#include <stdexcept>

#include "row.h"

namespace {

constexpr int32_t bf16 = INGRAIN_BF16, f32 = INGRAIN_F32, fp8 = INGRAIN_F8E4M3, int8 = INGRAIN_INT8,
                  int4 = INGRAIN_INT4;
constexpr int64_t R = 16, block_size = 32;  // LoRA's rank; tokens per cache block

void* library = nullptr;
ingrain_context* ctx = nullptr;
ingrain_event *start = nullptr, *end = nullptr;
double limit = 25;
bool tiny = false;
int64_t D = 8192, F = 28672, H = 64, K = 8, E = 128, V = 32000, most_rows = 2048, prefix = 512, own = 256;
int64_t qkv_columns() { return (H + 2 * K) * E; }
double scale() { return 1 / std::sqrt(static_cast<double>(E)); }

template <class Function> Function* find(const char* name) {
  void* const symbol = dlsym(library, name);
  if (!symbol) throw std::runtime_error(std::string("the library has no ") + name);
  return reinterpret_cast<Function*>(symbol);
}
#define FIND(name) (find<decltype(ingrain_##name)>("ingrain_" #name))
void check(ingrain_status status, const char* what) {
  if (status)
    throw std::runtime_error(std::string(what) + ": status " + std::to_string(status) + ": " + FIND(last_error)(ctx));
}
// Each call site looks up the symbol once, so that the time of a short op does not include the look-up.
#define CALL(name, ...) ([&] { static auto* const function = FIND(name); check(function(ctx, __VA_ARGS__), #name); }())
void wait() { check(FIND(synchronize)(ctx), "synchronize"); }

template <class T = void> T* room(int64_t bytes) {
  void* p = nullptr;
  CALL(malloc, &p, bytes);
  return static_cast<T*>(p);
}
template <class T = void> T* normal(int64_t n, int32_t dtype, float deviation) {
  static int64_t seed = 1;
  T* const p = room<T>(n * (dtype == f32 ? 4 : 2));
  CALL(random_normal, p, dtype, n, deviation, seed++);
  return p;
}
template <class T> T* on_device(const std::vector<T>& values) {
  const int64_t bytes = static_cast<int64_t>(values.size() * sizeof(T));
  T* const p = room<T>(bytes);
  CALL(copy_to_device, p, values.data(), bytes);
  wait();
  return p;
}
void release(std::initializer_list<const void*> pointers) {
  wait();
  for (const void* p : pointers) CALL(free, const_cast<void*>(p));
}

// Times run(i) for i = 0, 1, ... in several batches and outputs the median and the minimum. The parameter
// `calls_in_one` is the number of ops in one call of `run`.
void op(const std::string& name, const char* dtype, int64_t rows, double bytes, double flops,
        const std::function<void(int)>& run, int calls_in_one = 1) {
  if (seconds() > limit) return;
  try {
    std::vector<double> us;
    auto batch = [&](int calls) {
      float ms = 0;
      CALL(event_record, start);
      for (int i = 0; i < calls; ++i) run(i);
      CALL(event_record, end);
      CALL(event_wait, end);
      CALL(event_elapsed, &ms, start, end);
      return ms * 1e3 / calls;
    };
    batch(1);
    const double once = tiny ? 0 : batch(2);
    const int calls = tiny ? 1 : static_cast<int>(std::clamp(20000 / (once + 1), 2., 50.));  // about 20 ms
    for (int i = 0; i < (tiny ? 1 : 5); ++i) us.push_back(batch(calls) / calls_in_one);
    Row(name).with("dtype", dtype).with("rows", rows).time(median(us), least(us), bytes, flops);
  } catch (const std::exception& failure) {
    Row(name).with("dtype", dtype).with("rows", rows).with("error", failure.what());
  }
}
// Runs a part. If the preparation of the part fails, outputs the error as a row.
void part(const char* name, const std::function<void()>& rows) {
  if (seconds() > limit) {
    Row(name).with("rows", 0).with("error", "no time left");
    return;
  }
  try {
    rows();
  } catch (const std::exception& failure) {
    Row(name).with("rows", 0).with("error", failure.what());
  }
}

struct Linear { const char* name; int64_t N, C; std::vector<ingrain_weight> copies; };

Linear linear(const char* name, int64_t N, int64_t C, int32_t dtype, const void* source) {
  const int32_t group = dtype == int8 || dtype == int4 ? 128 : 0;
  const int64_t bytes = FIND(weight_bytes)(dtype, INGRAIN_ROW_MAJOR, N, C, group, 0);
  Linear made{name, N, C, {}};
  for (int i = 0; i < (tiny ? 1 : bytes < (300 << 20) ? 4 : 2); ++i) {
    float* const scales = dtype == fp8 ? room<float>(N * 4) : nullptr;
    const ingrain_weight w{room(bytes), scales, dtype, INGRAIN_ROW_MAJOR, N, C, 0, group, 0};
    CALL(pack, &w, source, bf16, 0, N, C);
    made.copies.push_back(w);
  }
  return made;
}

// Products with INT8 and INT4 weights are measured with few rows only.
void matmuls(int32_t dtype) {
  const bool integers = dtype == int8 || dtype == int4;
  const char* const type = dtype == int4 ? "int4" : dtype == int8 ? "int8" : dtype == fp8 ? "fp8" : "bf16";
  const double element = dtype == int4 ? 0.5 + 2. / 128 : dtype == int8 ? 1 + 2. / 128 : dtype == fp8 ? 1 : 2;
  void *source = normal(2 * F * D, bf16, 0.02f), *x = normal(most_rows * F, bf16, 1),
       *y = normal(most_rows * 2 * F, bf16, 1);
  void *const z = normal(most_rows * F, bf16, 1), *const norm = normal(D, bf16, 1), *const scratch = room(16 * D * 2);
  std::vector<Linear> layers;
  layers.push_back(linear("qkv", qkv_columns(), D, dtype, source));
  layers.push_back(linear("o", D, D, dtype, source));
  layers.push_back(linear("gate_up", 2 * F, D, dtype, source));
  layers.push_back(linear("down", D, F, dtype, source));
  release({source});
  for (const int64_t T : {1, 8, 16, 40, 2048}) {
    if (T > most_rows || (integers && T > 40)) continue;
    for (const Linear& w : layers) {
      const bool adds = w.N == D;  // o and down add to the residual stream
      const double bytes = element * w.N * w.C + 2. * T * (w.C + (adds ? 2 : 1) * w.N);
      op(std::string("matmul ") + w.name, type, T, bytes, 2. * T * w.N * w.C, [&](int i) {
        CALL(matmul_forward, adds ? z : y, x, &w.copies[i % w.copies.size()], bf16, bf16, T, adds ? 1.f : 0.f);
      });
    }
    const Linear& w = layers[2];
    if (!integers && T <= 16) {  // from 5 rows on, a norm and a product
      const Linear& qkv = layers[0];
      op("norm_matmul qkv", type, T, element * qkv.N * qkv.C + 2. * T * (qkv.C + qkv.N), 2. * T * qkv.N * qkv.C,
         [&](int i) {
           CALL(norm_matmul_forward, y, scratch, x, norm, &qkv.copies[i % qkv.copies.size()], bf16, T, 1e-5f);
         });
      op("norm_matmul_silu_mul", type, T, element * w.N * w.C + 2. * T * (w.C + F), 2. * T * w.N * w.C, [&](int i) {
        CALL(norm_matmul_silu_mul_forward, z, y, scratch, x, norm, &w.copies[i % w.copies.size()], bf16, T, 1e-5f);
      });
    }
    op("matmul_silu_mul", type, T, element * w.N * w.C + 2. * T * (w.C + F), 2. * T * w.N * w.C,
       [&](int i) { CALL(matmul_silu_mul_forward, z, y, x, &w.copies[i % w.copies.size()], bf16, T); });
  }
  for (const Linear& w : layers) {
    if (!integers)
      op(std::string("matmul_backward ") + w.name, type, most_rows, 0, 2. * most_rows * w.N * w.C,
         [&](int i) { CALL(matmul_backward, z, y, &w.copies[i % w.copies.size()], bf16, bf16, most_rows, 0.f); });
    for (const ingrain_weight& copy : w.copies) release({copy.data}), copy.scales ? release({copy.scales}) : void();
  }
  release({x, y, z, norm, scratch});
}

void elementwise() {
  void *x = normal(most_rows * 2 * F, bf16, 1), *y = room(most_rows * F * 2), *w = normal(D, bf16, 1),
       *h = normal(most_rows * D, bf16, 1);
  for (const int64_t T : {1, 8, 40, 2048}) {
    if (T > most_rows) continue;
    op("rms_norm", "bf16", T, 4. * T * D, 0, [&](int) { CALL(rms_norm_forward, y, nullptr, x, w, bf16, T, D, 1e-5f); });
    op("add_rms_norm", "bf16", T, 8. * T * D, 0,
       [&](int) { CALL(add_rms_norm_forward, y, h, nullptr, x, x, w, bf16, T, D, 1e-5f); });
    op("silu_mul", "bf16", T, 6. * T * F, 0, [&](int) { CALL(silu_mul_forward, y, x, bf16, T, F); });
  }
  release({x, y, w, h});
}

// Measures the cost of a kernel in a graph of 200 norms; the input of each norm is the output of the previous norm.
// This part runs last, because a failed capture may hang.
void graph() {
  void *x = normal(D, bf16, 1), *y = room(D * 2), *w = normal(D, bf16, 1);
  ingrain_graph* norms = nullptr;
  CALL(rms_norm_forward, y, nullptr, x, w, bf16, 1, D, 1e-5f);
  wait();
  check(FIND(graph_begin)(ctx), "graph_begin");
  for (int i = 0; i < 200; ++i) CALL(rms_norm_forward, i % 2 ? x : y, nullptr, i % 2 ? y : x, w, bf16, 1, D, 1e-5f);
  CALL(graph_end, &norms);
  if (!norms) throw std::runtime_error("this library has no graphs");
  op("graph of 200 norms", "bf16", 1, 0, 0, [&](int) { CALL(graph_launch, norms); }, 200);
  wait();
  CALL(graph_destroy, norms);
  release({x, y, w});
}

void sampling() {
  for (const int64_t M : {1, 40}) {
    float *logits = normal<float>(M * V, f32, 3), *log_probabilities = room<float>(M * 4);
    int32_t* const ids = room<int32_t>(M * 4);
    const auto n = static_cast<size_t>(M);
    std::vector<int32_t> row_numbers(n);
    for (size_t i = 0; i < n; ++i) row_numbers[i] = static_cast<int32_t>(i);
    float *one = on_device(std::vector<float>(n, 1.f)), *most = on_device(std::vector<float>(n, 0.9f));
    int32_t *none = on_device(std::vector<int32_t>(n, 0)), *forty = on_device(std::vector<int32_t>(n, 40)),
            *rows = on_device(row_numbers);
    int64_t* const seeds = on_device(std::vector<int64_t>(n, 5));
    op("sample temperature", "f32", M, 4. * M * V, 0,
       [&](int) { CALL(sample, ids, log_probabilities, logits, one, none, one, seeds, rows, rows, M, V); });
    op("sample top_k 40 top_p 0.9", "f32", M, 4. * M * V, 0,
       [&](int) { CALL(sample, ids, log_probabilities, logits, one, forty, most, seeds, rows, rows, M, V); });
    release({logits, log_probabilities, ids, one, most, none, forty, rows, seeds});
  }
}

void lora() {
  const float share = 1;
  float *A = normal<float>(R * F, f32, 0.01f), *B = normal<float>(F * R, f32, 0.01f),
        *dA = normal<float>(R * F, f32, 0.01f);
  float *dB = normal<float>(F * R, f32, 0.01f), *u = room<float>(most_rows * R * 4),
        *du = room<float>(most_rows * R * 4);
  float* const scaling = on_device(std::vector<float>(1, share));
  void *x = normal(most_rows * F, bf16, 1), *y = normal(most_rows * F, bf16, 1), *dx = normal(most_rows * F, bf16, 1);
  for (const int64_t T : {int64_t{40}, int64_t{2048}})
    for (const int64_t C : {D, F}) {
      if (T > most_rows) continue;
      const std::string wide = " " + std::to_string(C);
      const double flops = 2. * T * C * R;
      op("lora_down_forward" + wide, "bf16", T, 2. * T * C, flops,
         [&](int) { CALL(lora_down_forward, u, x, A, nullptr, bf16, T, C, R, 0.f, 0, 0, C); });
      op("lora_up_forward" + wide, "bf16", T, 4. * T * C, flops,
         [&](int) { CALL(lora_up_forward, y, u, B, scaling, nullptr, bf16, T, C, R, C, R); });
      if (T < most_rows) continue;
      op("lora_up_backward" + wide, "bf16", T, 2. * T * C, 2 * flops,
         [&](int) { CALL(lora_up_backward, du, dB, x, u, B, bf16, T, C, R, C, R, share); });
      op("lora_down_backward" + wide, "bf16", T, 6. * T * C, 2 * flops,
         [&](int) { CALL(lora_down_backward, dx, dA, du, x, A, bf16, T, C, R, 0.f, 0, 0, C); });
    }
  release({A, B, dA, dB, u, du, scaling, x, y, dx});
}

void training_attention() {
  const int64_t T = most_rows;
  const int32_t* const offsets = on_device(std::vector<int32_t>{0, static_cast<int32_t>(T)});
  void *qkv = normal(T * qkv_columns(), bf16, 1), *dqkv = room(T * qkv_columns() * 2), *y = room(T * H * E * 2),
       *dy = normal(T * H * E, bf16, 1);
  float *lse = room<float>(T * H * 4), *delta = room<float>(T * H * 4),
        *sums = room<float>(T * qkv_columns() * 4);
  const double flops = 2. * T * T * H * E, columns = static_cast<double>(qkv_columns()), s = static_cast<double>(H * E);
  op("attention_forward", "bf16", T, 2. * T * (columns + s), flops,
     [&](int) { CALL(attention_forward, y, lse, qkv, offsets, bf16, bf16, 1, H, K, E, static_cast<float>(scale())); });
  op("attention_backward", "bf16", T, 2. * T * (2 * columns + 2 * s), 2.5 * flops, [&](int) {
    CALL(attention_backward, dqkv, delta, sums, dy, qkv, y, lse, offsets, bf16, bf16, 1, H, K, E,
         static_cast<float>(scale()));
  });
  release({offsets, qkv, dqkv, y, dy, lse, delta, sums});
}

// A batch of S sequences of `length` tokens; the step contains the last `fresh` tokens of each sequence. With sharing,
// all sequences share the blocks of the first `prefix` tokens; the later blocks of a sequence are its own. Block
// numbers ascend from 0.
struct Step {
  ingrain_batch batch{};
  std::vector<const void*> pointers;

  Step(int64_t S, int64_t length, int64_t fresh, bool shared) {
    const int64_t blocks = (length + block_size - 1) / block_size, common = shared ? prefix / block_size : 0;
    std::vector<int32_t> offsets{0}, positions, tables, groups, counts;
    for (int64_t s = 0; s < S; ++s) {
      offsets.push_back(static_cast<int32_t>((s + 1) * fresh));
      for (int64_t t = length - fresh; t < length; ++t) positions.push_back(static_cast<int32_t>(t));
      for (int64_t b = 0; b < blocks; ++b)
        tables.push_back(static_cast<int32_t>(b < common ? b : s * (blocks - common) + b));
      groups.push_back(shared ? 0 : static_cast<int32_t>(s));
      counts.push_back(static_cast<int32_t>(common));
    }
    batch = {keep(offsets), keep(positions), keep(tables), keep(groups), keep(counts), nullptr, S * fresh, S,
             blocks,        block_size,      nullptr,      0};
    batch.plan = room<int32_t>((9 * batch.tokens + 262152) * 4);
    pointers.push_back(batch.plan);
  }
  const int32_t* keep(const std::vector<int32_t>& values) {
    pointers.push_back(on_device(values));
    return static_cast<const int32_t*>(pointers.back());
  }
  void drop() {
    for (const void* p : pointers) release({p});
  }
};

// Attention over the cache of one layer. First, the engine's own op fills the cache with one long sequence over all
// blocks.
void paged(int32_t cache_dtype) {
  const char* const type = cache_dtype == fp8 ? "fp8" : "bf16";
  const int64_t many = tiny ? 4 : 40, length = prefix + own, all = many * length, columns = qkv_columns();
  const double row_bytes = 2. * K * E * (cache_dtype == fp8 ? 1 : 2), vector = static_cast<double>(H * E);
  void* const cache = room(FIND(kv_cache_block_bytes)(cache_dtype, block_size, K, E) * (all / block_size));
  void *qkv = normal(all * columns, bf16, 1), *y = room(most_rows * H * E * 2);
  Step whole(1, all, all, false);
  CALL(kv_cache_write, cache, qkv, &whole.batch, bf16, cache_dtype, H, K, E);
  wait();
  auto attend = [&](const std::string& name, int64_t S, int64_t tokens, int64_t fresh, bool shared) {
    Step step(S, tokens, fresh, shared);
    const double rows = static_cast<double>(S * fresh),
                 read = static_cast<double>(shared ? prefix + S * own : S * tokens);
    const double pairs = rows * (static_cast<double>(tokens) - (static_cast<double>(fresh) - 1) / 2),
                 bytes = read * row_bytes + 2 * rows * (static_cast<double>(columns) + vector);
    const auto call = [&](int) {
      CALL(attention_paged_forward, y, qkv, cache, &step.batch, bf16, cache_dtype, H, K, E,
           static_cast<float>(scale()));
    };
    // The first call of a step also computes the plan, which the other layers use.
    op(name + " with its plan", type, S * fresh, bytes, 4 * pairs * vector, call);
    step.batch.planned = 1;
    op(name, type, S * fresh, bytes, 4 * pairs * vector, call);
    if (S == 1 || shared)
      op("kv_cache_write", type, S * fresh, rows * (row_bytes + 4. * K * E), 0,
         [&](int) { CALL(kv_cache_write, cache, qkv, &step.batch, bf16, cache_dtype, H, K, E); });
    wait();
    step.drop();
  };
  const std::string context = " " + std::to_string(length), shares = context + " sharing " + std::to_string(prefix);
  part("paged decode 1", [&] { attend("paged decode" + context, 1, length, 1, false); });
  part("paged decode 8", [&] { attend("paged decode" + shares, tiny ? 2 : 8, length, 1, true); });
  part("paged decode 40", [&] { attend("paged decode" + shares, many, length, 1, true); });
  part("paged decode 40 apart", [&] { attend("paged decode" + context + " apart", many, length, 1, false); });
  part("paged prefill", [&] { attend("paged prefill", 1, most_rows, most_rows, false); });
  whole.drop();
  release({cache, qkv, y});
}

// The second op is rope_cache with one sequence in a cache of one layer.
void rope() {
  std::vector<float> values(static_cast<size_t>(most_rows * E));
  std::vector<int32_t> positions(static_cast<size_t>(most_rows));
  for (int64_t t = 0; t < most_rows; ++t) {
    positions[t] = static_cast<int32_t>(t);
    for (int64_t i = 0; i < E / 2; ++i) {
      const double angle =
          static_cast<double>(t) * std::pow(10000., -2. * static_cast<double>(i) / static_cast<double>(E));
      values[t * E + i] = static_cast<float>(std::cos(angle)),
                     values[t * E + E / 2 + i] = static_cast<float>(std::sin(angle));
    }
  }
  float* const table = on_device(values);
  int32_t* const where = on_device(positions);
  void* const qkv = normal(most_rows * qkv_columns(), bf16, 1);
  const int64_t blocks = (most_rows + block_size - 1) / block_size;
  void* const cache = room(FIND(kv_cache_block_bytes)(bf16, block_size, K, E) * blocks);
  for (const int64_t T : {1, 8, 40, 2048}) {
    if (T > most_rows) continue;
    op("rope", "bf16", T, 4. * T * (H + K) * E, 0,
       [&](int) { CALL(rope_forward, qkv, table, where, bf16, T, H, K, E); });
    Step step(1, T, T, false);
    op("rope_cache", "bf16", T, 4. * T * (H + K) * E + 6. * T * K * E, 0,
       [&](int) { CALL(rope_cache_forward, qkv, cache, table, &step.batch, bf16, bf16, H, K, E); });
    wait();
    step.drop();
  }
  release({table, where, qkv, cache});
}

void open(const char* path) {
  library = dlopen(path, RTLD_NOW | RTLD_GLOBAL);
  if (!library) throw std::runtime_error(dlerror());
  char error[512] = "", about[1024] = "";
  if (FIND(context_create)(&ctx, 0, 0, "auto", error, sizeof error)) throw std::runtime_error(error);
  CALL(context_describe, about, sizeof about);
  Row("facts").with("library", path).with("abi", FIND(abi_version)()).with("describe", about).with("tiny", tiny);
  CALL(event_create, &start);
  CALL(event_create, &end);
  int64_t most = 0;  // workspace of fp8 products, including the transposed weight of the gradient
  for (const auto& [N, C] : {std::pair(qkv_columns(), D), std::pair(D, D), std::pair(2 * F, D), std::pair(D, F)})
    most = std::max(most, FIND(matmul_workspace_bytes)(fp8, N, C, most_rows, 1));
  CALL(workspace_reserve, most);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return fprintf(stderr, "usage: ops LIBRARY [SECONDS] [tiny]\n"), 2;
  if (argc > 2) limit = std::max(1., atof(argv[2]));
  tiny = argc > 3 && !strcmp(argv[3], "tiny");
  if (tiny) D = 256, F = 512, H = 16, K = 2, E = 16, V = 1000, most_rows = 64, prefix = 64, own = 32;
  end_after(static_cast<unsigned>(limit) + 15);
  bool opened = false;
  part("facts", [&] { open(argv[1]), opened = true; });
  if (!opened) return finish();
  part("matmul bf16", [] { matmuls(bf16); });
  part("matmul fp8", [] { matmuls(fp8); });
  part("matmul int4", [] { matmuls(int4); });
  part("paged bf16", [] { paged(bf16); });
  part("elementwise", elementwise);
  part("rope", rope);
  part("sample", sampling);
  part("attention", training_attention);
  part("lora", lora);
  part("paged fp8", [] { paged(fp8); });
  part("graph of 200 norms", graph);
  part("matmul int8", [] { matmuls(int8); });
  return finish();
}
