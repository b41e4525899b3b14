package org.ingrain.train.run;

import java.nio.file.Path;

/**
 * What a run made.
 *
 * @param result         the adapter's or the model's folder
 * @param rows           trained on
 * @param steps          of the optimizer
 * @param firstLoss      mean loss of a target token in the first step
 * @param lastLoss       in the last
 * @param chosenStep     whose weights the result has: the best by validation loss, or the last
 * @param validationLoss of the chosen step, or null where nothing was watched
 */
public record TrainReport(Path result, int rows, int steps, double firstLoss, double lastLoss, int chosenStep,
        Double validationLoss) {
}
