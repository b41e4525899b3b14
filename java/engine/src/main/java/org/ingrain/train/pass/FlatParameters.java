package org.ingrain.train.pass;

import java.util.ArrayList;
import java.util.List;
import org.ingrain.ffi.Allocator;
import org.ingrain.ffi.Context;
import org.ingrain.ops.Ops;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.Tensor;

/**
 * The trained parameters of a rank in flat F32 memory: values, gradients and the two moments of AdamW, each (n). One op
 * computes the gradient norm, one clips, and one or two take the AdamW step. Alignment gaps between tensors always
 * contain zeros.
 *
 * <p>With several replicas, {@link #reduce} adds their gradients in the order of replicas. Replica 0 keeps the sum and
 * adds its next micro-batch to it; the others restart from zero. The gradients of micro-batches are thus added in their
 * order, with the same bits for any number of replicas:
 * <pre>
 * micro-batch       0    1    2    3         one replica    ((g0 + g1) + g2) + g3
 * of two replicas   0    1    0    1         two            s = g0 + g1, then (s + g2) + g3
 * </pre>
 * With a sharded model, the tensors are in three {@link Region}s.
 */
public final class FlatParameters {
    private final Context context;
    private final Ops ops;
    private final TrainingPlace place;
    private final Layout layout;
    private final Tensor values;
    private Tensor gradients;
    /** (n) result of the sum over replicas; null with one replica. */
    private Tensor sum;
    private final Tensor firstMoments;
    private final Tensor secondMoments;
    /** Range of the elements whose moments this rank stores: all, or the slice of its replica. */
    private final long begin;
    private final long end;
    private final Tensor norm;
    private final SharedGradients shared;

    /**
     * Position of a tensor in the flat memory.
     *
     * @param offset index of its first element
     * @param shape  shape of the tensor, row-major
     */
    record Slot(long offset, long... shape) {
    }

    /** The ranks of a sharded model that have the same tensor. */
    enum Region {
        /** Only this rank. */
        OWN,
        /** Several consecutive ranks with the same key-value head; each computes a part of the gradient. */
        SHARED,
        /** Every rank, with the same gradient. */
        WHOLE
    }

    /** Assigns consecutive offsets to tensors, one region after another. */
    static final class Layout {
        /** Alignment in elements: 64 bytes, as the ops require. */
        static final long ALIGNMENT = 16;
        private final long[] ends = new long[Region.values().length];
        private final int sharers;
        private long elements;
        private long decayed;

        Layout() {
            this(1);
        }

        /** @param sharers number of ranks that have the same tensors of {@link Region#SHARED} */
        Layout(int sharers) {
            this.sharers = sharers;
        }

        Slot add(long... shape) {
            Slot slot = new Slot(elements, shape);
            elements += aligned(Tensor.unallocated(DType.F32, shape).elements());
            return slot;
        }

        static long aligned(long elements) {
            return Math.ceilDiv(elements, ALIGNMENT) * ALIGNMENT;
        }

        long elements() {
            return elements;
        }

        /** Ends a region; the tensors added next are in the following one. */
        void endRegion(Region region) {
            ends[region.ordinal()] = elements;
        }

        /** Weight decay applies to the tensors added before this call, and to no later ones. */
        void endDecayed() {
            decayed = elements;
        }

        private long begin(Region region) {
            return region == Region.OWN ? 0 : ends[region.ordinal() - 1];
        }

        private long size(Region region) {
            return ends[region.ordinal()] - begin(region);
        }
    }

    /**
     * @param sharded whether each replica stores the moments of one slice only, updates that slice and all-gathers the
     *                values (ZeRO-1, arXiv:1910.02054); otherwise every replica stores all moments and updates all
     *                values
     */
    FlatParameters(Allocator memory, Layout layout, TrainingPlace place, boolean sharded) {
        context = memory.context();
        ops = new Ops(context);
        this.layout = layout;
        this.place = place;
        int slices = sharded ? place.replicas() : 1;
        long slice = Layout.aligned(Math.ceilDiv(layout.elements, slices));
        values = memory.allocateZero(DType.F32, slice * slices);
        gradients = memory.allocateZero(DType.F32, layout.elements);
        sum = place.replicas() == 1 ? null : memory.allocate(DType.F32, layout.elements);
        if (place.replicaGroup() != null) {
            place.amongReplicas(context, () -> shareAmongReplicas(sharded));
        }
        firstMoments = memory.allocateZero(DType.F32, slice);
        secondMoments = memory.allocateZero(DType.F32, slice);
        begin = slices == 1 ? 0 : place.replica() * slice;
        end = begin + slice;
        norm = memory.allocateZero(DType.F32, 1);
        shared = layout.sharers == 1 ? null
                : new SharedGradients(memory, place.shard(), layout.sharers, layout.size(Region.SHARED));
    }

