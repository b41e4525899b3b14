package org.ingrain.train.run;

import java.nio.file.Path;

/**
 * The result of a training run.
 *
 * @param result         folder of the adapter or the model
 * @param rows           number of training sequences
 * @param steps          number of finished optimizer steps
 * @param firstLoss      mean loss per target token in the first step
 * @param lastLoss       mean loss per target token in the last step
 * @param chosenStep     step whose weights are in the result: the step with the lowest validation loss, or the last
 *                       step if there is no validation
 * @param validationLoss mean validation loss per target token of the chosen step; null if there is no validation
 */
public record TrainReport(Path result, int rows, int steps, double firstLoss, double lastLoss, int chosenStep,
        Double validationLoss) {
}
