package org.ingrain.sample.step;

import java.util.stream.Stream;
import org.ingrain.ffi.Allocator;
import org.ingrain.model.Step;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.Staging;
import org.ingrain.tensor.Tensor;

/** Device memory for steps, in addition to the model and the cache: small input arrays, token ids and results. */
public final class StepBuffers {
    final Step.Limits limits;
    final int maxInFlight;
    final Staging staging;
    final Step step;
    final Draws draws;

    /**
     * @param limits      limits of a step
     * @param maxInFlight maximum number of enqueued steps whose results are unread
     */
    public StepBuffers(Allocator allocator, Step.Limits limits, int vocabSize, int maxInFlight) {
        this.limits = limits;
        this.maxInFlight = maxInFlight;
        long bytes = Staging.bytes(largest -> {
            Step.reserve(largest, limits);
            Draws.reserve(largest, limits);
            reserveCopies(largest, 2L * limits.sequences());
        });
        staging = new Staging(allocator.allocate(DType.I32, bytes / Integer.BYTES),
                Stream.generate(() -> allocator.hostAllocate(bytes)).limit(maxInFlight + 1).toList());
        staging.clear();
        step = new Step(allocator, limits, staging);
        draws = new Draws(allocator, staging, limits, vocabSize);
    }

    /** Reserves an array of n block numbers, which are alternately the source and the destination of a copy. */
    static Tensor reserveCopies(Staging staging, long n) {
        return staging.reserve(DType.I32, n);
    }
}
