package org.ingrain.distill.curate;

import com.fasterxml.jackson.annotation.JsonProperty;
import org.ingrain.distill.method.Method;

/** The text that the student is trained to generate. It never contains the texts of the intermediate steps. */
public enum Target {
    /** The bare answer. */
    @JsonProperty("answer") ANSWER,
    /** The whole text of the last step, from the first sample that gave the label. */
    @JsonProperty("response") RESPONSE;

    /** The training target for an answer; an empty text if the answer gives no target. */
    String text(Ballot.Answer answer, Method method) {
        String text = this == ANSWER ? answer.answer() : method.withoutThoughts(answer.text()).orElse("").strip();
        return text == null ? "" : text;
    }
}
