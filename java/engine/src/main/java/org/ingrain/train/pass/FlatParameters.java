package org.ingrain.train.pass;

import java.util.ArrayList;
import java.util.List;
import org.ingrain.ffi.Allocator;
import org.ingrain.ffi.Context;
import org.ingrain.ops.AdamW;
import org.ingrain.ops.Ops;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.Tensor;

/**
 * The trained parameters of a rank in flat F32 memory. Values, gradients and the two moments of AdamW have n elements
 * each. A single op computes the gradient norm, another clips the gradients, and one or two ops execute the AdamW step.
 * Alignment gaps between tensors always contain zeros.
 *
 * <p>If there are several replicas, {@link #reduce} adds the gradients of all replicas. In deterministic mode, every
 * replica computes one micro-batch, and then {@link #reduce} adds the gradients in the order of the replicas. Replica 0
 * then adds the gradients of its next micro-batch to this sum, and the other replicas restart from zero. The gradients
 * g0, g1, ... of the micro-batches are therefore added in order, and the sum has the same bits for any number of
 * replicas:
 * <pre>
 *   one replica    computes g0, g1, g2, g3                        sum ((g0 + g1) + g2) + g3
 *   two replicas   replica 0 computes g0, replica 1 computes g1   s = g0 + g1
 *                  replica 0 computes g2, replica 1 computes g3   sum (s + g2) + g3
 * </pre>
 * Without deterministic mode, the gradients are added once per step. A replica that stores the moments of only one
 * slice then needs only the sum of this slice ({@link #scatters}).
 *
 * <p>If the model is sharded, the tensors are divided into three {@link Region}s.
 */
public final class FlatParameters {
    private final Context context;
    private final Ops ops;
    private final TrainingPlace place;
    private final Layout layout;
    private final Tensor values;
    private Tensor gradients;
    /**
     * Result of the sum over replicas, with shape (n), or (slice) if {@link #scatters}; null if there is only one
     * replica.
     */
    private Tensor sum;
    /**
     * The gradients, followed by zeros that make all slices equally long, with shape (slices·slice); null unless {@link
     * #scatters}.
     */
    private final Tensor padded;
    private final Tensor firstMoments;
    private final Tensor secondMoments;
    /** Range of the elements whose moments this rank stores: all elements, or the slice of this rank's replica. */
    private final long begin;
    private final long end;
    private final Tensor norm;
    private final SharedGradients shared;

    /**
     * Position of a tensor in the flat memory.
     *
     * @param offset index of the tensor's first element
     * @param shape  shape of the tensor, row-major
     */
    record Slot(long offset, long... shape) {
    }

    /** The ranks of a sharded model that have a tensor. */
    enum Region {
        /** Only this rank. */
        OWN,
        /**
         * Several consecutive ranks with the same key-value head. Each of these ranks computes a part of the gradient.
         */
        SHARED,
        /** Every rank. All ranks compute the same gradient. */
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

        /** @param sharers number of ranks that have the same {@link Region#SHARED} tensors */
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

        /** Ends a region. The tensors that are added later belong to the following regions. */
        void endRegion(Region region) {
            ends[region.ordinal()] = elements;
        }

