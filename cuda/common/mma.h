// Functions for tensor core instructions and asynchronous copies. Each function also has a plain C++ version for
// machines without a GPU.
//
// Fragments have the layout of PTX mma.sync.m16n8k16 (ISA 9.7.14). The positions (row, column) are, with g = lane / 4
// and t = lane % 4:
//   a[0] (g, 2t..)  a[1] (g + 8, 2t..)  a[2] (g, 2t + 8..)  a[3] (g + 8, 2t + 8..)
//   two bf16 each, lower column in the lower half
//   b[0] (2t.., g)  b[1] (2t + 8.., g)   two bf16 each, lower row in the lower half
//   d[0] (g, 2t)    d[1] (g, 2t + 1)    d[2] (g + 8, 2t)    d[3] (g + 8, 2t + 1)      f32
#pragma once
#include "dtype.h"

// Packs two floats as two bf16 into a fragment register, `low` in the lower half.
__device__ __forceinline__ unsigned pack_bf16(float low, float high) {
  const __nv_bfloat162 pair = __floats2bfloat162_rn(low, high);
  unsigned bits;
  memcpy(&bits, &pair, sizeof bits);
  return bits;
}

// Returns the bytes that the hexadecimal digits of `selector` choose, the last digit for the lowest byte. Digits 0 to 3
// are the bytes of x, and 4 is 0. If 8 is added to the digit of a byte, the result is eight copies of its sign bit.
template <unsigned selector> __device__ __forceinline__ unsigned permute_bytes(unsigned x) {
  unsigned result = 0;
#ifdef INGRAIN_SIMT
  for (int i = 0; i < 4; ++i) {
    const unsigned digit = selector >> 4 * i & 15, byte = digit % 8 < 4 ? x >> 8 * (digit % 8) & 255 : 0;
    result |= (digit < 8 ? byte : byte >> 7 != 0 ? 255u : 0u) << 8 * i;
  }
#else
  asm("prmt.b32 %0, %1, 0, %2;" : "=r"(result) : "r"(x), "n"(selector));
#endif
  return result;
}

// Selects from the bytes of two words in the same way: digits 0 to 3 are the bytes of x, and digits 4 to 7 are the
// bytes of y.
template <unsigned selector> __device__ __forceinline__ unsigned merge_bytes(unsigned x, unsigned y) {
#ifdef INGRAIN_SIMT
  unsigned result = 0;
  for (int i = 0; i < 4; ++i) {
    const unsigned digit = selector >> 4 * i & 7;
    result |= ((digit < 4 ? x >> 8 * digit : y >> 8 * (digit - 4)) & 255) << 8 * i;
  }
  return result;
#else
  return __byte_perm(x, y, selector);
#endif
}

// Returns (x & mask) | bits, with one instruction. From plain C++ the compiler generates two.
template <unsigned mask> __device__ __forceinline__ unsigned set_bits(unsigned x, unsigned bits) {
#ifdef INGRAIN_SIMT
  return (x & mask) | bits;
#else
  unsigned result;
  asm("lop3.b32 %0, %1, %2, %3, 0xea;" : "=r"(result) : "r"(x), "n"(mask), "r"(bits));
  return result;
#endif
}

// x + y for two pairs of bf16.
__device__ __forceinline__ unsigned add_bf16(unsigned x, unsigned y) {
#ifdef INGRAIN_SIMT
  return pack_bf16(__uint_as_float(x << 16) + __uint_as_float(y << 16),
                   __uint_as_float(x & 0xffff0000u) + __uint_as_float(y & 0xffff0000u));
#else
  unsigned sum;
  asm("fma.rn.bf16x2 %0, %1, %2, %3;" : "=r"(sum) : "r"(x), "r"(0x3f803f80u), "r"(y));
  return sum;
#endif
}

