package org.ingrain.lab;

import org.ingrain.tensor.InputException;

/**
 * Settings of a lab model.
 *
 * @param course       the kinds of tasks of which the corpus consists
 * @param seed         seed of the corpus, of the initial weights and of the order of the rows
 * @param rows         number of rows of the corpus
 * @param batchSize    number of rows per optimizer step
 * @param learningRate learning rate after the warm-up
 * @param checkEvery   number of steps between two evaluations on the development questions
 * @param questions    number of development questions of each kind
 * @param test         number of test questions of each kind, for the trained model
 * @param chosenAt     share of right answers at which the training ends, more than 0 and at most 1. Each kind of
 *                     question is evaluated with the method for that kind, and all kinds must reach this share
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

    /**
     * The default settings for a course (the kinds of tasks in the corpus) and a seed. models/lab was trained with
     * these settings.
     */
    public static LabConfig of(Course course, long seed) {
        return new LabConfig(course, seed, course.rows(), 16, course.learningRate(), 100, 100, 300, 0.95);
    }

    int steps() {
        return rows / batchSize;
    }
}
