package org.ingrain.sample;

import java.util.List;
import org.ingrain.sample.step.StepPlan;

/**
 * A plan, and what its results are for.
 *
 * @param plan   to enqueue
 * @param drawn  the sequence of each draw
 * @param scored what each score is for
 */
record PlannedStep(StepPlan plan, List<Sequence> drawn, List<Scored> scored) {
    /** Log-probabilities of {@code count} prompt tokens from position {@code from} on. */
    record Scored(Ticket ticket, int from, int count) {
    }
}
