package org.ingrain.train.pass;

import java.util.ArrayList;
import java.util.List;
import org.ingrain.ffi.Allocator;
import org.ingrain.ffi.Context;
import org.ingrain.ops.Ops;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.Tensor;

/**
 * Everything that a rank trains, end to end in flat F32 memory: values, gradients and the two moments of AdamW, each
 * (n), so that one call takes the norm, one clips and one or two step. Gaps between pieces hold zeros for ever.
 *
 * <p>Over several replicas {@link #reduce} adds their gradients in the order of replicas. Replica 0 keeps the sum and
 * adds its next micro-batch to it, the others begin again at zero, so that the sum is a chain over micro-batches in
 * their order, the same whatever the number of replicas:
 * <pre>
 * micro-batch       0    1    2    3         one replica    ((g0 + g1) + g2) + g3
 * of two replicas   0    1    0    1         two            s = g0 + g1, then (s + g2) + g3
 * </pre>
 * Where a rank has a share of the model alone, its pieces lie in three {@link Region}s.
 */
public final class FlatParameters {
    private final Context context;
    private final Ops ops;
    private final TrainingPlace place;
    private final Layout layout;
    private final Tensor values;
    private Tensor gradients;
    /** (n) where the sum over replicas comes to; null where there is one. */
    private Tensor sum;
    private final Tensor firstMoments;
    private final Tensor secondMoments;
    /** The elements whose moments this rank has: all, or its replica's slice. */
    private final long begin;
    private final long end;
    private final Tensor norm;
    private final SharedGradients shared;

    /**
     * A piece of the flat memory.
     *
     * @param offset of its first element
     * @param shape  row-major
     */
    record Slot(long offset, long... shape) {
    }

    /** Which of the ranks that share a model have the same piece. */
    enum Region {
        /** This rank alone. */
        OWN,
        /** A few neighbours, each with a part of its gradient: they have the same key-value head. */
        SHARED,
        /** Every rank, with the same gradient. */
        WHOLE
    }

    /** Places pieces one after another, region after region. */
    static final class Layout {
        /** 64 bytes: what ops expect of a tensor's first element. */
        static final long ALIGNMENT = 16;
        private final long[] ends = new long[Region.values().length];
        private final int sharers;
        private long elements;
        private long decayed;

        Layout() {
            this(1);
        }

        /** @param sharers how many ranks have the same piece of {@link Region#SHARED} */
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

        /** The next pieces are of the region behind this one. */
        void endRegion(Region region) {
            ends[region.ordinal()] = elements;
        }

        /** Weight decay applies to what was added up to here. */
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
     * @param sharded whether each replica has the moments of a slice alone (ZeRO-1, arXiv:1910.02054), which it steps
     *                and gives to the others; else all have all and do the same
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
        firstMoments = memory.allocateZero(DType.F32, slice);
        secondMoments = memory.allocateZero(DType.F32, slice);
        begin = slices == 1 ? 0 : place.replica() * slice;
        end = begin + slice;
        norm = memory.allocateZero(DType.F32, 1);
        shared = layout.sharers == 1 ? null
                : new SharedGradients(memory, place.shard(), layout.sharers, layout.size(Region.SHARED));
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

    /** (n) the values and each moment; of a moment this rank's slice. */
    public List<Tensor> state() {
        return List.of(values.slice(0, layout.elements), moment(firstMoments), moment(secondMoments));
    }

    private Tensor moment(Tensor slice) {
        return slice.slice(0, Math.clamp(layout.elements - begin, 0, slice.elements()));
    }

    /** The element that this rank's slice of the moments begins with. */
    long firstMoment() {
        return begin;
    }

    /** (n). */
    Tensor gradients() {
        return gradients;
    }

    public void zeroGradients() {
        context.fillZero(gradients);
    }

    /** Sets the gradients to their sum over replicas; every replica calls it, one without a micro-batch with zeros. */
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

    /** Combines the gradients of {@link Region#SHARED}, of which several ranks hold the same piece. */
    void completeShared() {
        if (shared != null) {
            shared.complete(region(Region.SHARED));
        }
    }

    private Tensor region(Region region) {
        return gradients.slice(layout.begin(region), layout.size(region));
    }

    /** This rank's part of the squared norm of the gradients of a model that several ranks share. */
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
     * Clips the gradients to maxGradNorm (0: not at all) and takes one AdamW step, counted from 1; returns the norm
     * before clipping.
     */
    public float step(OptimizerConfig config, int step, int steps) {
        ops.gradientNorm(norm, gradients);
        clipAndStep(config, step, steps);
        return context.readFloats(norm)[0];
    }

    /** The same with a norm that is known. */
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
