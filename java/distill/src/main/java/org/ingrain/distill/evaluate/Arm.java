package org.ingrain.distill.evaluate;

import com.fasterxml.jackson.annotation.JsonProperty;
import org.ingrain.distill.method.Method;
import org.ingrain.distill.model.ModelState;

/**
 * One row of the table: a way of asking, and who is asked.
 *
 * @param name  of its folder
 * @param title in the table
 */
public record Arm(Role role, String name, String title, Method method, ModelState weights) {
    /**
     * What an arm shows. Where a distillation has several rounds, each of them has a System 2 and a distilled model.
     */
    public enum Role {
        /** The model as it is, asked directly. */
        @JsonProperty("system-1") SYSTEM_1,
        /** The teacher, asked by the method that is distilled. */
        @JsonProperty("system-2") SYSTEM_2,
        /** The model as it is, asked by another method. */
        @JsonProperty("baseline") BASELINE,
        /** {@link Control#DISTILLED_SYSTEM_1}. */
        @JsonProperty("distilled-system-1") DISTILLED_SYSTEM_1,
        /** {@link Control#UNFILTERED}. */
        @JsonProperty("unfiltered") UNFILTERED,
        /** The student that the distillation is for, asked directly. */
        @JsonProperty("distilled") DISTILLED,
        /** Evaluated on its own, beside no other. */
        @JsonProperty("single") SINGLE
    }

    /** An arm that is evaluated on its own. */
    public static Arm single(String name, String title, Method method, ModelState weights) {
        return new Arm(Role.SINGLE, name, title, method, weights);
    }
}
