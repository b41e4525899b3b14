// norm_matmul: RMSNorm, and the product that reads its result: qkv, or gate, up and the gated activation.
//   x = rms_norm_forward(h)    y = matmul_forward(x) or matmul_silu_mul_forward(x), with the same bits
// Shapes   h (T, C) · norm (C) · W a weight (N, C) · x (T, C) scratch · y (T, N), or (T, N / 2) if gated
// Types    h, x, y f32|bf16, W as matmul
// Needs    as rms_norm and matmul
// Mapping  matmul/few_rows_norm.h: 1 to 4 rows, if h is bf16, W is bf16 or fp8, the context is not deterministic, and
//          the shared memory holds the rows of at most 8,192 columns (H200: 4 rows of 4,096 or 2 of 8,192). Else two
//          ops
// Bound    few rows: memory, the bytes of W; many: 2·T·N·C flops
// Oracle   native/ops/norm_matmul.cc
// Test     NormMatmulParityTest
#include "blas_lt.h"
#include "few_rows.h"

namespace {

// The arguments that both ops have, except W.
struct Norm {
  void* y;
  void* x;
  const void* h;
  const void* norm;
  int32_t dtype;
  int64_t T;
  float eps;
};

// Computes the product with few_rows, if as many blocks fit into a multiprocessor as without the norm. Sets `done`
// accordingly.
template <class W, bool gated, bool deep>
ingrain_status run(ingrain_context* ctx, const Norm& n, const ingrain_weight* w, const DeviceLimits& device,
                   bool* done) {
  constexpr int M = gated ? 2 : 1;
  using S = few_rows::Shape<W, gated, M, 1, deep, true>;
  using Alone = few_rows::Shape<W, gated, M, 1, deep>;
  const int pitch = few_rows::pitch_of<S>(w->columns);
  const size_t bytes = few_rows::shared_bytes<S>(n.T, pitch);
  const auto resident = [&](size_t of) { return device.blocks_per_multiprocessor(few_rows::resident_blocks, of); };
  *done = bytes <= device.shared_per_block && resident(bytes) >= resident(Alone::shared);
  if (!*done) return INGRAIN_OK;
  return few_rows::start<S>(ctx,
                            {{n.y, n.dtype, 0},
                             static_cast<const bf16*>(n.h),
                             w->data,
                             w->scales,
                             w->rows,
                             w->columns,
                             w->columns,
                             static_cast<int>(n.T),
                             0,
                             static_cast<const bf16*>(n.norm),
                             n.eps,
                             pitch},
                            device);
}

template <class W, bool gated>
ingrain_status run(ingrain_context* ctx, const Norm& n, const ingrain_weight* w, bool* done) {
  DeviceLimits device;
  if (ingrain_status status = device_limits(ctx, &device)) return status;
  const bool deep = device.blocks_per_multiprocessor(few_rows::resident_blocks, few_rows::deep_bytes) ==
                    few_rows::resident_blocks;
  return deep ? run<W, gated, true>(ctx, n, w, device, done) : run<W, gated, false>(ctx, n, w, device, done);
}

// The same for W of any type, on any device. The bits are those of two ops, so few_rows must also support the product
// without the norm.
template <bool gated>
ingrain_status together(ingrain_context* ctx, const Norm& n, const ingrain_weight* w, bool* done) {
  if (ingrain_status status = check_product(ctx, w, n.dtype, n.dtype)) return status;
  *done = n.T == 0 || w->rows == 0;
  if (*done || ingrain::deterministic(ctx) || n.T > few_rows::max_normed_rows ||
      w->columns > few_rows::max_normed_columns || !few_rows::fits(w, n.h, n.dtype, n.T) ||
      !fits_vectors<bf16>(w->columns, n.x, n.norm))
    return INGRAIN_OK;
  if (w->dtype == INGRAIN_BF16) return run<bf16, gated>(ctx, n, w, done);
  return run<fp8, gated>(ctx, n, w, done);
}

ingrain_status normalise(ingrain_context* ctx, const Norm& n, const ingrain_weight* w) {
  return ingrain_rms_norm_forward(ctx, n.x, nullptr, n.h, n.norm, n.dtype, n.T, w->columns, n.eps);
}

}  // namespace

extern "C" ingrain_status ingrain_norm_matmul_forward(ingrain_context* ctx, void* y, void* x, const void* h,
                                                      const void* norm, const ingrain_weight* w, int32_t dtype,
                                                      int64_t T, float eps) {
  const Norm n{y, x, h, norm, dtype, T, eps};
  bool done = false;
  if (ingrain_status status = together<false>(ctx, n, w, &done)) return status;
  if (done) return INGRAIN_OK;
  if (ingrain_status status = normalise(ctx, n, w)) return status;
  return ingrain_matmul_forward(ctx, y, x, w, dtype, dtype, T, 0);
}
INGRAIN_EXPORT_OP(norm_matmul_forward)

extern "C" ingrain_status ingrain_norm_matmul_silu_mul_forward(ingrain_context* ctx, void* y, void* gate_up, void* x,
                                                               const void* h, const void* norm, const ingrain_weight* w,
                                                               int32_t dtype, int64_t T, float eps) {
  if (w->rows % 2 != 0) return ingrain_matmul_silu_mul_forward(ctx, y, gate_up, x, w, dtype, T);  // refuses it
  const Norm n{y, x, h, norm, dtype, T, eps};
  bool done = false;
  if (ingrain_status status = together<true>(ctx, n, w, &done)) return status;
  if (done) return INGRAIN_OK;
  if (ingrain_status status = normalise(ctx, n, w)) return status;
  return ingrain_matmul_silu_mul_forward(ctx, y, gate_up, x, w, dtype, T);
}
INGRAIN_EXPORT_OP(norm_matmul_silu_mul_forward)
