// mid_rows, the steps of a block: copies to shared memory, and products of the data there. mid_rows.h explains the
// design.
#pragma once
#include "groups.h"
#include "mma.h"
#include "output.h"

namespace mid_rows {

constexpr int warps = 8, threads = 32 * warps, tile_rows = 256, step_columns = 128;

struct Int8 {};
struct Int4 {};

struct Arguments {
  Output y;             // (chunks, T, N), or (T, N / 2) if gated
  const bf16* x;        // (T, C); points to row `first` of x
  Groups w;             // (N, C); for fp8, only values and row_bytes are set
  const float* scales;  // (N) for fp8, else null
  int N;
  int64_t C, chunk;     // chunk: columns of one sum
  int T, first, all, stages;  // T rows, from row `first` on, of all rows of x
  int tiles, steps, sequence;  // tiles of a chunk, steps of a tile, all steps
  float* partials;        // two arrays of S::partial sums for each block
  unsigned* arrived;      // for each tile of each chunk: number of blocks that have written their sums
};

template <class W_, bool gated_, int TILES_> struct Shape {
  using W = W_;
  static constexpr bool gated = gated_, fp8_weight = std::is_same_v<W, fp8>, int4 = std::is_same_v<W, Int4>;
  static constexpr int TILES = TILES_, tokens = 8 * TILES;
  static constexpr int outputs = gated ? tile_rows / 2 : tile_rows;        // output features of a tile
  static constexpr int row_bytes = int4 ? step_columns / 2 : step_columns;  // of a step
  static constexpr int pieces = row_bytes / 16, pass = threads / pieces;    // pass: rows that all threads copy at once
  static constexpr int passes = tile_rows / pass;
  static constexpr int w_bytes = tile_rows * row_bytes, stage = w_bytes + tokens * step_columns * 2;
  static constexpr int partial = tile_rows * tokens;  // sums of a tile

  // Offset in shared memory of a 16-byte piece of a row: place() for the weight, place_x() for x. The XOR swizzles
  // avoid bank conflicts when the lanes of a warp read the weight. A lane reads 16 bytes of fp8, 8 bytes of INT8 or 4
  // bytes of INT4 at a time.
  static __device__ __forceinline__ int place(int row, int piece) {
    return row * row_bytes + (piece ^ (fp8_weight ? row % 2 * 4 : int4 ? row / 2 % 4 : row % 4 * 2)) * 16;
  }
  static __device__ __forceinline__ int place_x(int token, int piece) {
    return w_bytes + token * step_columns * 2 + (piece ^ token % 2 * (fp8_weight ? 1 : 4)) * 16;
  }
};

// The position of a row of the tile among the tile's outputs, and the row of the weight. A warp has 32 rows of the
// tile. If gated, 16 of them are rows of gate, and the others are the same rows of up. If the tile's row is after the
// last row of the weight, the returned row of the weight is N or more.
template <class S> __device__ __forceinline__ int position(int row) {
  return S::gated ? row / 32 * 16 + row % 16 : row;
}
template <class S> __device__ __forceinline__ int weight_row(const Arguments& a, int tile, int row) {
  const int n = tile * S::outputs + position<S>(row);
  if constexpr (!S::gated) return n;
  return n >= a.N / 2 ? a.N : n + (row % 32 < 16 ? 0 : a.N / 2);
}

// A step of the sequence.
struct Position {
  int step, tile, chunk;