// Converts four fp8 E4M3 values to two pairs of bf16 exactly: the first two values and the last two, or, if `alternate`
// is true, the even values and the odd ones. `spread` has four bytes, from the lowest: 0, a value, eight copies of the
// sign of this value, another value. So an arithmetic shift by 4 extends the signs of both values, and a mask removes
// the surplus bits. The shifted bits of an E4M3 value are those of a bf16 that is 2^120 times smaller. A multiplication
// by 2^120 corrects this, also for subnormals. NaN becomes ±480, but the op `pack` never writes NaN.
template <bool alternate = false> __device__ __forceinline__ void widen_fp8(unsigned* pairs, unsigned four) {
  const unsigned spread[2] = {permute_bytes<alternate ? 0x2804 : 0x1804>(four),
                              permute_bytes<alternate ? 0x3914 : 0x3a24>(four)};
#pragma unroll
  for (int i = 0; i < 2; ++i) {
    const unsigned small = static_cast<unsigned>(static_cast<int>(spread[i]) >> 4) & 0x87f087f0u;
#ifdef INGRAIN_SIMT
    pairs[i] = pack_bf16(__uint_as_float(small << 16) * 0x1p120f, __uint_as_float(small & 0xffff0000u) * 0x1p120f);
#else
    asm("fma.rn.bf16x2 %0, %1, %2, %3;" : "=r"(pairs[i]) : "r"(small), "r"(0x7b807b80u), "r"(0x80008000u));
#endif
  }
}

// d (16, 8) += a (16, 16) · b (16, 8)
__device__ __forceinline__ void mma(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
#ifdef INGRAIN_SIMT
  struct Fragment { unsigned a[4], b[2]; float d[4]; };
  const Fragment mine = {{a[0], a[1], a[2], a[3]}, {b[0], b[1]}, {d[0], d[1], d[2], d[3]}};
  const char* slots = simt::exchange(0xffffffffu, &mine, sizeof mine, [](char* of, unsigned) {
    // This code computes four columns at a time, because the emulated product spends most of its time here.
    typedef double Doubles [[gnu::vector_size(32)]];
    typedef float Floats [[gnu::vector_size(16)]];
    typedef int Ints [[gnu::vector_size(16)]];
    double A[16][16];
    alignas(16) float B[16][8], D[16][8];
    const auto half = [](unsigned bits, int upper) { return __uint_as_float(upper ? bits & 0xffff0000u : bits << 16); };
    for (int lane = 0; lane < 32; ++lane) {
      const Fragment& f = *reinterpret_cast<const Fragment*>(of + 64 * lane);
      const int g = lane / 4, t = lane % 4;
#pragma GCC unroll 16
      for (int i = 0; i < 8; ++i) A[g + 8 * (i / 2 % 2)][2 * t + 8 * (i / 4) + i % 2] = half(f.a[i / 2], i % 2);
#pragma GCC unroll 16
      for (int i = 0; i < 4; ++i) B[2 * t + 8 * (i / 2) + i % 2][g] = half(f.b[i / 2], i % 2);
#pragma GCC unroll 16
      for (int i = 0; i < 4; ++i) D[g + 8 * (i / 2)][2 * t + i % 2] = f.d[i];
    }
    // The exact products are added to d, and the sum is truncated towards zero, not rounded. Tensor cores are at least
    // as accurate.
    for (int j = 0; j < 8; j += 4) {
      Doubles right[16];
#pragma GCC unroll 16
      for (int k = 0; k < 16; ++k) right[k] = __builtin_convertvector(*reinterpret_cast<Floats*>(&B[k][j]), Doubles);
      for (int i = 0; i < 16; ++i) {
        Floats& d = *reinterpret_cast<Floats*>(&D[i][j]);
        Doubles sum = __builtin_convertvector(d, Doubles);
#pragma GCC unroll 16
        for (int k = 0; k < 16; ++k) sum += A[i][k] * right[k];
        d = __builtin_convertvector(sum, Floats);
        const Doubles rounded = __builtin_convertvector(d, Doubles);
        // `up` is -1 in lanes whose magnitude was rounded up, else 0. Adding -1 to the bits of a float, as an integer,
        // gives the float of the next smaller magnitude.
        const auto up = ((rounded > sum) & (sum > 0)) | ((rounded < sum) & (sum < 0));
        d = reinterpret_cast<Floats>(reinterpret_cast<Ints>(d) + __builtin_convertvector(up, Ints));
      }
    }
    for (int lane = 0; lane < 32; ++lane)
#pragma GCC unroll 16
      for (int i = 0; i < 4; ++i)
        reinterpret_cast<Fragment*>(of + 64 * lane)->d[i] = D[lane / 4 + 8 * (i / 2)][2 * (lane % 4) + i % 2];
  });
  memcpy(d, reinterpret_cast<const Fragment*>(slots + 64 * simt::self().lane)->d, sizeof d);
#else
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#endif
}

