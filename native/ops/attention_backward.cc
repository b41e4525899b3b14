// attention_backward: the gradients of attention.cc, from its log-sum-exp.           Dao et al. 2022, arXiv:2205.14135
//   p = exp(scale·q·k − lse)   dv = pᵀ·dy   ds = p·(dy·v − delta)   dq = scale·ds·K   dk = scale·dsᵀ·Q
//   delta = Σ_e dy·y
// Shapes   dqkv, qkv (T, (H + 2K)·E) · dy, y (T, H·E) · delta, lse (T, H) · offsets (S + 1)   Types  f32|bf16, sums f32
//          operands f32|bf16: bf16 allows bf16 factors of the products; see attention_operands.h
// Needs    E % 2 == 0, E <= 256, H % K == 0; stack 240 KiB per thread
// Mapping  (84 rows of a sequence, kv head) over threads, once with queries as rows (dq), once with keys as rows (dk,
//          dv). Scores are computed twice, so that each sum is computed by one thread alone
// Bound    FMA: 14·E FLOP per (query row, key)   Oracle libtorch autograd   Test AttentionParityTest
#include "attention_operands.h"

namespace ingrain::INGRAIN_ISA {
namespace {

constexpr int64_t backward_rows = 84;  // for E <= 128; half as many for larger E

// Scratch for the products of a block of rows with tiles of 16 columns. a·c are the scores, and b·d are their
// gradients. a and b have one vector per row; c and d have one vector per column. For dq, the columns are keys: a = q,
// b = dy, c = k, d = v. For dk and dv, the columns are queries: a = k, b = v, c = q, d = dy.
template <class P>
struct Scratch {
  static constexpr int64_t elements = backward_rows * 128;
  alignas(64) P a[elements], b[elements];        // (count, E)
  alignas(64) float da[elements], db[elements];  // sums (count, width)
  Vectors<P> c, d;
  // one element per query; the queries are the rows for dq and the columns for dk and dv
  alignas(64) float lse[std::max(backward_rows, lanes)], delta[std::max(backward_rows, lanes)];
};

template <class X, class P>
struct Backward {
  X* dqkv;
  float* delta;
  const X* dy;
  const X* qkv;
  const X* y;
  const float* lse;
  int64_t H, K, E;
  float scale;

  int64_t width() const { return padded(E); }
  int64_t ld() const { return (H + 2 * K) * E; }
  int64_t rows() const { return E <= 128 ? backward_rows : backward_rows / 2; }

  void row_sums(int64_t t) const {
    for (int64_t h = 0; h < H; ++h) {
      const int64_t at = (t * H + h) * E;
      vec s = splat(0.0f);
      int64_t e = 0;
      for (; e + lanes <= E; e += lanes) s = fma(load(dy + at + e), load(y + at + e), s);
      if (e < E) s = fma(load_some(dy + at + e, E - e), load_some(y + at + e, E - e), s);
      delta[t * H + h] = sum(s);
    }
  }

  // Computes dq of query heads [head, head + heads) for the tile's tokens. Sums run over ascending keys.
  void queries(const SequenceTile& tile, int64_t kv, int64_t head, int64_t heads) const {
    Scratch<P> x;
    const X* sequence = qkv + tile.first * ld();
    int64_t count = 0;
    for (int64_t t = tile.begin; t < tile.end; ++t)
      for (int64_t h = head; h < head + heads; ++h, ++count) {
        const int64_t at = (tile.first + t) * H + h;
        read_operands(x.a + count * E, sequence + t * ld() + h * E, E);
        read_operands(x.b + count * E, dy + at * E, E);
        x.lse[count] = lse[at];
        x.delta[count] = delta[at];
      }
    std::fill_n(x.da, count * width(), 0.0f);
    for (int64_t start = 0; start < tile.end; start += lanes) {
      const int64_t n = std::min(lanes, tile.end - start);
      const X* k = sequence + start * ld() + (H + kv) * E;
      x.c.read(k, ld(), n, E);
      x.d.read_columns(k + K * E, ld(), n, E);
      // The first `skipped` query rows have positions before these keys, so these rows see none of the keys.
      const int64_t skipped = std::max<int64_t>(0, start - tile.begin) * heads;
      for_register_rows(skipped, count, [&](int64_t r, int64_t m) {
        with_rows(m, [&]<int R>() {
          query_rows<R>(x, r, n, [&](int64_t row) { return tile.begin + row / heads + 1 - start; });
        });
      });
    }
    for (int64_t r = 0; r < count; ++r)
      store_row(dqkv + (tile.first + tile.begin + r / heads) * ld() + (head + r % heads) * E, x.da + r * width(), scale,
                E);
  }

  // visible(row) returns how many of the tile's 16 keys a row sees. A value above 16 means all of them.
  template <int R, class Visible>
  void query_rows(Scratch<P>& x, int64_t r, int64_t n, const Visible& visible) const {
    alignas(64) float ds[R * lanes];
    vec s[R], g[R];
    dots(s, x.a + r * E, E, x.c);
    dots(g, x.b + r * E, E, x.d);
#pragma GCC unroll 12
    for (int i = 0; i < R; ++i) {
      const vec p = exp(s[i] * splat(scale) - splat(x.lse[r + i]));
      store(ds + i * lanes, p * (g[i] - splat(x.delta[r + i])));
      for (int64_t j = visible(r + i); j < lanes; ++j) ds[i * lanes + j] = 0.0f;
    }
    add_products<R>(x.da + r * width(), ds, x.c, n, width());
  }

