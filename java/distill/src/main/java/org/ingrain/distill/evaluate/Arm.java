package org.ingrain.distill.evaluate;

import com.fasterxml.jackson.annotation.JsonProperty;
import org.ingrain.distill.method.Method;
import org.ingrain.distill.model.ModelState;

/**
 * One arm of an evaluation. An arm combines a method with the weights of the model. The result table has one row for
 * each arm.
 *
 * @param name  name of the arm and of its folder
 * @param title title in the table
 */
public record Arm(Role role, String name, String title, Method method, ModelState weights) {
    /**
     * The role of an arm. A distillation with several rounds has one arm {@link #SYSTEM_2} and one arm
     * {@link #DISTILLED} per round.
     */
    public enum Role {
        /** The base model, asked the questions directly. */
        @JsonProperty("system-1") SYSTEM_1,
        /** The teacher with the method that is distilled. */
        @JsonProperty("system-2") SYSTEM_2,
        /** The base model with another method, or a teacher other than the base model, asked the questions directly. */
        @JsonProperty("baseline") BASELINE,
        /** {@link Control#DISTILLED_SYSTEM_1}. */
        @JsonProperty("distilled-system-1") DISTILLED_SYSTEM_1,
        /** {@link Control#UNFILTERED}. */
        @JsonProperty("unfiltered") UNFILTERED,
        /** The main student, asked the questions directly. */
        @JsonProperty("distilled") DISTILLED,
        /**
         * The main student, asked with the method that is distilled. This arm shows whether the student still reasons
         * if it is asked to reason.
         */
        @JsonProperty("system-2-distilled") SYSTEM_2_DISTILLED,
        /** The only arm of an {@code evaluate} run. */
        @JsonProperty("single") SINGLE
    }

    /** The only arm of an {@code evaluate} run. */
    public static Arm single(String name, String title, Method method, ModelState weights) {
        return new Arm(Role.SINGLE, name, title, method, weights);
    }
}