  __device__ __forceinline__ Position(const Arguments& a, int i)
      : step(i % a.steps), tile(i / a.steps % a.tiles), chunk(i / a.steps / a.tiles) {}
  __device__ __forceinline__ int column(const Arguments& a) const {
    return chunk * static_cast<int>(a.chunk) + step * step_columns;
  }
  // Returns true if the next step belongs to another tile.
  __device__ __forceinline__ bool advance(const Arguments& a) {
    if (++step < a.steps) return false;
    step = 0;
    if (++tile == a.tiles) tile = 0, ++chunk;
    return true;
  }
};

// The copies of a block: the next step to copy.
template <class S> struct Copies {
  Position at;
  int left;                // steps that are not copied yet
  const unsigned char* w;  // the thread's first piece
  const bf16* x;
  int rows;  // number of passes in which the thread's row exists

  __device__ __forceinline__ Copies(const Arguments& a, int begin, int end) : at(a, begin), left(end - begin) {
    open(a);
  }

  __device__ __forceinline__ void open(const Arguments& a) {
    const int row = threadIdx.x / S::pieces, piece = threadIdx.x % S::pieces;
    const int column = at.column(a);
    w = a.w.values + static_cast<int64_t>(weight_row<S>(a, at.tile, row)) * a.w.row_bytes +
        (S::int4 ? column / 2 : column) + piece * 16;
    x = a.x + static_cast<int64_t>(threadIdx.x / 16) * a.C + column + threadIdx.x % 16 * 8;
    constexpr int outputs = S::outputs / S::passes;  // of a pass
    const int below = (S::gated ? a.N / 2 : a.N) - at.tile * S::outputs - position<S>(row);
    rows = min(below + outputs - 1, S::outputs) / outputs;
  }

  __device__ __forceinline__ void next(char* stage, const Arguments& a) {
    if (left > 0) {
      const int row = threadIdx.x / S::pieces, piece = threadIdx.x % S::pieces, token = threadIdx.x / 16,
                part = threadIdx.x % 16;
      // Columns from here to the end of the chunk.
      const int inside = static_cast<int>(a.chunk) - at.step * step_columns;
      const int64_t height = S::outputs / S::passes * a.w.row_bytes;
      const int limit = piece * (S::int4 ? 32 : 16) < inside ? rows : 0, tokens = part * 8 < inside ? a.T - token : 0;
      char* const to = stage + S::place(row, piece);
#pragma unroll
      for (int j = 0; j < S::passes; ++j) copy_async16(to + j * (S::pass * S::row_bytes), w + j * height, j < limit);
      char* const x_to = stage + S::place_x(token, part);
#pragma unroll
      for (int j = 0; j < (S::tokens + 15) / 16; ++j)
        if (S::tokens % 16 == 0 || j * 16 + token < S::tokens)
          copy_async16(x_to + j * 4096, x + j * 16 * a.C, j * 16 < tokens);
      --left;
      w += S::row_bytes;
      x += step_columns;
      if (at.advance(a) && left > 0) open(a);
    }
    copy_commit();
  }
};

// The scales and zero points of a lane's four rows for one step of an INT8 or INT4 weight, in the order (m, half).
// A step has one, two or four groups. `read` loads the scales and zero points of each row's groups. `expand` copies
// them, so that each block of 32 columns has its own.
template <class S> struct Scales {
  uint2 scales[4];  // f16
  unsigned zeros[4];

  // Rows that do not exist are replaced by the last row.
  __device__ __forceinline__ void read(const Arguments& a, const Position& at) {
    const int first = threadIdx.x / 32 * 32 + threadIdx.x % 32 / 4;
    const int groups = static_cast<int>(a.w.n), group = at.column(a) / a.w.group;
    int index[4];
#pragma unroll
    for (int r = 0; r < 4; ++r) index[r] = min(weight_row<S>(a, at.tile, first + 8 * r), a.N - 1) * groups + group;
    const bool zero = S::int4 && a.w.zeros;
    const auto load = [&](auto pair, auto byte) {  // values that have the sizes of the scales and of the zero points
#pragma unroll
      for (int r = 0; r < 4; ++r) {
        pair = *reinterpret_cast<const decltype(pair)*>(a.w.scales + index[r]);
        memcpy(&scales[r], &pair, sizeof pair);
        if (zero) zeros[r] = *reinterpret_cast<const decltype(byte)*>(a.w.zeros + index[r]);
      }
    };
    if (a.w.group == 32) load(uint2{}, 0u);
    else if (a.w.group == 64) load(0u, static_cast<unsigned short>(0));
    else load(static_cast<unsigned short>(0), static_cast<unsigned char>(0));
  }

  __device__ __forceinline__ void expand(const Arguments& a) {
#pragma unroll
    for (int r = 0; r < 4; ++r) {
      if (a.w.group == 128) scales[r].x = scales[r].y = permute_bytes<0x1010>(scales[r].x);
      if (a.w.group == 64)
        scales[r].y = permute_bytes<0x3232>(scales[r].x), scales[r].x = permute_bytes<0x1010>(scales[r].x);
      if (S::int4 && a.w.zeros)
        zeros[r] = a.w.group == 128 ? zeros[r] * 0x01010101u
                   : a.w.group == 64 ? permute_bytes<0x1100>(zeros[r])
                                     : zeros[r];
      else zeros[r] = 0x08080808;
    }
  }

  // The scale of row r and block b of 32 columns.
  template <int b> __device__ __forceinline__ float scale(int r) const {
    const unsigned word = b < 2 ? scales[r].x : scales[r].y;
    const auto bits = static_cast<unsigned short>(b % 2 == 0 ? word & 0xffff : word >> 16);
    f16 value;
    memcpy(&value, &bits, sizeof value);
    return to_float(value);
  }
  // Returns -(128 + zero point) as two equal bf16. For i below 128, the bits of -(128 + i) are 0xc300 | i.
  template <int b> __device__ __forceinline__ unsigned minus(int r) const {
    return merge_bytes<0x4040u | 0x101u * b>(zeros[r], 0xc3c3c3c3u);
  }
};

// Adds the products of a step with an fp8 weight. A lane reads 16 contiguous columns (one byte each) of each of its
// rows, and uses them for its k indices.
template <class S>
__device__ __forceinline__ void multiply_fp8(float (&sums)[2][S::TILES][4], const char* stage) {
  const int lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
  const int w = S::place(threadIdx.x / 32 * 32 + g, t), x = S::place_x(g, 2 * t);
#pragma unroll
  for (int u = 0; u < 2; ++u) {  // 64 columns
    uint4 bytes[2][2];
#pragma unroll
    for (int m = 0; m < 2; ++m)
#pragma unroll
      for (int half = 0; half < 2; ++half)
        bytes[m][half] = *reinterpret_cast<const uint4*>(stage + (w ^ 64 * u) + m * 2048 + half * 1024);
#pragma unroll
    for (int i = 0; i < 2; ++i) {  // 32 columns, 8 per lane
      unsigned left[2][2][4];      // two products, each of 16 columns
#pragma unroll
      for (int m = 0; m < 2; ++m)
#pragma unroll
        for (int half = 0; half < 2; ++half) {
          unsigned pairs[4];
          widen_fp8(pairs, i == 0 ? bytes[m][half].x : bytes[m][half].z);
          widen_fp8(pairs + 2, i == 0 ? bytes[m][half].y : bytes[m][half].w);
          left[0][m][half] = pairs[0], left[0][m][half + 2] = pairs[1];
          left[1][m][half] = pairs[2], left[1][m][half + 2] = pairs[3];
        }
#pragma unroll
      for (int n = 0; n < S::TILES; ++n) {
        const uint4 v = *reinterpret_cast<const uint4*>(stage + (x ^ 16 * i) + n * 2048 + u * 128);
        const unsigned right[2][2] = {{v.x, v.y}, {v.z, v.w}};
#pragma unroll
        for (int k = 0; k < 2; ++k)
#pragma unroll
          for (int m = 0; m < 2; ++m) mma(sums[m][n], left[k][m], right[k]);
      }
    }
  }
}

// Eight elements of a row as pairs of bf16, without the scale, exactly. The bits 0x4300 | i are those of 128 + i, for i
// below 128. 0xc300 is -128, and 0xc380 is -256.
template <class S> __device__ __forceinline__ void pairs_of(unsigned (&pairs)[4], const char* from, unsigned minus) {
  if constexpr (S::int4) {
    const unsigned even = *reinterpret_cast<const unsigned*>(from), odd = even >> 4;
    pairs[0] = add_bf16(set_bits<0x000f000f>(merge_bytes<0x0400>(even, odd), 0x43004300), minus);
    pairs[1] = add_bf16(set_bits<0x000f000f>(merge_bytes<0x1511>(even, odd), 0x43004300), minus);
    pairs[2] = add_bf16(set_bits<0x000f000f>(merge_bytes<0x2622>(even, odd), 0x43004300), minus);
    pairs[3] = add_bf16(set_bits<0x000f000f>(merge_bytes<0x3733>(even, odd), 0x43004300), minus);
  } else {
    const uint2 bytes = *reinterpret_cast<const uint2*>(from);
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const unsigned word = i < 2 ? bytes.x : bytes.y;
      const unsigned two = i % 2 == 0 ? permute_bytes<0x4140>(word) : permute_bytes<0x4342>(word);
      pairs[i] = add_bf16(set_bits<0x007f007f>(two, 0x43004300), set_bits<0x00800080>(two, 0xc300c300));
    }
  }
}

