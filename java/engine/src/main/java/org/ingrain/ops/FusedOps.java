package org.ingrain.ops;

import static org.ingrain.ops.Shapes.ANY;

import java.util.EnumMap;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.ingrain.ffi.Context;
import org.ingrain.ffi.OpBindings;
import org.ingrain.tensor.Batch;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.Tensor;
import org.ingrain.tensor.Weight;

/**
 * Ops that compute the same as several other ops, their parts, one after another. If user kernels replace parts of such
 * an op but not the op itself, a method enqueues the parts instead, and {@link Context#fallbacks} counts the call.
 * Otherwise the user's kernel would never be called.
 */
public final class FusedOps {
    private final Ops ops;
    private final OpBindings bindings;
    private final Context context;
    /** For each op that user kernels replace in part: the line that {@link Context#fallbacks} shows. */
    private final Map<Fusion, String> inParts = new EnumMap<>(Fusion.class);

    /** An op and its parts, by their names in the header. If an op is a part of another op, the part comes first. */
    private enum Fusion {
        MATMUL_SILU_MUL("matmul_silu_mul_forward", "matmul_forward", "silu_mul_forward"),
        NORM_MATMUL("norm_matmul_forward", "rms_norm_forward", "matmul_forward"),
        NORM_MATMUL_SILU_MUL("norm_matmul_silu_mul_forward", "rms_norm_forward", "matmul_silu_mul_forward"),
        ROPE_CACHE("rope_cache_forward", "rope_forward", "kv_cache_write");

        private final String op;
        private final List<String> parts;

        Fusion(String op, String... parts) {
            this.op = op;
            this.parts = List.of(parts);
        }
    }

    /** @param replaced names of the ops that user kernels replace */
    FusedOps(Ops ops, OpBindings bindings, Context context, Set<String> replaced) {
        this.ops = ops;
        this.bindings = bindings;
        this.context = context;
        Map<String, String> swapped = new HashMap<>();   // for each op: the replaced ops that it consists of
        replaced.forEach(op -> swapped.put(op, op));
        for (Fusion fusion : Fusion.values()) {
            String all = fusion.parts.stream().filter(swapped::containsKey).map(swapped::get)
                    .collect(Collectors.joining(" and "));
            if (!all.isEmpty() && !replaced.contains(fusion.op)) {
                swapped.put(fusion.op, all);
                inParts.put(fusion, fusion.op + ": " + String.join(" and ", fusion.parts)
                        + " run instead, because user kernels replace " + all);
            }
        }
    }

    /** Whether to enqueue the parts. If so, counts the call. */
    private boolean inParts(Fusion fusion) {
        String line = inParts.get(fusion);
        if (line != null) {
            context.noteFallback(line);
        }
        return line != null;
    }

    /**
     * Sets y (T, F) to silu(gate)·up. {@code gate} is the left half of the columns of x·Wᵀ, and {@code up} the right
     * half. {@code gateUp} (T, 2F) is scratch memory; its content is undefined after the call.
     */
    public void matmulSiluMul(Tensor y, Tensor gateUp, Tensor x, Weight w) {
        Shapes.matrix("x", x, ANY, w.columns());
        Shapes.matrix("y", y, x.dtype(), x.size(0), w.rows() / 2);
        Shapes.matrix("gateUp", gateUp, x.dtype(), x.size(0), w.rows());
        if (inParts(Fusion.MATMUL_SILU_MUL)) {
            ops.matmul(gateUp, x, w);
            ops.siluMul(y, gateUp);
            return;
        }
        bindings.matmulSiluMulForward(y, gateUp, x, w, x.dtype().code(), x.size(0));
    }

    /**
     * Rows that an op normalises before it multiplies them, as {@link Ops#rmsNorm} does.
     *
     * @param x   (T, C) scratch memory; its content is undefined after the call
     * @param h   (T, C) the rows
     * @param w   (C) weight of the norm
     * @param eps added to the mean of the squares
     */
    public record Normed(Tensor x, Tensor h, Tensor w, float eps) {
        private void check(Weight product) {
            Shapes.matrix("h", h, ANY, product.columns());
            Shapes.like("x", x, h);
            Shapes.vector("w", w, h.dtype(), h.size(1));
        }
    }

    /** Sets y (T, N) to the product of the normalised rows and Wᵀ. */
    public void normMatmul(Tensor y, Normed rows, Weight w) {
        rows.check(w);
        Shapes.matrix("y", y, rows.h.dtype(), rows.h.size(0), w.rows());
        if (inParts(Fusion.NORM_MATMUL)) {
            ops.rmsNorm(rows.x, null, rows.h, rows.w, rows.eps);
            ops.matmul(y, rows.x, w);
            return;
        }
        bindings.normMatmulForward(y, rows.x, rows.h, rows.w, w, y.dtype().code(), y.size(0), rows.eps);
    }

    /** The same as {@link #matmulSiluMul}, with the normalised rows as x. */
    public void normMatmulSiluMul(Tensor y, Tensor gateUp, Normed rows, Weight w) {
        rows.check(w);
        Shapes.matrix("y", y, rows.h.dtype(), rows.h.size(0), w.rows() / 2);
        Shapes.matrix("gateUp", gateUp, rows.h.dtype(), rows.h.size(0), w.rows());
        if (inParts(Fusion.NORM_MATMUL_SILU_MUL)) {
            ops.rmsNorm(rows.x, null, rows.h, rows.w, rows.eps);
            matmulSiluMul(y, gateUp, rows.x, w);
            return;
        }
        bindings.normMatmulSiluMulForward(y, gateUp, rows.x, rows.h, rows.w, w, y.dtype().code(), y.size(0), rows.eps);
    }

    /**
     * Rotates q and k in every row of qkv (T, (H + 2K)·E) in place, as {@link Ops#rope} does at the batch's positions.
     * Then stores k and v in one layer's cache, as {@link Ops#kvCacheWrite} does.
     */
    public void ropeCache(Tensor qkv, Tensor cache, Tensor table, Batch batch, Ops.Heads heads) {
        ops.cached(qkv, cache, batch, heads);
        Shapes.matrix("table", table, DType.F32, ANY, heads.e());
        if (inParts(Fusion.ROPE_CACHE)) {
            ops.rope(qkv, table, batch.positions().rows(0, batch.tokens()), heads);
            ops.kvCacheWrite(cache, qkv, batch, heads);
            return;
        }
        bindings.ropeCacheForward(qkv, cache, table, batch, qkv.dtype().code(), cache.dtype().code(), heads.h(),
                heads.k(), heads.e());
    }
}
