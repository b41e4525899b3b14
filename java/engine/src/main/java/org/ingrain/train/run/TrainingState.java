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
 * @param bestLoss     validation loss of bestStep; null if there is no bestStep
 * @param metricsBytes length of metrics.jsonl in bytes
 */
@JsonNaming(PropertyNamingStrategies.SnakeCaseStrategy.class)
public record TrainingState(int step, double firstLoss, double lastLoss, int bestStep, Double bestLoss,
        long metricsBytes) {
    public static final TrainingState START = new TrainingState(0, 0, 0, 0, null, 0);

    public TrainingState {
        Require.that(step >= 0, "step", step, "0 or more");
        Require.that(bestStep >= 0 && bestStep <= step, "best_step", bestStep, "0 to step " + step);
        Require.that(bestStep == 0 || bestLoss != null, "best_loss", bestLoss, "the loss of best_step " + bestStep);
        Require.that(metricsBytes >= 0, "metrics_bytes", metricsBytes, "0 or more");
    }

    /** The state after the next step. */
    public TrainingState trained(int next, double loss) {
        return new TrainingState(next, next == 1 ? loss : firstLoss, loss, bestStep, bestLoss, metricsBytes);
    }

    /** The state after a validation of this step. If losses are equal, bestStep is the earliest step. */
    public TrainingState validated(double loss) {
        return bestLoss != null && bestLoss <= loss ? this : new TrainingState(
                step, firstLoss, lastLoss, step, loss, metricsBytes);
    }

    /** This state with another length of metrics.jsonl. */
    public TrainingState written(long bytes) {
        return new TrainingState(step, firstLoss, lastLoss, bestStep, bestLoss, bytes);
    }
}
