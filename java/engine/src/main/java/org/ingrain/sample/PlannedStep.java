package org.ingrain.sample;

import java.util.List;
import org.ingrain.sample.step.StepPlan;

/**
 * A plan, and the sequences and tickets that receive its results.
 *
 * @param plan   the plan to enqueue
 * @param drawn  the sequence to which each draw belongs, in the order of the plan's draws
 * @param scored the prompt tokens of each score, in the order of the plan's scores
 */
record PlannedStep(StepPlan plan, List<Sequence> drawn, List<Scored> scored) {
    /** The {@code count} prompt tokens, starting at position {@code from}, whose log-probabilities are computed. */
    record Scored(Ticket ticket, int from, int count) {
    }
}
