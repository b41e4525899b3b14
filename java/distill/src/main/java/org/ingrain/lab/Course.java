package org.ingrain.lab;

import com.fasterxml.jackson.annotation.JsonProperty;
import java.util.Arrays;
import java.util.List;

/** What a lab model is taught: models/lab one thing, the model of the step-by-step experiment another. */
public enum Course {
    @JsonProperty("letters-and-coins") LETTERS_AND_COINS(25_600, 2.5e-3),
    @JsonProperty("sums") SUMS(40_000, 1e-3);

    private final int rows;
    private final double learningRate;

    Course(int rows, double learningRate) {
        this.rows = rows;
        this.learningRate = learningRate;
    }

    /** Of the corpus. */
    int rows() {
        return rows;
    }

    /** After the warm-up. With letters' rate sums are not learned. */
    double learningRate() {
        return learningRate;
    }

    List<Skill> skills() {
        return Arrays.stream(Skill.values()).filter(skill -> skill.course() == this).toList();
    }

    /** What is asked of a model of this course. */
    List<LabQuestions.Kind> kinds() {
        return Arrays.stream(LabQuestions.Kind.values()).filter(kind -> kind.course() == this).toList();
    }
}
