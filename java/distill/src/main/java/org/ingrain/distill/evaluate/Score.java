package org.ingrain.distill.evaluate;

import com.fasterxml.jackson.annotation.JsonInclude;
import java.util.List;
import org.ingrain.distill.curate.Ballot;

/**
 * The score of an arm on one question in one order.
 *
 * @param given      id of the question in the given order, if this is another order; else null
 * @param category   category of the question, or null
 * @param references votes of humans or of other judges
 * @param answer     the answer with the most votes (usually the only one); null if there is none
 * @param verdict    the answer's key in terms of the given order; null if there is no answer
 * @param tokens     tokens generated for this question, including intermediate steps
 * @param votes      majority votes of the first answers, if {@link EvaluateConfig#votes} asks for them
 */
public record Score(String id, String given, String question, String gold, String category, List<String> references,
        String answer, String verdict, boolean right, int tokens,
        @JsonInclude(JsonInclude.Include.NON_EMPTY) List<Vote> votes, List<Ballot.Answer> answers) {
    /**
     * The majority vote of the first answers.
     *
     * @param k      number of answers that vote
     * @param answer the answer with the most votes, the earlier one of equals; null if there is none
     */
    public record Vote(int k, String answer, boolean right) {
    }

    public Score {
        references = references == null ? List.of() : references;
        votes = votes == null ? List.of() : votes;
    }

    /** The id of the question, the same in all orders. */
    String asked() {
        return given == null ? id : given;
    }
}
