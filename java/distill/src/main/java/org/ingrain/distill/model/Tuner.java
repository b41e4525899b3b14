package org.ingrain.distill.model;

import java.nio.file.Path;
import org.ingrain.distill.run.Progress;
import org.ingrain.tensor.Require;

/** Trains students. One implementation uses the engine's trainer; tests use other implementations. */
public interface Tuner {
    /**
     * Trains a student on its rows, or resumes an interrupted training. The result files depend only on the job and the
     * settings of the tuner, not on interruptions.
     */
    Tuned tune(Job job, Progress progress);

    /** Number of tokens of a row after the chat template is applied. A row may be too long for training. */
    int tokens(TrainingRow row);

    /** Number of tokens of a text without the chat template, plus one for the end token. */
    int tokens(String text);

    /** Maximum number of tokens of a row that can be used for training. */
    int longest();

    /** Whether a row is short enough for training. */
    default boolean fits(TrainingRow row) {
        return tokens(row) <= longest();
    }

    /**
     * The input and output of one training.
     *
     * @param train      JSONL file of {@link TrainingRow}s
     * @param validation file of validation rows in the same format; it may be empty
     * @param folder     folder for checkpoints and the result; only this training writes to it
     * @param stage      name of the stage in progress lines
     * @param from       folder of the adapter or of the model that the training starts from; null: the training starts
     *                   from the base model, with a new adapter unless all weights are trained
     */
    record Job(Path train, Path validation, Path folder, String stage, Path from) {
    }

    /**
     * The result of a training, for the report.
     *
     * @param adapter        path of the folder of the adapter or of the whole model, relative to the job's folder
     * @param rows           number of training rows
     * @param steps          number of optimizer steps
     * @param firstLoss      mean loss per target token in the first step
     * @param lastLoss       mean loss per target token in the last step
     * @param validationLoss loss of the exported weights on the validation rows; null if there are no validation rows
     */
    record Tuned(String adapter, int rows, int steps, double firstLoss, double lastLoss, Double validationLoss) {
        public Tuned {
            Require.present("adapter", adapter);
        }
    }
}