// Adds the products of block b of 32 columns. The four lanes of a row read these columns, which have one scale. The
// products with integers are summed first, and the sum over the 32 columns is multiplied by the scale.
template <class S, int b>
__device__ __forceinline__ void multiply_block(float (&sums)[2][S::TILES][4], const char* stage,
                                               const Scales<S>& scales) {
  const int lane = threadIdx.x % 32, g = lane / 4, t = lane % 4, row = threadIdx.x / 32 * 32 + g;
  const int w = S::int4 ? S::place(row, 0) + t * 4 : S::place(row, t / 2) + t % 2 * 8, x = S::place_x(g, t);
  unsigned left[2][2][4];  // two products, each of 16 columns
  float scale[4];
#pragma unroll
  for (int r = 0; r < 4; ++r) {
    unsigned pairs[4];
    pairs_of<S>(pairs, stage + (w ^ b * (S::row_bytes / 4)) + 8 * r * S::row_bytes, scales.template minus<b>(r));
    left[0][r / 2][r % 2] = pairs[0], left[0][r / 2][r % 2 + 2] = pairs[1];
    left[1][r / 2][r % 2] = pairs[2], left[1][r / 2][r % 2 + 2] = pairs[3];
    scale[r] = scales.template scale<b>(r);
  }
#pragma unroll
  for (int n = 0; n < S::TILES; ++n) {
    const uint4 v = *reinterpret_cast<const uint4*>(stage + (x ^ b % 2 * 64) + b / 2 * 128 + n * 2048);
    const unsigned right[2][2] = {{v.x, v.y}, {v.z, v.w}};
#pragma unroll
    for (int m = 0; m < 2; ++m) {
      float part[4] = {};
      mma(part, left[0][m], right[0]);
      mma(part, left[1][m], right[1]);
#pragma unroll
      for (int i = 0; i < 4; ++i) sums[m][n][i] = fmaf(scale[2 * m + i / 2], part[i], sums[m][n][i]);
    }
  }
}

template <class S>
__device__ __forceinline__ void multiply_integers(float (&sums)[2][S::TILES][4], const char* stage,
                                                  const Scales<S>& scales) {
  // The barriers keep the compiler from loading several blocks at once, which would spill registers.
  multiply_block<S, 0>(sums, stage, scales);
  __syncwarp();
  multiply_block<S, 1>(sums, stage, scales);
  __syncwarp();
  multiply_block<S, 2>(sums, stage, scales);
  __syncwarp();
  multiply_block<S, 3>(sums, stage, scales);
}

}  // namespace mid_rows