    /** Lets collectives use in place what they reduce and gather. */
    private void shareAmongReplicas(boolean sharded) {
        context.share(gradients);
        context.share(sum);
        if (sharded) {
            context.share(values);
        }
    }

    Tensor value(Slot slot) {
        return piece(values, slot);
    }

    Tensor gradient(Slot slot) {
        return piece(gradients, slot);
    }

    static Tensor piece(Tensor flat, Slot slot) {
        long n = Tensor.unallocated(DType.F32, slot.shape()).elements();
        return flat.slice(slot.offset(), n).view(slot.shape());
    }

    /** The values (n), and of the first and the second moments this rank's slice. */
    public List<Tensor> state() {
        return List.of(values.slice(0, layout.elements), moment(firstMoments), moment(secondMoments));
    }

    private Tensor moment(Tensor slice) {
        return slice.slice(0, Math.clamp(layout.elements - begin, 0, slice.elements()));
    }

    /** Index of the first element in this rank's slice of the moments. */
    long firstMoment() {
        return begin;
    }

    /** (n) */
    Tensor gradients() {
        return gradients;
    }

    public void zeroGradients() {
        context.fillZero(gradients);
    }

    /** Sets the gradients to their sum over replicas. All replicas must call it, also one without a micro-batch. */
    void reduce() {
        place.amongReplicas(context, () -> ops.allReduce(sum, gradients, 1));
        Tensor reduced = sum;
        sum = gradients;
        gradients = reduced;
    }

    /** Prepares for another micro-batch after {@link #reduce}: replica 0 keeps the sum, the others start from zeros. */
    void goOn() {
        if (place.replica() > 0) {
            zeroGradients();
        }
    }

    /** Sums the gradients of {@link Region#SHARED} over the ranks that have the same tensors. */
    void completeShared() {
        if (shared != null) {
            shared.complete(region(Region.SHARED));
        }
    }

    private Tensor region(Region region) {
        return gradients.slice(layout.begin(region), layout.size(region));
    }

    /** This rank's part of the squared gradient norm of a sharded model. */
    double squares() {
        double total = square(Region.OWN);
        if (shared != null && shared.first()) {
            total += square(Region.SHARED);
        }
        return place.shard().index() == 0 ? total + square(Region.WHOLE) : total;
    }

    private double square(Region region) {
        Tensor part = region(region);
        if (part.elements() == 0) {
            return 0;
        }
        ops.gradientNorm(norm, part);
        double root = context.readFloats(norm)[0];
        return root * root;
    }

    /**
     * Clips the gradients to maxGradNorm (0: no clipping) and takes one AdamW step.
     *
     * @param step  from 1
     * @param steps number of steps of the run, for the learning rate schedule
     * @return the gradient norm before clipping
     */
    public float step(OptimizerConfig config, int step, int steps) {
        ops.gradientNorm(norm, gradients);
        clipAndStep(config, step, steps);
        return context.readFloats(norm)[0];
    }

    /** As above, with a given gradient norm: that of all shards. */
    void step(OptimizerConfig config, int step, int steps, float ofAll) {
        context.write(norm, ofAll);
        clipAndStep(config, step, steps);
    }

    private void clipAndStep(OptimizerConfig config, int step, int steps) {
        long last = Math.min(end, layout.elements);
        if (config.maxGradNorm() > 0 && last > begin) {
            ops.gradientClip(gradients.slice(begin, last - begin), norm, (float) config.maxGradNorm());
        }
        double rate = config.learningRate(step, steps);
        adamw(begin, Math.min(last, layout.decayed), step, config.coefficients(rate, true));
        adamw(Math.max(begin, layout.decayed), last, step, config.coefficients(rate, false));
        if (end - begin < values.elements()) {
            place.amongReplicas(context, () -> ops.allGather(values, values.slice(begin, end - begin)));
        }
    }

    private void adamw(long from, long to, int step, Ops.AdamW coefficients) {
        if (to > from) {
            List<Tensor> parts = new ArrayList<>();
            for (Tensor flat : List.of(firstMoments, secondMoments)) {
                parts.add(flat.slice(from - begin, to - from));
            }
            ops.adamw(values.slice(from, to - from), parts.get(0), parts.get(1), gradients.slice(from, to - from), step,
                    coefficients);
        }
    }
}
