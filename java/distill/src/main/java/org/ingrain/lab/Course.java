package org.ingrain.lab;

import com.fasterxml.jackson.annotation.JsonProperty;
import java.util.Arrays;
import java.util.List;

/** What a lab model is taught: models/lab one thing, the model of the step-by-step experiment another. */
public enum Course {
    @JsonProperty("letters-and-coins") LETTERS_AND_COINS,
    @JsonProperty("sums") SUMS;

    List<Skill> skills() {
        return Arrays.stream(Skill.values()).filter(skill -> skill.course() == this).toList();
    }

    /** What is asked of a model of this course. */
    List<LabQuestions.Kind> kinds() {
        return Arrays.stream(LabQuestions.Kind.values()).filter(kind -> kind.course() == this).toList();
    }
}
