package org.ingrain.sample.step;

import java.util.stream.Stream;
import org.ingrain.ffi.Allocator;
import org.ingrain.model.Step;
import org.ingrain.tensor.DType;
import org.ingrain.tensor.Staging;
import org.ingrain.tensor.Tensor;

/** The device memory that steps need in addition to model and cache: small input arrays, token ids and results. */
public final class StepBuffers {
    final Step.Limits limits;
    final int maxInFlight;
    final Staging staging;
    final Step step;
    final Draws draws;

    /**
     * @param limits      the largest step
     * @param maxInFlight maximum number of steps that are enqueued but not yet read
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

    /** Reserves an array of n block numbers. The numbers are alternately the source and the destination of a copy. */
    static Tensor reserveCopies(Staging staging, long n) {
        return staging.reserve(DType.I32, n);
    }
}
