// The kernels that device.cu times.
#pragma once
#include <cuda_runtime.h>

#include <cstdint>

namespace {

constexpr int threads = 256;
enum { checksum, stalls, sink, words = 64 };  // indices into `board`, where kernels store results for the host

__device__ __forceinline__ unsigned hash(unsigned x) {  // Wang's hash, which is random enough for this purpose
  x = (x ^ 61) ^ x >> 16, x *= 9, x ^= x >> 4, x *= 0x27d4eb2d;
  return x ^ x >> 15;
}
// This asm and the asm of read16 are volatile. So the compiler does not reorder the two, and the intended number of
// loads is in flight.
__device__ __forceinline__ void fold(unsigned& sum, const uint4& v) {
  asm volatile("xor.b32 %0, %0, %1; xor.b32 %0, %0, %2; xor.b32 %0, %0, %3; xor.b32 %0, %0, %4;"
               : "+r"(sum)
               : "r"(v.x), "r"(v.y), "r"(v.z), "r"(v.w));
}
__device__ __forceinline__ uint4 read16(const uint4* p) {
  uint4 v;
  asm volatile("ld.global.nc.L1::no_allocate.v4.u32 {%0,%1,%2,%3}, [%4];"
               : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w)
               : "l"(p));
  return v;
}
__device__ __forceinline__ void leave(unsigned* to, unsigned sum) {
  sum = __reduce_xor_sync(0xffffffffu, sum);
  if (threadIdx.x % 32 == 0) atomicXor(to, sum);
}


__global__ void fill(uint4* p, size_t n) {
  for (size_t i = size_t{blockIdx.x} * threads + threadIdx.x; i < n; i += size_t{gridDim.x} * threads) {
    const unsigned at = static_cast<unsigned>(i) * 4;
    p[i] = {hash(at), hash(at + 1), hash(at + 2), hash(at + 3)};
  }
}

// A tile is U pieces of 16 bytes per thread, which are all loaded before the first one is used. Without the launch
// bound of 1, the compiler saves registers and keeps at most four loads in flight. The same bytes are read `rounds`
// times. In each round a block reads different tiles than in the previous round, so L1 does not contain their bytes.
template <int U>
__global__ void __launch_bounds__(threads, 1) reads(const uint4* p, size_t n, int rounds, unsigned* board) {
  const size_t tiles = n / (threads * U);
  unsigned sum = 0;
  for (int r = 0; r < rounds; ++r)
    for (size_t tile = (blockIdx.x + static_cast<unsigned>(r) * 37) % gridDim.x; tile < tiles; tile += gridDim.x) {
      const uint4* const at = p + tile * (threads * U) + threadIdx.x;
      uint4 v[U];
#pragma unroll
      for (int u = 0; u < U; ++u) v[u] = read16(at + u * threads);
#pragma unroll
      for (int u = U - 1; u >= 0; --u) fold(sum, v[u]);  // starts with the last load, so that all loads have finished
    }
  leave(board + checksum, sum);
}

__global__ void __launch_bounds__(threads) copies(uint4* to, const uint4* from, size_t n) {
  for (size_t i = size_t{blockIdx.x} * threads * 4 + threadIdx.x; i < n; i += size_t{gridDim.x} * threads * 4) {
    uint4 v[4];
#pragma unroll
    for (int u = 0; u < 4; ++u) v[u] = read16(from + i + u * threads);
#pragma unroll
    for (int u = 0; u < 4; ++u) to[i + u * threads] = v[u];
  }
}

__device__ __forceinline__ unsigned shared_address(const void* p) {
  return static_cast<unsigned>(__cvta_generic_to_shared(p));
}
__device__ __forceinline__ uint64_t nanoseconds() {
  uint64_t now;
  asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(now));
  return now;
}
// Waits for a barrier. Returns false after one second. Then a hang is reported as a row, and the program continues.
__device__ __forceinline__ bool wait_for(unsigned barrier, unsigned parity) {
  unsigned done = 0;
  for (uint64_t start = 0; !done;) {
    asm volatile("{.reg .pred p; mbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2; selp.u32 %0, 1, 0, p;}"
                 : "=r"(done) : "r"(barrier), "r"(parity) : "memory");
    if (done) break;
    if (!start) start = nanoseconds();
    else if (nanoseconds() - start > 1000000000) return false;
  }
  return true;
}

