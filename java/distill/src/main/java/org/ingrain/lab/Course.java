package org.ingrain.lab;

import com.fasterxml.jackson.annotation.JsonProperty;
import java.util.Arrays;
import java.util.List;

/**
 * The tasks in the training data of a lab model ({@link Corpus}). models/lab was trained on {@link #LETTERS_AND_COINS}.
 * The trials of training in stages in benchmarks/LOG.md use {@link #SUMS}.
 */
public enum Course {
    @JsonProperty("letters-and-coins") LETTERS_AND_COINS(25_600, 2.5e-3),
    @JsonProperty("sums") SUMS(40_000, 1e-3);

    private final int rows;
    private final double learningRate;

    Course(int rows, double learningRate) {
        this.rows = rows;
        this.learningRate = learningRate;
    }

    /** Number of rows of the corpus. */
    int rows() {
        return rows;
    }

    /**
     * Learning rate after the warm-up. The learning rate of {@link #LETTERS_AND_COINS} is too high for {@link #SUMS}.
     */
    double learningRate() {
        return learningRate;
    }

    List<Skill> skills() {
        return Arrays.stream(Skill.values()).filter(skill -> skill.course() == this).toList();
    }

    /** The kinds of questions for a model that is trained with this course. */
    List<LabQuestions.Kind> kinds() {
        return Arrays.stream(LabQuestions.Kind.values()).filter(kind -> kind.course() == this).toList();
    }
}
