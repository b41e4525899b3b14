package org.ingrain.sample;

import java.util.List;
import org.ingrain.sample.step.StepPlan;

/**
 * A plan, together with the sequences and the tickets that receive the results of the plan.
 *
 * @param plan   the plan to enqueue
 * @param drawn  the sequence to which each draw belongs, in the order of the plan's draws
 * @param scored the prompt tokens to which each score belongs, in the order of the plan's scores
 */
record PlannedStep(StepPlan plan, List<Sequence> drawn, List<Scored> scored) {
    /** The prompt tokens to score. There are {@code count} tokens, starting at position {@code from}. */
    record Scored(Ticket ticket, int from, int count) {
    }
}
