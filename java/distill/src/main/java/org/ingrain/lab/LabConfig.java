package org.ingrain.lab;

import org.ingrain.tensor.InputException;

/**
 * How the lab model is made.
 *
 * @param course       what it is taught
 * @param seed         of the corpus, the first weights and the order of rows
 * @param rows         of the corpus
 * @param batchSize    rows of a step
 * @param learningRate after the warm-up
 * @param checkEvery   steps between two looks at the development questions
 * @param questions    of each kind that are looked at
 * @param test         of each kind that the finished model is asked
 * @param chosenAt     share of right answers by the method, of every kind, at whose first sight training ends
 */
public record LabConfig(Course course, long seed, int rows, int batchSize, double learningRate, int checkEvery,
        int questions, int test, double chosenAt) {
    public LabConfig {
        if (rows < batchSize || batchSize < 1 || checkEvery < 1 || questions < 1 || test < 1) {
            throw new InputException("lab: " + rows + " rows, batches of " + batchSize + ", a look every " + checkEvery
                    + " steps at " + questions
                    + " questions; expected 1 or more of each and a batch at least");
        }
        if (!(chosenAt > 0 && chosenAt <= 1)) {
            throw new InputException("lab: chosen at " + chosenAt + ", expected more than 0 and at most 1");
        }
    }

    /** The recipe. */
    public static LabConfig of(Course course, long seed) {
        return new LabConfig(course, seed, course.rows(), 16, course.learningRate(), 100, 100, 300, 0.95);
    }

    int steps() {
        return rows / batchSize;
    }
}
