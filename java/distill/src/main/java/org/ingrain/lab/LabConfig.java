package org.ingrain.lab;

import org.ingrain.tensor.InputException;

/**
 * Settings of a lab model.
 *
 * @param course       tasks of the corpus
 * @param seed         seed of the corpus, the initial weights and the order of the rows
 * @param rows         number of rows of the corpus
 * @param batchSize    rows per step
 * @param learningRate learning rate after the warm-up
 * @param checkEvery   steps between two evaluations on the development questions
 * @param questions    number of development questions of each kind
 * @param test         number of test questions of each kind, for the finished model
 * @param chosenAt     training ends when the share of right answers with the method first reaches this value for every
 *                     kind
 */
public record LabConfig(Course course, long seed, int rows, int batchSize, double learningRate, int checkEvery,
        int questions, int test, double chosenAt) {
    public LabConfig {
        if (rows < batchSize || batchSize < 1 || checkEvery < 1 || questions < 1 || test < 1) {
            throw new InputException("lab: " + rows + " rows, batches of " + batchSize + ", an evaluation every "
                    + checkEvery + " steps on " + questions
                    + " questions; expected 1 or more of each, and at least one full batch");
        }
        if (!(chosenAt > 0 && chosenAt <= 1)) {
            throw new InputException("lab: chosen at " + chosenAt + ", expected more than 0 and at most 1");
        }
    }

    /** The settings with which models/lab was trained, for a course and a seed. */
    public static LabConfig of(Course course, long seed) {
        return new LabConfig(course, seed, course.rows(), 16, course.learningRate(), 100, 100, 300, 0.95);
    }

    int steps() {
        return rows / batchSize;
    }
}
