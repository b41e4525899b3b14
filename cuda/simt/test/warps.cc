// Compares shuffles with the pseudo-code of PTX shfl.sync (ISA 9.7.9.6). Tests votes and reductions of whole and
// partial warps.
#include "check.h"

namespace {

enum Mode { index, up, down, butterfly };

// Returns the lane that shfl.sync reads, according to the ISA: b is the operand, c contains the clamp and the segment
// mask.
int source_lane(Mode mode, int lane, int b, int width) {
  const int c = (32 - width) << 8 | (mode == up ? 0 : 0x1f), segment = c >> 8 & 31, bval = b & 31, cval = c & 31;
  const int max_lane = (lane & segment) | (cval & ~segment), min_lane = lane & segment;
  int j = 0;
  bool valid = false;
  switch (mode) {
    case up: j = lane - bval, valid = j >= max_lane; break;
    case down: j = lane + bval, valid = j <= max_lane; break;
    case butterfly: j = lane ^ bval, valid = j <= max_lane; break;
    case index: j = min_lane | (bval & ~segment), valid = j <= max_lane; break;
  }
  return valid ? j : lane;
}

__global__ void shuffle(int* out, int mode, int b, int width) {
  const int value = 1000 + static_cast<int>(threadIdx.x);
  int got = 0;
  switch (mode) {
    case index: got = __shfl_sync(0xffffffffu, value, b, width); break;
    case up: got = __shfl_up_sync(0xffffffffu, value, static_cast<unsigned>(b), width); break;
    case down: got = __shfl_down_sync(0xffffffffu, value, static_cast<unsigned>(b), width); break;
    case butterfly: got = __shfl_xor_sync(0xffffffffu, value, b, width); break;
  }
  out[threadIdx.x] = got;
}

// Lanes 0-15 exchange five times, lanes 16-23 once, and the rest have exited.
__global__ void parts(int* out) {
  const int lane = static_cast<int>(threadIdx.x);
  if (lane >= 24) return;
  int value = lane;
  if (lane < 16)
    for (int i = 0; i < 5; ++i) value = __shfl_xor_sync(0x0000ffffu, value, 1 << i % 4) + 1;
  else
    value = __reduce_add_sync(0x00ff0000u, value);
  __syncwarp(0x00ffffffu);
  out[lane] = value;
  out[32 + lane] = static_cast<int>(__ballot_sync(0x00ffffffu, lane % 3 == 0));
}

__global__ void reductions(unsigned* out) {
  const unsigned x = (threadIdx.x * 2654435761u) ^ 77u, full = 0xffffffffu;
  unsigned* mine = out + 8 * threadIdx.x;
  mine[0] = __reduce_add_sync(full, x);
  mine[1] = __reduce_max_sync(full, x);
  mine[2] = __reduce_min_sync(full, x);
  mine[3] = static_cast<unsigned>(__reduce_max_sync(full, static_cast<int>(x)));
  mine[4] = __ballot_sync(full, x % 3 == 0);
  mine[5] = static_cast<unsigned>(__any_sync(full, threadIdx.x == 31) + 2 * __any_sync(full, 0));
  mine[6] = static_cast<unsigned>(__all_sync(full, 1) + 2 * __all_sync(full, threadIdx.x != 31));
  mine[7] = static_cast<unsigned>(__shfl_sync(full, static_cast<unsigned long long>(x) << 32 | threadIdx.x, 9) >> 32);
}

void shuffles(bool order, const char* name) {
  bool right = true;
  for (int width = 1; width <= 32; width *= 2)
    for (int mode = 0; mode < 4; ++mode)
      for (int b = 0; b < 32; ++b) {
        const auto got = run<int>(order, shuffle, 1, 32, 32, mode, b, width);
        for (int lane = 0; lane < 32; ++lane)
          right &= got[static_cast<size_t>(lane)] == 1000 + source_lane(static_cast<Mode>(mode), lane, b, width);
      }
  check(right, "shuffles of every width, operand and lane agree with the ISA", name);
}

void partial(bool order, const char* name) {
  const auto got = run<int>(order, parts, 1, 32, 64);
  bool right = got.size() == 64;
  for (int lane = 0; lane < 24 && right; ++lane) {
    const int expected = lane < 16 ? (lane ^ 1 ^ 2 ^ 4 ^ 8 ^ 1) + 5 : 16 + 17 + 18 + 19 + 20 + 21 + 22 + 23;
    right = got[static_cast<size_t>(lane)] == expected && got[static_cast<size_t>(32 + lane)] == 0x249249;
  }
  check(right, "parts of a warp exchange values independently of each other", name);
}

void reduced(bool order, const char* name) {
  unsigned sum = 0, most = 0, least = ~0u, votes = 0;
  int greatest = INT32_MIN;
  for (unsigned lane = 0; lane < 32; ++lane) {
    const unsigned x = (lane * 2654435761u) ^ 77u;
    sum += x, most = std::max(most, x), least = std::min(least, x), greatest = std::max(greatest, static_cast<int>(x));
    votes |= (x % 3 == 0 ? 1u : 0u) << lane;
  }
  const std::vector<unsigned> expected = {sum,   most, least, static_cast<unsigned>(greatest),
                                          votes, 1,    1,     (9 * 2654435761u) ^ 77u};
  const auto got = run<unsigned>(order, reductions, 1, 32, 256);
  bool right = got.size() == 256;
  for (size_t i = 0; i < 256 && right; ++i) right = got[i] == expected[i % 8];
  check(right, "votes, sums, extremes and 64-bit shuffles of a warp are correct", name);
}

}  // namespace

void check_warps() {
  for (const bool order : {false, true}) {
    const char* name = order ? "descending" : "ascending";
    shuffles(order, name);
    partial(order, name);
    reduced(order, name);
  }
}
