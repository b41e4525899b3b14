package org.ingrain.train.run;

import org.ingrain.tensor.Require;
import tools.jackson.databind.PropertyNamingStrategies;
import tools.jackson.databind.annotation.JsonNaming;

/**
 * The state of a run after a step, stored as state.json. A run resumes from state.json and state.bin. The step number
 * determines the position in the data.
 *
 * @param step         last finished step, from 1; 0 at the start
 * @param firstLoss    training loss of step 1
 * @param lastLoss     training loss of this step
 * @param bestStep     step with the lowest validation loss so far; 0 for none
 * @param bestLoss     validation loss of {@code bestStep}; null if {@code bestStep} is 0
 * @param metricsBytes length of metrics.jsonl in bytes
 */
@JsonNaming(PropertyNamingStrategies.SnakeCaseStrategy.class)
public record TrainingState(int step, double firstLoss, double lastLoss, int bestStep, Double bestLoss,
        long metricsBytes) {
    public TrainingState {
        Require.atLeast(0, "step", step);
        Require.that(bestStep >= 0 && bestStep <= step, "best_step", bestStep, "0 to step " + step);
        Require.that((bestStep == 0) == (bestLoss == null), "best_loss", bestLoss, "a number if best_step is not 0");
        Require.that(metricsBytes >= 0, "metrics_bytes", metricsBytes, "0 or more");
    }

    public static final TrainingState START = new TrainingState(0, 0, 0, 0, null, 0);

    /** Returns the state after the next step. */
    public TrainingState trained(int next, double loss) {
        return new TrainingState(next, next == 1 ? loss : firstLoss, loss, bestStep, bestLoss, metricsBytes);
    }

    /**
     * Returns the state after a validation of this step. If several steps have the lowest loss, {@code bestStep} is the
     * earliest of them.
     */
    public TrainingState validated(double loss) {
        return bestLoss != null && bestLoss <= loss ? this : new TrainingState(
                step, firstLoss, lastLoss, step, loss, metricsBytes);
    }

    /** Returns a copy of this state after a write to metrics.jsonl, which now has {@code bytes} bytes. */
    public TrainingState written(long bytes) {
        return new TrainingState(step, firstLoss, lastLoss, bestStep, bestLoss, bytes);
    }
}