// Block b copies pieces b, b + blocks, ... to a ring buffer in shared memory. If `whole` is true, the block then reads
// all words of each piece from shared memory, otherwise one word.
constexpr int most_stages = 48;
template <bool whole>
__global__ void __launch_bounds__(threads) bulk(const char* p, size_t n, int piece, int stages, unsigned* board) {
  extern __shared__ __align__(128) char ring[];
  __shared__ __align__(8) uint64_t full[most_stages];
  if (threadIdx.x == 0) {
    for (int s = 0; s < stages; ++s)
      asm volatile("mbarrier.init.shared::cta.b64 [%0], 1;" ::"r"(shared_address(full + s)) : "memory");
    asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
  }
  __syncthreads();
  const size_t pieces = n / piece, mine = blockIdx.x < pieces ? (pieces - blockIdx.x - 1) / gridDim.x + 1 : 0;
  auto fetch = [&](size_t i, int stage) {
    const unsigned barrier = shared_address(full + stage);
    asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(barrier), "r"(piece) : "memory");
    asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::"r"(
                     shared_address(ring + stage * piece)),
                 "l"(p + (blockIdx.x + i * gridDim.x) * piece), "r"(piece), "r"(barrier)
                 : "memory");
  };
  if (threadIdx.x == 0)
    for (int s = 0; s < stages && s < static_cast<int>(mine); ++s) fetch(s, s);
  unsigned sum = 0, parity = 0;
  int stage = 0;
  for (size_t i = 0; i < mine; ++i) {
    if (!wait_for(shared_address(full + stage), parity)) {
      board[stalls] = 1;
      return;
    }
    const uint4* const arrived = reinterpret_cast<const uint4*>(ring + stage * piece);
    for (int at = threadIdx.x; at < (whole ? piece / 16 : 1); at += threads) fold(sum, arrived[at]);
    __syncthreads();
    if (threadIdx.x == 0 && i + stages < mine) fetch(i + stages, stage);
    if (++stage == stages) stage = 0, parity ^= 1;
  }
  leave(board + (whole ? checksum : sink), sum);
}

// A kernel that adds to the result of the previous kernel.
template <bool dependent> __global__ void __launch_bounds__(threads) link(unsigned* x) {
  if constexpr (dependent) {
    asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
    asm volatile("griddepcontrol.wait;" ::: "memory");
  }
  if (threadIdx.x == 0 && blockIdx.x == 0) *x += 1;
}

// A warp computes a tile of 2 by 4 fragments, as in a matrix product, with eight independent sums. Writes the cycles
// and the nanoseconds of block 0 to `cycles`.
__global__ void mmas(float* out, int n, uint64_t* cycles) {
  auto operand = [](unsigned i) {
    return (hash(threadIdx.x * 32 + i) & 0x807f807fu) | 0x3f003f00u;
  };  // two bf16 between 0.5 and 1, with random signs
  unsigned a[2][4], b[4][2];
  for (int i = 0; i < 8; ++i) a[i / 4][i % 4] = operand(i), b[i / 2][i % 2] = operand(8 + i);
  float d[2][4][4] = {};
  const uint64_t start = clock64(), began = nanoseconds();
  for (int i = 0; i < n; ++i)
#pragma unroll
    for (int j = 0; j < 8; ++j) {
      float(&s)[4] = d[j / 4][j % 4];
      const unsigned(&x)[4] = a[j / 4], (&y)[2] = b[j % 4];
      asm volatile(
          "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
          : "+f"(s[0]), "+f"(s[1]), "+f"(s[2]), "+f"(s[3])
          : "r"(x[0]), "r"(x[1]), "r"(x[2]), "r"(x[3]), "r"(y[0]), "r"(y[1]));
    }
  float sum = 0;
  for (int i = 0; i < 32; ++i) sum += d[i / 16][i / 4 % 4][i % 4];
  out[size_t{blockIdx.x} * blockDim.x + threadIdx.x] = sum;
  if (blockIdx.x == 0 && threadIdx.x == 0) cycles[0] = clock64() - start, cycles[1] = nanoseconds() - began;
}

