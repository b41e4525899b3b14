// The layouts of INT8 and INT4 weights on the CPU. ROW_MAJOR is described in ingrain.h. PACKED consists of panels of
// sixteen rows, as in weight.h. A panel is an array of groups, each with all its parts, so that a product reads one
// stream:
//   scales (16) f16      zero points (16) uint8, if the weight has any      values of the group's columns
// The values are stored in blocks of 32 columns. A block consists of steps, and a step has a lane of 4 bytes per row:
//   INT8   (8 steps, 16 rows, 4): byte (s, r, i) is q + 128 of column 4·s + i
//   INT4   (4 steps, 16 rows, 4): the low half of byte (s, r, i) is q of column 4·s + i, and the high half is q of
//          column 16 + 4·s + i
// So 64 bytes of values are an operand of vpdpbusd: unsigned bytes of four columns of sixteen rows. INT8 stores q +
// 128, so that an element is (stored - zero)·scale in every format. zero is 128 for INT8, and 8 for INT4 without zeros.
// The padding of the last group and of the last panel has the value 0 and the scale 0.
#pragma once
#include "weight.h"

#include <algorithm>
#include <cstring>

namespace ingrain::INGRAIN_ISA {

constexpr int64_t largest_group = 128, x_block_size = 32;  // columns

struct quantized_format {
  int32_t dtype;
  int64_t group;
  bool zeros;

  explicit quantized_format(const ingrain_weight* w) : quantized_format(w->dtype, w->group, w->zeros) {}
  quantized_format(int32_t dtype, int32_t group, int32_t zeros) : dtype(dtype), group(group), zeros(zeros != 0) {}

  int64_t groups(int64_t columns) const { return (columns + group - 1) / group; }
  uint8_t usual_zero() const { return dtype == INGRAIN_INT8 ? 128 : 8; }

  // PACKED, in bytes
  int64_t header() const { return zeros ? 48 : 32; }
  int64_t block_bytes() const { return x_block_size * panel_rows / (dtype == INGRAIN_INT8 ? 1 : 2); }
  int64_t group_bytes() const { return header() + group / x_block_size * block_bytes(); }
  int64_t panel_bytes(int64_t columns) const { return groups(columns) * group_bytes(); }

  // ROW_MAJOR, in bytes from the start of the data
  int64_t row_bytes(int64_t columns) const { return dtype == INGRAIN_INT8 ? columns : (columns + 1) / 2; }
  int64_t scales_at(int64_t rows, int64_t columns) const { return (rows * row_bytes(columns) + 63) / 64 * 64; }
  int64_t zeros_at(int64_t rows, int64_t columns) const {
    return (scales_at(rows, columns) + rows * groups(columns) * 2 + 63) / 64 * 64;
  }
  int64_t bytes(int32_t layout, int64_t rows, int64_t columns) const {
    if (layout == INGRAIN_PACKED) return panels_of(rows) * panel_bytes(columns);
    return zeros ? zeros_at(rows, columns) + rows * groups(columns)
                 : scales_at(rows, columns) + rows * groups(columns) * 2;
  }
};

// One group of one row: the stored values (unused values are 0), the scale and the zero point.
struct row_group {
  uint8_t values[largest_group] = {};
  f16 scale{0};
  uint8_t zero = 0;