// Loads four 8×8 matrices of 16-bit elements from shared memory. Lane l passes the address of row l % 8 of matrix
// l / 8; each row has 16 bytes and is 16-byte aligned. `r[i]` receives two elements of matrix i (of its transpose if
// `transposed` is true): those in row lane / 4 and columns 2·(lane % 4) and 2·(lane % 4) + 1.
template <bool transposed = false> __device__ __forceinline__ void load_matrices(unsigned (&r)[4], const void* row) {
#ifdef INGRAIN_SIMT
  const char* slots = simt::exchange(0xffffffffu, &row, sizeof row);
  const int lane = simt::self().lane, i = lane / 4, j = 2 * (lane % 4);
  for (int matrix = 0; matrix < 4; ++matrix) {
    auto element = [&](int y, int x) {
      const char* from;
      uint16_t bits;
      memcpy(&from, slots + 64 * (8 * matrix + y), sizeof from);
      memcpy(&bits, from + 2 * x, sizeof bits);
      return static_cast<unsigned>(bits);
    };
    r[matrix] = transposed ? element(j, i) | element(j + 1, i) << 16 : element(i, j) | element(i, j + 1) << 16;
  }
#else
  const unsigned address = static_cast<unsigned>(__cvta_generic_to_shared(row));
  if constexpr (transposed)
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(address)
                 : "memory");
  else
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(address)
                 : "memory");
#endif
}

// Copies 16 bytes asynchronously from global to shared memory; both addresses are aligned to 16 bytes. If `valid` is
// false, the 16 bytes become 0 and global memory is not read. The data may be used after copy_wait and a barrier.
__device__ __forceinline__ void copy_async16(void* shared, const void* global, bool valid = true) {
#ifdef INGRAIN_SIMT
  simt::copy_async(shared, global, 16, valid ? 16 : 0);
#else
  const unsigned address = static_cast<unsigned>(__cvta_generic_to_shared(shared));
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(address), "l"(global), "r"(valid ? 16 : 0)
               : "memory");
#endif
}
// The same for 4 bytes, which go through the L1 cache.
__device__ __forceinline__ void copy_async4(void* shared, const void* global, bool valid) {
#ifdef INGRAIN_SIMT
  simt::copy_async(shared, global, 4, valid ? 4 : 0);
#else
  const unsigned address = static_cast<unsigned>(__cvta_generic_to_shared(shared));
  asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(address), "l"(global), "r"(valid ? 4 : 0)
               : "memory");
#endif
}
__device__ __forceinline__ void copy_commit() {
#ifdef INGRAIN_SIMT
  simt::copy_commit();
#else
  asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}
// Waits until at most `groups` of this thread's committed copy groups are outstanding.
template <int groups> __device__ __forceinline__ void copy_wait() {
#ifdef INGRAIN_SIMT
  simt::copy_wait(groups);
#else
  asm volatile("cp.async.wait_group %0;" ::"n"(groups) : "memory");
#endif
}
// The same for a number that is a constant once a loop has been unrolled; 3 at most.
__device__ __forceinline__ void copy_wait_for(int groups) {
  if (groups == 0) copy_wait<0>();
  else if (groups == 1) copy_wait<1>();
  else if (groups == 2) copy_wait<2>();
  else copy_wait<3>();
}