// The ways to convert four E4M3 values to two pairs of 16-bit values: `cvt` to f16, `two_bytes` and `four_bytes` to
// bf16. `cvt` and `two_bytes` keep the order of the elements. The first pair of `four_bytes` has elements 0 and 2, and
// its second pair has elements 1 and 3.
enum Way { cvt, two_bytes, four_bytes };
__device__ __forceinline__ unsigned times_2_120(unsigned small) {
  unsigned bits;
  asm("fma.rn.bf16x2 %0, %1, %2, %3;" : "=r"(bits) : "r"(small), "r"(0x7b807b80u), "r"(0x80008000u));
  return bits;
}
__device__ __forceinline__ unsigned shifted(unsigned spread) {
  return (spread & 0x80008000u) | (spread >> 4 & 0x07f007f0u);
}
template <Way way> __device__ __forceinline__ void widen(unsigned& first, unsigned& second, unsigned four) {
  if constexpr (way == cvt) {
    asm("{.reg .b16 low, high; mov.b32 {low, high}, %2; cvt.rn.f16x2.e4m3x2 %0, low; cvt.rn.f16x2.e4m3x2 %1, high;}"
        : "=r"(first), "=r"(second) : "r"(four));
  } else if constexpr (way == two_bytes) {
    auto spread = [](unsigned two) { return (two & 0xff) << 8 | (two & 0xff00) << 16; };
    first = times_2_120(shifted(spread(four & 0xffff)));
    second = times_2_120(shifted(spread(four >> 16)));
  } else {
    first = times_2_120(shifted(four << 8));
    second = times_2_120(shifted(four));
  }
}
// A thread converts eight values repeatedly. The eight sequences of conversions are independent of each other. The
// measured time includes the addition after each conversion.
template <Way way> __global__ void widenings(unsigned* out, int n) {
  unsigned q[8];
  for (int j = 0; j < 8; ++j) q[j] = hash(threadIdx.x * 8 + j);
  for (int i = 0; i < n; ++i)
#pragma unroll
    for (int j = 0; j < 8; ++j) {
      unsigned first, second;
      widen<way>(first, second, q[j]);
      q[j] = first + second;
    }
  unsigned sum = 0;
  for (int j = 0; j < 8; ++j) sum ^= q[j];
  out[size_t{blockIdx.x} * blockDim.x + threadIdx.x] = sum;
}

__device__ float of_bf16(unsigned bits) { return __uint_as_float(bits << 16); }
__device__ float of_f16(unsigned bits) {
  float value;
  asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(static_cast<unsigned short>(bits)));
  return value;
}
// Converts every pair of codes except NaN in the three ways and counts the results that differ.
__global__ void compare_widenings(unsigned* wrong) {
  const unsigned low = threadIdx.x, high = blockIdx.x, four = low | high << 8 | low << 16 | high << 24;
  if (low % 128 == 127 || high % 128 == 127) return;
  unsigned a, b;
  widen<cvt>(a, b, four);
  const float x = of_f16(a & 0xffff), y = of_f16(a >> 16);
  bool same = a == b;
  widen<two_bytes>(a, b, four);
  same = same && a == b && of_bf16(a & 0xffff) == x && of_bf16(a >> 16) == y;
  widen<four_bytes>(a, b, four);
  same = same && of_bf16(a & 0xffff) == x && of_bf16(a >> 16) == x && of_bf16(b & 0xffff) == y && of_bf16(b >> 16) == y;
  if (!same) atomicAdd(wrong, 1);
}

}  // namespace
