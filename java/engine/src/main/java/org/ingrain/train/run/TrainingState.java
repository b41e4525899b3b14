package org.ingrain.train.run;

import tools.jackson.databind.PropertyNamingStrategies;
import tools.jackson.databind.annotation.JsonNaming;

/**
 * Where a run stands after a step; with parameters and moments, all that going on needs. The place in the data is the
 * step's number.
 *
 * @param step         done, from 1; 0 at the start
 * @param firstLoss    of step 1
 * @param lastLoss     of this step
 * @param bestStep     with the lowest validation loss so far; 0 for none
 * @param bestLoss     of bestStep, or null
 * @param metricsBytes length of metrics.jsonl
 */
@JsonNaming(PropertyNamingStrategies.SnakeCaseStrategy.class)
public record TrainingState(int step, double firstLoss, double lastLoss, int bestStep, Double bestLoss,
        long metricsBytes) {
    public static final TrainingState START = new TrainingState(0, 0, 0, 0, null, 0);

    public TrainingState trained(int next, double loss) {
        return new TrainingState(next, next == 1 ? loss : firstLoss, loss, bestStep, bestLoss, metricsBytes);
    }

    /** The first of equally good steps stays the best. */
    public TrainingState validated(double loss) {
        return bestLoss != null && bestLoss <= loss ? this : new TrainingState(
                step, firstLoss, lastLoss, step, loss, metricsBytes);
    }

    public TrainingState written(long bytes) {
        return new TrainingState(step, firstLoss, lastLoss, bestStep, bestLoss, bytes);
    }
}