  // Computes dk and dv of key-value head kv for the tile's tokens. Sums run over the query heads of the group in
  // ascending order, and within a head over its queries in ascending order.
  void keys(const SequenceTile& tile, int64_t kv) const {
    Scratch<P> x;
    const int64_t count = tile.end - tile.begin, length = tile.last - tile.first, group = H / K;
    const X* sequence = qkv + tile.first * ld();
    const X* k = sequence + tile.begin * ld() + (H + kv) * E;
    pack_all(x.a, k, count);
    pack_all(x.b, k + K * E, count);
    std::fill_n(x.da, count * width(), 0.0f);
    std::fill_n(x.db, count * width(), 0.0f);
    for (int64_t h = kv * group; h < (kv + 1) * group; ++h)
      for (int64_t start = tile.begin / lanes * lanes; start < length; start += lanes) {
        const int64_t n = std::min(lanes, length - start);
        load_queries(x, tile.first + start, h, n);
        const int64_t seen = std::min(count, start + n - tile.begin);  // number of keys that the last query sees
        for_register_rows(0, seen, [&](int64_t r, int64_t m) {
          with_rows(m, [&]<int R>() { key_rows<R>(x, r, n, tile.begin + r - start); });
        });
      }
    for (int64_t r = 0; r < count; ++r) {
      X* dk = dqkv + (tile.first + tile.begin + r) * ld() + (H + kv) * E;
      store_row(dk, x.da + r * width(), scale, E);
      store_row(dk + K * E, x.db + r * width(), 1.0f, E);
    }
  }

  void pack_all(P* rows, const X* from, int64_t count) const {
    for (int64_t r = 0; r < count; ++r) read_operands(rows + r * E, from + r * ld(), E);
  }

  void load_queries(Scratch<P>& x, int64_t t, int64_t h, int64_t n) const {
    const X* q = qkv + t * ld() + h * E;
    const X* g = dy + (t * H + h) * E;
    x.c.read(q, ld(), n, E);
    x.d.read(g, H * E, n, E);
    for (int64_t j = 0; j < lanes; ++j) {
      x.lse[j] = j < n ? lse[(t + j) * H + h] : 0.0f;
      x.delta[j] = j < n ? delta[(t + j) * H + h] : 0.0f;
    }
  }

  // `first` is the column of the query with the same position as key r. Queries in earlier columns do not see this key.
  template <int R>
  void key_rows(Scratch<P>& x, int64_t r, int64_t n, int64_t first) const {
    alignas(64) float p[R * lanes], ds[R * lanes];
    vec s[R], g[R];
    dots(s, x.a + r * E, E, x.c);
    dots(g, x.b + r * E, E, x.d);
#pragma GCC unroll 12
    for (int i = 0; i < R; ++i) {
      const vec weights = exp(s[i] * splat(scale) - load(x.lse));
      store(p + i * lanes, weights);
      store(ds + i * lanes, weights * (g[i] - load(x.delta)));
      for (int64_t j = 0; j < std::min(n, first + i); ++j) p[i * lanes + j] = ds[i * lanes + j] = 0.0f;
    }
    add_products<R>(x.db + r * width(), p, x.d, n, width());
    add_products<R>(x.da + r * width(), ds, x.c, n, width());
  }
};

}  // namespace
}  // namespace ingrain::INGRAIN_ISA

INGRAIN_OP(attention_backward,
           (ingrain_context * ctx, void* dqkv, float* delta, [[maybe_unused]] float* sums, const void* dy,
            const void* qkv, const void* y, const float* lse, const int32_t* offsets, int32_t dtype, int32_t operands,
            int64_t S, int64_t H, int64_t K, int64_t E, float scale),
           (ctx, dqkv, delta, sums, dy, qkv, y, lse, offsets, dtype, operands, S, H, K, E, scale)) {
  if (const ingrain_status bad = check_heads(ctx, "attention_backward", H, K, E)) return bad;
  return with_dtype(ctx, dtype, [&]<class X>() {
    return with_dtype(ctx, operands, [&]<class P>() {
      const Backward<X, Operand<P>> backward{
          static_cast<X*>(dqkv),     delta, static_cast<const X*>(dy), static_cast<const X*>(qkv),
          static_cast<const X*>(y),  lse,   H,                         K,
          E,                         scale};
      parallel_for(ctx, offsets[S], 1 + 16384 / (H * E), [&](int64_t begin, int64_t end) {
        for (int64_t t = begin; t < end; ++t) backward.row_sums(t);
      });
      const int64_t group = H / K, heads = std::min(group, backward.rows()), splits = (group + heads - 1) / heads;
      for_sequence_tiles(ctx, SequenceTiles(offsets, S, backward.rows() / heads), K * splits,
                         [&](const SequenceTile& tile, int64_t part) {
                           const int64_t kv = part / splits, first = part % splits * heads;
                           backward.queries(tile, kv, kv * group + first, std::min(heads, group - first));
                         });
      for_sequence_tiles(ctx, SequenceTiles(offsets, S, backward.rows()), K,
                         [&](const SequenceTile& tile, int64_t kv) { backward.keys(tile, kv); });
      return INGRAIN_OK;
    });
  });
}
