package org.ingrain.distill.model;

import java.nio.file.Path;
import org.ingrain.distill.run.Progress;

/** What the distillation needs of training. The engine's trainer is one; tests have another. */
public interface Tuner {
    /**
     * Trains an adapter on a student's rows, or continues a training that was killed. The adapter's files depend on the
     * job and the tuner's own settings only, not on how often the training was interrupted.
     */
    Tuned tune(Job job, Progress progress);

    /** Tokens of a row after the chat template, of any length. */
    int tokens(TrainingRow row);

    /** The most tokens of a row that can be trained on. */
    int longest();

    /** Whether a row is short enough to be trained on. */
    default boolean fits(TrainingRow row) {
        return tokens(row) <= longest();
    }

    /**
     * What to train on.
     *
     * @param train      JSONL of {"prompt": messages, "completion": text}
     * @param validation the same, to validate on; may be empty
     * @param folder     the tuner's own, for checkpoints and for the adapter
     * @param stage      name of the stage, for the progress
     * @param from       folder of the adapter to start from, or null for a new one
     */
    record Job(Path train, Path validation, Path folder, String stage, Path from) {
    }

    /**
     * The result of a training, for the report.
     *
     * @param adapter        name of the adapter's folder in the job's folder
     * @param rows           trained on
     * @param steps          of the optimizer
     * @param firstLoss      mean loss of a target token in the first step
     * @param lastLoss       in the last
     * @param validationLoss of the weights that were chosen, or null without validation rows
     */
    record Tuned(String adapter, int rows, int steps, double firstLoss, double lastLoss, Double validationLoss) {
    }
}
