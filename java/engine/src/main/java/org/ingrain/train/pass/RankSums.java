package org.ingrain.train.pass;

import org.ingrain.ffi.Allocator;
import org.ingrain.ffi.Context;
import org.ingrain.model.Blueprint;
import org.ingrain.model.Rank;
import org.ingrain.model.Weights;
import org.ingrain.ops.Ops;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.Tensor;
import org.ingrain.tensor.Weight;
import org.ingrain.train.data.MicroBatchLimits;

/**
 * Computes sums over the ranks of a sharded model, as in Megatron-LM (arXiv:1909.08053). The forward pass sums the
 * outputs of matmuls whose weight columns are sharded. The backward pass sums the input gradients of matmuls whose
 * weight rows are sharded. If the rows of lm_head are sharded, every rank gathers all logits, one chunk of rows at a
 * time.
 */
final class RankSums {
    private final Context context;
    private final Ops ops;
    private final Rank rank;
    /** This rank's partial sums (chunks, T, D) f32. */
    private final Tensor partials;
    /** The logits of all ranks (ranks·HEAD_ROWS, V / ranks) f32; null if every rank has the whole head. */
    private final Tensor gathered;
    /** This rank's logits (HEAD_ROWS, V / ranks) f32. */
    private final Tensor logits;
    /** This rank's columns of dlogits (HEAD_ROWS, V / ranks). */
    private final Tensor dlogits;
    /**
     * Row indices (HEAD_ROWS·ranks) into {@code gathered}: first the parts of row 0 of the logits in rank order, then
     * the parts of row 1, and so on.
     */
    private final Tensor order;
    /**
     * Indices (HEAD_ROWS) of this rank's rows in a view of the whole dlogits with shape (HEAD_ROWS·ranks, V / ranks).
     */
    private final Tensor parts;
    private int ordered;

    private RankSums(Allocator memory, Weights weights, MicroBatchLimits limits) {
        context = memory.context();
        ops = new Ops(context);
        rank = weights.rank();
        Weights.Layer layer = weights.layers().getFirst();
        long chunks = Math.max(layer.oProj().chunks(), layer.downProj().chunks());
        partials = memory.allocateShared(DType.F32, chunks, Math.max(limits.tokens(), TrainingActivations.HEAD_ROWS),
                layer.oProj().rows());
        Blueprint config = weights.config();
        long rows = TrainingActivations.HEAD_ROWS;
        long part = weights.lmHead().rows();
        boolean shared = part < config.vocabSize();
        gathered = shared ? memory.allocate(DType.F32, rank.count() * rows, part) : null;
        logits = shared ? memory.allocateShared(DType.F32, rows, part) : null;
        dlogits = shared ? memory.allocate(weights.precision().activations(), rows, part) : null;
        order = shared ? memory.allocate(DType.I32, rows * rank.count()) : null;
        parts = shared ? memory.allocate(DType.I32, rows) : null;
    }

    /** Allocates the buffers of a rank. Returns null if the model is not sharded. */
    static RankSums of(Allocator memory, Weights weights, MicroBatchLimits limits) {
        return weights.rank().count() == 1 ? null : new RankSums(memory, weights, limits);
    }

    /** Sets y (T, N) to the sum over ranks of x (T, C / ranks)·Wᵀ. */
    void product(Tensor y, Tensor x, Weight w) {
        Tensor sums = partials.slice(0, w.chunks() * y.elements()).view(w.chunks(), x.size(0), w.rows());
        ops.matmulPartial(sums, x, w);
        ops.allReduce(y, sums, w.chunks());
    }

    /** Sets dx (T, C) to the sum over ranks of dy (T, N / ranks)·W. */
    void gradient(Tensor dx, Tensor dy, Weight w) {
        Tensor own = partials.slice(0, dx.elements()).view(dx.size(0), dx.size(1));
        ops.matmulBackward(own, dy, w, 0);
        ops.allReduce(dx, own, 1);
    }

    /** Sets y (m, V) to x (m, D)·Wᵀ, where W has the rows of all ranks. */
    void logits(Tensor y, Tensor x, Weight w) {
        if (gathered == null) {
            ops.matmul(y, x, w);
            return;
        }
        int m = Math.toIntExact(x.size(0));
        orderRows(m);
        Tensor own = logits.rows(0, m);
        Tensor all = gathered.rows(0, (long) m * rank.count());
        ops.matmul(own, x, w);
        ops.allGather(all, own);
        ops.gatherRows(y.view(all.size(0), all.size(1)), all, order.rows(0, all.size(0)));
    }

    /** Sets dx (m, D) to dy (m, V)·W, where W has the rows of all ranks. */
    void logitsGradient(Tensor dx, Tensor dy, Weight w) {
        if (gathered == null) {
            ops.matmulBackward(dx, dy, w, 0);
            return;
        }
        int m = Math.toIntExact(dx.size(0));
        orderRows(m);
        Tensor own = dlogits.rows(0, m);
        ops.gatherRows(own, dy.view((long) m * rank.count(), own.size(1)), parts.rows(0, m));
        gradient(dx, own, w);
    }

    private void orderRows(int m) {
        if (m == ordered) {
            return;
        }
        int[] places = new int[m * rank.count()];
        int[] own = new int[m];
        for (int i = 0; i < m; i++) {
            for (int r = 0; r < rank.count(); r++) {
                places[i * rank.count() + r] = r * m + i;
            }
            own[i] = i * rank.count() + rank.index();
        }
        context.write(order, places);
        context.write(parts, own);
        ordered = m;
    }
}
