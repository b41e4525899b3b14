// Prints the limits of this CPU as one JSON object: reads in GB/s, and the peak of f32 FMA, bf16 products (GFLOP/s) and
// int8 products (Gop/s), with the given number of threads. AMX computes the products if the CPU has it; otherwise
// vector instructions do. The output omits instructions that the CPU lacks.
//
//   cc -O3 -march=native -pthread cpu_limits.c -o cpu_limits && ./cpu_limits 2
#include <immintrin.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifdef __AVX512F__
enum { CHAINS = 24 };  // of 32 registers
#else
enum { CHAINS = 12 };  // of 16 registers
#endif
enum { ROUNDS = 240000000, REPEATS = 5 };
static const int64_t BYTES = (int64_t)512 << 20;  // per thread, larger than any cache

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + 1e-9 * t.tv_nsec;
}

typedef struct {
  void (*work)(void* buffer);
  void* buffer;
} Job;

static volatile int64_t sink;

static void* run(void* job) {
  ((Job*)job)->work(((Job*)job)->buffer);
  return NULL;
}

static void reads(void* buffer) {
  int64_t sum[8] = {0};
  const int64_t* p = buffer;
  for (int64_t i = 0; i < BYTES / 8; i += 8)
    for (int k = 0; k < 8; ++k) sum[k] ^= p[i + k];
  for (int k = 0; k < 8; ++k) sink ^= sum[k];
}

// Independent chains of one instruction. There are enough chains to hide the latency of the instruction. The empty asm
// prevents the compiler from removing them.
#define PEAK(NAME, VECTOR, STEP)                                     \
  static void NAME(void* unused) {                                   \
    VECTOR a[CHAINS], x, y;                                          \
    memset(&x, 0, sizeof x), memset(&y, 0, sizeof y);                \
    __asm__ volatile("" : "+v"(x), "+v"(y));                         \
    _Pragma("GCC unroll 24") for (int k = 0; k < CHAINS; ++k) {      \
      a[k] = x; /* memset would keep the array a in memory */        \
      __asm__ volatile("" : "+v"(a[k])); /* makes the chains differ */ \
    }                                                                \
    for (int i = 0; i < ROUNDS / CHAINS; ++i) {                      \
      _Pragma("GCC unroll 24") for (int k = 0; k < CHAINS; ++k) a[k] = STEP; \
    }                                                                \
    _Pragma("GCC unroll 24") for (int k = 0; k < CHAINS; ++k) __asm__ volatile("" ::"v"(a[k])); \
    (void)unused;                                                    \
  }

#ifdef __AVX512F__
PEAK(fma32, __m512, _mm512_fmadd_ps(x, y, a[k]))
#define FMA_WIDTH 16
#elif defined(__FMA__)
PEAK(fma32, __m256, _mm256_fmadd_ps(x, y, a[k]))
#define FMA_WIDTH 8
#endif
#ifdef __AMX_TILE__
// Four chains of products of tiles, 16 by 16 by 64 bytes.
#define TILES(NAME, STEP)                                                                  \
  static void NAME(void* unused) {                                                         \
    struct { uint8_t palette, start, reserved[14]; uint16_t bytes[16]; uint8_t rows[16]; } \
        tiles __attribute__((aligned(64))) = {.palette = 1};                               \
    for (int i = 0; i < 8; ++i) tiles.bytes[i] = 64, tiles.rows[i] = 16;                   \
    __asm__ volatile("ldtilecfg %0" ::"m"(tiles));                                         \
    for (int i = 0; i < ROUNDS / 32; ++i) {                                                \
      STEP(0, 4, 6);                                                                       \
      STEP(1, 4, 7);                                                                       \
      STEP(2, 5, 6);                                                                       \
      STEP(3, 5, 7);                                                                       \
    }                                                                                      \
    _tile_release();                                                                       \
    (void)unused;                                                                          \
  }
TILES(dot_bf16, _tile_dpbf16ps)
TILES(dot_int8, _tile_dpbsud)
#define TILE_PRODUCTS (ROUNDS / 32 * 4.0 * 16 * 16)
#define DOT_BF16 (2e-9 * 32 * TILE_PRODUCTS)
#define DOT_INT8 (2e-9 * 64 * TILE_PRODUCTS)
#else
#ifdef __AVX512BF16__
PEAK(dot_bf16, __m512, _mm512_dpbf16_ps(a[k], (__m512bh)x, (__m512bh)y))
#define DOT_BF16 (2e-9 * 32 * rounds)
#endif
#ifdef __AVX512VNNI__
PEAK(dot_int8, __m512i, _mm512_dpbusd_epi32(a[k], x, y))
#define DOT_INT8 (2e-9 * 64 * rounds)
#elif defined(__AVXVNNI__)
PEAK(dot_int8, __m256i, _mm256_dpbusd_avx_epi32(a[k], x, y))
#define DOT_INT8 (2e-9 * 32 * rounds)
#endif
#endif

// Returns the best of several runs, in units of work per second, for all threads together.
static double best(int threads, void (*work)(void*), void** buffers, double units) {
  double seconds = 1e30;
  for (int r = 0; r < REPEATS; ++r) {
    pthread_t id[256];
    Job job[256];
    const double start = now();
    for (int t = 0; t < threads; ++t) {
      job[t] = (Job){work, buffers ? buffers[t] : NULL};
      pthread_create(&id[t], NULL, run, &job[t]);
    }
    for (int t = 0; t < threads; ++t) pthread_join(id[t], NULL);
    if (now() - start < seconds) seconds = now() - start;
  }
  return threads * units / seconds;
}

int main(int argc, char** argv) {
  int threads = argc > 1 ? atoi(argv[1]) : 1;
  if (threads < 1 || threads > 256) return 2;
  void* buffers[256];
  for (int t = 0; t < threads; ++t) {
    buffers[t] = malloc(BYTES);
    memset(buffers[t], t + 1, BYTES);
  }
  const double rounds = (double)(ROUNDS / CHAINS) * CHAINS;
  printf("{\"reads\": %.1f", best(threads, reads, buffers, BYTES / 1e9));
#ifdef FMA_WIDTH
  printf(", \"f32\": %.1f", best(threads, fma32, NULL, 2e-9 * FMA_WIDTH * rounds));
#endif
#ifdef __AMX_TILE__
  if (syscall(SYS_arch_prctl, 0x1023, 18)) return 1;  // asks Linux for tiles (ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA)
#endif
#ifdef DOT_BF16
  printf(", \"bf16\": %.1f", best(threads, dot_bf16, NULL, DOT_BF16));
#endif
#ifdef DOT_INT8
  printf(", \"int8\": %.1f", best(threads, dot_int8, NULL, DOT_INT8));
#endif
  printf("}\n");
  return 0;
}