        /**
         * Weight decay applies to all tensors that were added before this call, and not to tensors that are added
         * later.
         */
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
     * @param sharded whether the moments are sharded over the replicas (ZeRO-1, arXiv:1910.02054). If true, each
     *                replica stores the moments of only one slice and updates only this slice; then the replicas
     *                all-gather the values. If false, every replica stores all moments and updates all values
     */
    FlatParameters(Allocator memory, Layout layout, TrainingPlace place, boolean sharded) {
        context = memory.context();
        ops = new Ops(context);
        this.layout = layout;
        this.place = place;
        int slices = sharded ? place.replicas() : 1;
        long slice = Layout.aligned(Math.ceilDiv(layout.elements, slices));
        values = memory.allocateZero(DType.F32, slice * slices);
        boolean scatters = slices > 1 && !context.deterministic();
        padded = scatters ? memory.allocateZero(DType.F32, slice * slices) : null;
        gradients = scatters ? padded.slice(0, layout.elements) : memory.allocateZero(DType.F32, layout.elements);
        sum = place.replicas() == 1 ? null : memory.allocate(DType.F32, scatters ? slice : layout.elements);
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

    /** Registers the buffers that collectives reduce and gather, so that the collectives use these buffers in place. */
    private void shareAmongReplicas(boolean sharded) {
        context.share(padded == null ? gradients : padded);
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

    /** Returns the values (n), this rank's slice of the first moments, and this rank's slice of the second moments. */
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

    /** The gradients (n). */
    Tensor gradients() {
        return gradients;
    }

    public void zeroGradients() {
        context.fillZero(gradients);
    }

    /**
     * Whether {@link #reduce} sums only this replica's slice of the gradients. If true, the caller must sum the squared
     * gradient norms of all slices.
     */
    boolean scatters() {
        return padded != null;
    }

    /**
     * Computes the sum of the gradients over replicas. All replicas must call this method, even if they had no
     * micro-batch.
     */
    void reduce() {
        if (scatters()) {
            place.amongReplicas(context, () -> ops.reduceScatter(sum, padded, 1));
            return;
        }
        place.amongReplicas(context, () -> ops.allReduce(sum, gradients, 1));
        Tensor reduced = sum;
        sum = gradients;
        gradients = reduced;
    }

    /**
     * Prepares for another micro-batch after {@link #reduce}. Replica 0 keeps the sum; the others set their gradients
     * to 0.
     */
    void goOn() {
        if (place.replica() > 0) {
            zeroGradients();
        }
    }

    /** Replaces the gradients of {@link Region#SHARED} by their sum over the ranks that have the same tensors. */
    void completeShared() {
        if (shared != null) {
            shared.complete(region(Region.SHARED));
        }
    }

    private Tensor region(Region region) {
        return gradients.slice(layout.begin(region), layout.size(region));
    }

    /**
     * This rank's part of the squared gradient norm. If {@link #scatters} is true, the caller sums the parts of all
     * replicas; otherwise it sums the parts of all ranks of one replica.
     */
    double squares() {
        if (scatters()) {
            return square(sum);
        }
        double total = square(region(Region.OWN));
        if (shared != null && shared.first()) {
            total += square(region(Region.SHARED));
        }
        return place.shard().index() == 0 ? total + square(region(Region.WHOLE)) : total;
    }

    private double square(Tensor part) {
        if (part.elements() == 0) {
            return 0;
        }
        ops.gradientNorm(norm, part);
        double root = context.readFloats(norm)[0];
        return root * root;
    }

    /**
     * Clips the gradients to {@code config.maxGradNorm()}, unless this is 0, and executes one AdamW step.
     *
     * @param step  number of the step, from 1
     * @param steps number of steps of the run, for the learning rate schedule
     * @return the gradient norm before clipping
     */
    public float step(OptimizerConfig config, int step, int steps) {
        ops.gradientNorm(norm, gradients);
        clipAndStep(config, step, steps);
        return context.readFloats(norm)[0];
    }

    /** Clips the gradients and executes one AdamW step. {@code ofAll} is the norm over all ranks or slices. */
    void step(OptimizerConfig config, int step, int steps, float ofAll) {
        context.write(norm, ofAll);
        clipAndStep(config, step, steps);
    }

    private void clipAndStep(OptimizerConfig config, int step, int steps) {
        long last = Math.min(end, layout.elements);
        if (config.maxGradNorm() > 0 && last > begin) {
            ops.gradientClip(reduced(begin, last), norm, (float) config.maxGradNorm());
        }
        double rate = config.learningRate(step, steps);
        adamw(begin, Math.min(last, layout.decayed), step, config.coefficients(rate, true));
        adamw(Math.max(begin, layout.decayed), last, step, config.coefficients(rate, false));
        if (end - begin < values.elements()) {
            place.amongReplicas(context, () -> ops.allGather(values, values.slice(begin, end - begin)));
        }
    }

    private void adamw(long from, long to, int step, AdamW coefficients) {
        if (to > from) {
            List<Tensor> parts = new ArrayList<>();
            for (Tensor flat : List.of(firstMoments, secondMoments)) {
                parts.add(flat.slice(from - begin, to - from));
            }
            ops.adamw(values.slice(from, to - from), parts.get(0), parts.get(1), reduced(from, to), step, coefficients);
        }
    }

    /** Returns the summed gradients of the elements [from, to), which must be in this replica's slice. */
    private Tensor reduced(long from, long to) {
        return scatters() ? sum.slice(from - begin, to - from) : gradients.slice(from, to - from);
    }
}
