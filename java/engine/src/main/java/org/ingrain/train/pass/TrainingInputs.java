package org.ingrain.train.pass;

import org.ingrain.ffi.Allocator;
import org.ingrain.ffi.Context;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.Tensor;
import org.ingrain.train.data.MicroBatch;
import org.ingrain.train.data.MicroBatchLimits;

/** The integer inputs of a micro-batch on the device, in memory that is allocated once for the largest micro-batch. */
final class TrainingInputs {
    private final Context context;
    private final MicroBatchLimits limits;
    private final Tensor ids;
    private final Tensor positions;
    private final Tensor offsets;
    private final Tensor targetRows;
    private final Tensor targets;
    private MicroBatch batch;

    TrainingInputs(Allocator memory, MicroBatchLimits limits) {
        context = memory.context();
        this.limits = limits;
        ids = memory.allocate(DType.I32, limits.tokens());
        positions = memory.allocate(DType.I32, limits.tokens());
        offsets = memory.allocate(DType.I32, limits.sequences() + 1);
        targetRows = memory.allocate(DType.I32, limits.targets());
        targets = memory.allocate(DType.I32, limits.targets());
    }

    void upload(MicroBatch next) {
        limits.require(next);
        batch = next;
        context.write(ids, batch.ids());
        context.write(positions, batch.positions());
        context.write(offsets, batch.offsets());
        context.write(targetRows, batch.targetRows());
        context.write(targets, batch.targets());
    }

    /** (T) token ids. */
    Tensor ids() {
        return ids.rows(0, batch.tokens());
    }

    /** (T) position of each token in its sequence, from 0. */
    Tensor positions() {
        return positions.rows(0, batch.tokens());
    }

    /** (S + 1) first row of each sequence; the last element is T. */
    Tensor offsets() {
        return offsets.rows(0, batch.offsets().length);
    }

    /** (M) rows that predict a target. */
    Tensor targetRows() {
        return targetRows.rows(0, batch.targetCount());
    }

    /** (M) token ids of the targets. */
    Tensor targets() {
        return targets.rows(0, batch.targetCount());
    }
}