  float element(int64_t i) const { return static_cast<float>(values[i] - zero) * to_float(scale); }
};

// Returns the start of group g of panel p.
inline uint8_t* packed_group(const ingrain_weight* w, int64_t p, int64_t g) {
  const quantized_format format(w);
  return static_cast<uint8_t*>(w->data) + p * format.panel_bytes(w->columns) + g * format.group_bytes();
}

// Writes row `lane` of a packed group, for all columns of the group.
inline void write_lane(uint8_t* to, const quantized_format& format, int64_t lane, const row_group& from) {
  memcpy(to + 2 * lane, &from.scale, 2);
  if (format.zeros) to[32 + lane] = from.zero;
  uint8_t* out = to + format.header() + 4 * lane;
  for (int64_t c = 0; c < format.group; c += x_block_size, out += format.block_bytes()) {
    const uint8_t* q = from.values + c;
    if (format.dtype == INGRAIN_INT8) {
      for (int64_t s = 0; s < 8; ++s) memcpy(out + s * 64, q + 4 * s, 4);
    } else {
      for (int64_t s = 0; s < 4; ++s)
        for (int64_t i = 0; i < 4; ++i)
          out[s * 64 + i] = static_cast<uint8_t>(q[4 * s + i] | q[16 + 4 * s + i] << 4);
    }
  }
}
inline void read_lane(row_group& to, const uint8_t* from, const quantized_format& format, int64_t lane) {
  memcpy(&to.scale, from + 2 * lane, 2);
  to.zero = format.zeros ? from[32 + lane] : format.usual_zero();
  const uint8_t* in = from + format.header() + 4 * lane;
  for (int64_t c = 0; c < format.group; c += x_block_size, in += format.block_bytes()) {
    uint8_t* q = to.values + c;
    if (format.dtype == INGRAIN_INT8) {
      for (int64_t s = 0; s < 8; ++s) memcpy(q + 4 * s, in + s * 64, 4);
    } else {
      for (int64_t s = 0; s < 4; ++s)
        for (int64_t i = 0; i < 4; ++i) {
          q[4 * s + i] = in[s * 64 + i] & 15;
          q[16 + 4 * s + i] = in[s * 64 + i] >> 4;
        }
    }
  }
}

// The parts of a ROW_MAJOR weight, or of the source of pack_quantized.
struct quantized_parts {
  uint8_t* values;
  f16* scales;
  uint8_t* zeros;
  int64_t columns;

  static quantized_parts of(const ingrain_weight* w) {
    const quantized_format format(w);
    uint8_t* data = static_cast<uint8_t*>(w->data);
    return {data, reinterpret_cast<f16*>(data + format.scales_at(w->rows, w->columns)),
            data + format.zeros_at(w->rows, w->columns), w->columns};
  }

  void read(row_group& to, const quantized_format& format, int64_t row, int64_t g) const {
    const int64_t at = row * format.groups(columns) + g, first = g * format.group;
    const int64_t n = std::min(format.group, columns - first);
    const uint8_t* q = values + row * format.row_bytes(columns);
    to = {};
    to.scale = scales[at];
    to.zero = format.zeros ? zeros[at] : format.usual_zero();
    for (int64_t i = 0; i < n; ++i) {
      const int64_t c = first + i;
      to.values[i] = format.dtype == INGRAIN_INT8 ? q[c] ^ 128 : q[c / 2] >> c % 2 * 4 & 15;
    }
  }
  void write(const row_group& from, const quantized_format& format, int64_t row, int64_t g) const {
    const int64_t at = row * format.groups(columns) + g, first = g * format.group;
    const int64_t n = std::min(format.group, columns - first);
    uint8_t* q = values + row * format.row_bytes(columns);
    scales[at] = from.scale;
    if (format.zeros) zeros[at] = from.zero;
    if (format.dtype == INGRAIN_INT8) {
      for (int64_t i = 0; i < n; ++i) q[first + i] = from.values[i] ^ 128;
    } else {
      for (int64_t i = 0; i < n; i += 2)
        q[(first + i) / 2] = static_cast<uint8_t>(from.values[i] | (i + 1 < n ? from.values[i + 1] << 4 : 0));
    }
  }
};

inline void read_group(row_group& to, const ingrain_weight* w, int64_t row, int64_t g) {
  const quantized_format format(w);
  if (w->layout == INGRAIN_ROW_MAJOR) quantized_parts::of(w).read(to, format, row, g);
  else read_lane(to, packed_group(w, row / panel_rows, g), format, row % panel_rows);
}
inline void write_group(const row_group& from, const ingrain_weight* w, int64_t row, int64_t g) {
  const quantized_format format(w);
  if (w->layout == INGRAIN_ROW_MAJOR) quantized_parts::of(w).write(from, format, row, g);
  else write_lane(packed_group(w, row / panel_rows, g), format, row % panel_rows, from);
}

}  // namespace ingrain::INGRAIN_ISA
