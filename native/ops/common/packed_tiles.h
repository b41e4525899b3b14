// For attention in training: divides packed sequences into tiles of tokens, and packs 16 rows for a register tile.
#pragma once
#include "blocks.h"

namespace ingrain::INGRAIN_ISA {

struct SequenceTile {
  int64_t first;       // row of the sequence's first token
  int64_t last;        // one past the row of the sequence's last token
  int64_t begin, end;  // tokens of the tile, counted from `first`
};

class SequenceTiles {
 public:
  SequenceTiles(const int32_t* offsets, int64_t sequences, int64_t tokens_a_tile)
      : offsets_(offsets), sequences_(sequences), size_(tokens_a_tile) {}

  bool next(SequenceTile& tile) {
    while (sequence_ < sequences_ && offsets_[sequence_] + begin_ >= offsets_[sequence_ + 1]) {
      ++sequence_;
      begin_ = 0;
    }
    if (sequence_ >= sequences_) return false;
    const int64_t first = offsets_[sequence_], last = offsets_[sequence_ + 1];
    tile = {first, last, begin_, std::min(begin_ + size_, last - first)};
    begin_ = tile.end;
    return true;
  }
  int64_t count() const {
    int64_t n = 0;
    for (int64_t s = 0; s < sequences_; ++s) n += (offsets_[s + 1] - offsets_[s] + size_ - 1) / size_;
    return n;
  }

 private:
  const int32_t* offsets_;
  int64_t sequences_, size_, sequence_ = 0, begin_ = 0;
};

// Runs body(tile, part) for every tile and every part in [0, parts) on the context's threads. The tiles do not depend
// on the number of threads.
template <class Body>
void for_sequence_tiles(ingrain_context* ctx, const SequenceTiles& tiles, int64_t parts, const Body& body) {
  parallel_for(ctx, tiles.count() * parts, 1, [&](int64_t begin, int64_t end) {
    SequenceTiles cursor = tiles;
    SequenceTile tile{};
    int64_t taken = 0;
    for (int64_t i = begin; i < end; ++i) {
      for (; taken <= i / parts; ++taken) cursor.next(tile);
      body(tile, i % parts);
    }
  });
}

// Column j of packed (E, 16) = row j of x (n, E) with row distance `ld`, n <= 16. Columns from n on are zero.
template <class X>
void pack_transposed(float* packed, const X* x, int64_t ld, int64_t n, int64_t E) {
  int64_t e = 0;
  if (n == lanes) {
    for (; e + 8 <= E; e += 8) {
      transpose8(packed + e * lanes, lanes, x + e, ld);
      transpose8(packed + e * lanes + 8, lanes, x + 8 * ld + e, ld);
    }
  }
  for (; e < E; ++e)
    for (int64_t j = 0; j < lanes; ++j) packed[e * lanes + j] = j < n ? to_float(x[j * ld + e]) : 0.0f;
}

template <class X>
void load_row(float* row, const X* x, int64_t E, int64_t width) {  // converted to f32; zeros from E to width
  int64_t e = 0;
  for (; e + lanes <= E; e += lanes) store(row + e, load(x + e));
  if (e < width) store_some(row + e, load_some(x + e, E - e), width - e);
}
template <class X>
void store_row(X* x, const float* row, float factor, int64_t E) {
  int64_t e = 0;
  for (; e + lanes <= E; e += lanes) store(x + e, load(row + e) * splat(factor));
  if (e < E) store_some(x + e, load_some(row + e, E - e) * splat(factor), E - e);
}

// packed (n, width) = x (n, E) with row distance `ld`, n <= 16; columns from E on are zero.
template <class X>
void pack_rows(float* packed, const X* x, int64_t ld, int64_t n, int64_t E, int64_t width) {
  for (int64_t j = 0; j < n; ++j) load_row(packed + j * width, x + j * ld, E, width);
}

}  // namespace ingrain::INGRAIN_ISA
