package org.ingrain.train.pass;

import java.util.ArrayList;
import java.util.List;
import org.ingrain.ffi.Allocator;
import org.ingrain.ffi.Context;
import org.ingrain.ops.Ops;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.Tensor;

/**
 * Everything that is trained, end to end in flat F32 memory: values, gradients and the two moments of AdamW, each (n),
 * so that one call takes the norm, one clips and one or two step. Gaps between pieces hold zeros for ever.
 */
public final class FlatParameters {
    private final Context context;
    private final Ops ops;
    private final Tensor values;
    private final Tensor gradients;
    private final Tensor firstMoments;
    private final Tensor secondMoments;
    private final Tensor norm;
    private final long decayed;

    /**
     * A piece of the flat memory.
     *
     * @param offset of its first element
     * @param shape  row-major
     */
    record Slot(long offset, long... shape) {
    }

    /** Places pieces one after another. */
    static final class Layout {
        /** 64 bytes: what ops expect of a tensor's first element. */
        private static final long ALIGNMENT = 16;
        private long elements;
        private long decayed;

        Slot add(long... shape) {
            Slot slot = new Slot(elements, shape);
            elements += Math.ceilDiv(Tensor.unallocated(DType.F32, shape).elements(), ALIGNMENT) * ALIGNMENT;
            return slot;
        }

        /** Weight decay applies to what was added up to here. */
        void endDecayed() {
            decayed = elements;
        }
    }

    FlatParameters(Allocator memory, Layout layout) {
        context = memory.context();
        ops = new Ops(context);
        decayed = layout.decayed;
        values = memory.allocateZero(DType.F32, layout.elements);
        gradients = memory.allocateZero(DType.F32, layout.elements);
        firstMoments = memory.allocateZero(DType.F32, layout.elements);
        secondMoments = memory.allocateZero(DType.F32, layout.elements);
        norm = memory.allocateZero(DType.F32, 1);
    }

    Tensor value(Slot slot) {
        return piece(values, slot);
    }

    Tensor gradient(Slot slot) {
        return piece(gradients, slot);
    }

    private static Tensor piece(Tensor flat, Slot slot) {
        long n = Tensor.unallocated(DType.F32, slot.shape()).elements();
        return flat.slice(slot.offset(), n).view(slot.shape());
    }

    /** What a checkpoint keeps: values and both moments. */
    public List<Tensor> state() {
        return List.of(values, firstMoments, secondMoments);
    }

    /** (n). */
    Tensor gradients() {
        return gradients;
    }

    public void zeroGradients() {
        context.fillZero(gradients);
    }

    /**
     * Clips the gradients to maxGradNorm (0: not at all) and takes one AdamW step, counted from 1; returns the norm
     * before clipping.
     */
    public float step(OptimizerConfig config, int step, int steps) {
        ops.gradientNorm(norm, gradients);
        if (config.maxGradNorm() > 0) {
            ops.gradientClip(gradients, norm, (float) config.maxGradNorm());
        }
        double rate = config.learningRate(step, steps);
        adamw(0, decayed, step, config.coefficients(rate, true));
        adamw(decayed, values.elements(), step, config.coefficients(rate, false));
        return context.readFloats(norm)[0];
    }

    private void adamw(long begin, long end, int step, Ops.AdamW coefficients) {
        if (end > begin) {
            List<Tensor> parts = new ArrayList<>();
            for (Tensor flat : List.of(values, firstMoments, secondMoments, gradients)) {
                parts.add(flat.slice(begin, end - begin));
            }
            ops.adamw(parts.get(0), parts.get(1), parts.get(2), parts.get(3), step, coefficients);
        }
    }
}
