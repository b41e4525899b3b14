package org.ingrain.sample;

import java.util.List;
import org.ingrain.sample.step.StepPlan;

/**
 * A plan and the recipients of its results.
 *
 * @param plan   the plan to enqueue
 * @param drawn  the sequence of each draw
 * @param scored the prompt tokens that each score belongs to
 */
record PlannedStep(StepPlan plan, List<Sequence> drawn, List<Scored> scored) {
    /** Prompt tokens to score: {@code count} tokens from position {@code from} on. */
    record Scored(Ticket ticket, int from, int count) {
    }
}
