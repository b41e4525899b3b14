package org.ingrain.sample;

import java.util.List;
import org.ingrain.sample.step.StepPlan;

/**
 * A plan and the recipients of the plan's results.
 *
 * @param plan   the plan to enqueue
 * @param drawn  the sequence to which each draw belongs, in the order of the plan's draws
 * @param scored the prompt tokens to which each score belongs, in the order of the plan's scores
 */
record PlannedStep(StepPlan plan, List<Sequence> drawn, List<Scored> scored) {
    /** Prompt tokens to score: {@code count} tokens from position {@code from} on. */
    record Scored(Ticket ticket, int from, int count) {
    }
}
