// collectives: communication between the ranks of a tensor-parallel model.
//   all_reduce: y = Σ over ranks, then chunks, of partials      all_gather: y = every rank's x, concatenated
//   reduce_scatter: y = this rank's slice of that sum           broadcast: y = the root's x
// Shapes   partials (chunks, n or ranks·n) f32 · y (n), or (ranks, n)
// Types    y f32|bf16, sums f32; all_gather and broadcast: bytes
// Needs    every rank makes the same calls; scratch 0
// Mapping  every rank reads the memory of all ranks; n over the threads of the rank
// Bound    memory: ranks·chunks·n elements per rank             Oracle a sum in the same order  Test CollectivesTest
#include "strips.h"

#include <cstring>

namespace ingrain::INGRAIN_ISA {
namespace {

// Returns the number of ranks: 1 without a communicator.
int32_t ranks_of(ingrain_context* ctx) { return ctx->meeting ? ctx->meeting->ranks() : 1; }

ingrain_status ended(ingrain_context* ctx) {
  return ctx->fail(INGRAIN_DEVICE_ERROR, "%s", ctx->meeting->failure(ctx->rank).c_str());
}

// Publishes the address `own`, waits until every rank has published its address, and runs `body`, which reads from
// these addresses. Returns after the bodies of all ranks have run.
template <class Body>
ingrain_status exchange(ingrain_context* ctx, Call call, const void* own, const Body& body) {
  if (ctx->meeting && !ctx->meeting->publish(ctx->rank, own, call)) return ended(ctx);
  body([&](int32_t rank) { return ctx->meeting ? ctx->meeting->of(rank) : own; });
  if (ctx->meeting && !ctx->meeting->release(ctx->rank)) return ended(ctx);
  return INGRAIN_OK;
}

// y (n) = elements [first, first + n) of the sum of the partials (chunks, ld) over all ranks and chunks.
template <class E>
ingrain_status sum(ingrain_context* ctx, const char* op, E* y, const float* partials, int64_t chunks, int64_t n,
                   int64_t ld, int64_t first) {
  return exchange(ctx, {op, chunks * ld * static_cast<int64_t>(sizeof(float))}, partials, [&](const auto& source) {
    parallel_for(ctx, (n + lanes - 1) / lanes, 1024, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin * lanes; i < end * lanes && i < n; i += lanes) {
        const int64_t count = n - i < lanes ? n - i : lanes;
        vec total = splat(0.0f);
        for (int32_t r = 0; r < ranks_of(ctx); ++r)
          for (int64_t c = 0; c < chunks; ++c) {
            const float* part = static_cast<const float*>(source(r)) + c * ld + first + i;
            const vec v = count == lanes ? load(part) : load_some(part, count);
            total = r == 0 && c == 0 ? v : total + v;
          }
        if (count == lanes) store(y + i, total);
        else store_some(y + i, total, count);
      }
    });
  });
}

}  // namespace
}  // namespace ingrain::INGRAIN_ISA

INGRAIN_OP(all_reduce, (ingrain_context* ctx, void* y, const float* partials, int32_t dtype, int64_t chunks, int64_t n),
           (ctx, y, partials, dtype, chunks, n)) {
  return with_dtype(ctx, dtype, [&]<class E>() {
    return sum(ctx, "all_reduce", static_cast<E*>(y), partials, chunks, n, n, 0);
  });
}

INGRAIN_OP(reduce_scatter,
           (ingrain_context* ctx, void* y, const float* partials, int32_t dtype, int64_t chunks, int64_t n),
           (ctx, y, partials, dtype, chunks, n)) {
  return with_dtype(ctx, dtype, [&]<class E>() {
    return sum(ctx, "reduce_scatter", static_cast<E*>(y), partials, chunks, n, ranks_of(ctx) * n, ctx->rank * n);
  });
}

INGRAIN_OP(all_gather, (ingrain_context* ctx, void* y, const void* x, int64_t bytes), (ctx, y, x, bytes)) {
  return exchange(ctx, {"all_gather", bytes}, x, [&](const auto& source) {
    for (int32_t r = 0; r < ranks_of(ctx); ++r)
      memcpy(static_cast<char*>(y) + r * bytes, source(r), static_cast<size_t>(bytes));
  });
}

INGRAIN_OP(broadcast, (ingrain_context* ctx, void* y, const void* x, int64_t bytes, int32_t root),
           (ctx, y, x, bytes, root)) {
  if (root < 0 || root >= ranks_of(ctx))
    return ctx->fail(INGRAIN_INVALID_ARGUMENT, "broadcast: root %d, expected 0 to %d", root, ranks_of(ctx) - 1);
  return exchange(ctx, {"broadcast", bytes}, x, [&](const auto& source) {
    if (y != source(root)) memcpy(y, source(root), static_cast<size_t>(bytes));
  });
}
