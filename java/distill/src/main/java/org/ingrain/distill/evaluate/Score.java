package org.ingrain.distill.evaluate;

import com.fasterxml.jackson.annotation.JsonInclude;
import java.util.List;
import org.ingrain.distill.curate.Ballot;

/**
 * One question of an arm, in one order.
 *
 * @param given      the id of the question in the order given, where options or responses are in another one; else null
 * @param category   of the question, or null
 * @param references votes of humans or of other judges
 * @param answer     the most voted, of one vote as a rule; null if there was none
 * @param verdict    the answer's key as it would be in the order given; null if there was none
 * @param tokens     generated for this question, intermediate ones included
 * @param votes      the same of its first answers alone, where that is asked for
 */
public record Score(String id, String given, String question, String gold, String category, List<String> references,
        String answer, String verdict, boolean right, int tokens,
        @JsonInclude(JsonInclude.Include.NON_EMPTY) List<Vote> votes, List<Ballot.Answer> answers) {
    /**
     * The majority of the first answers.
     *
     * @param k      answers that vote
     * @param answer the most voted, among equals the one that came first; null if there was none
     */
    public record Vote(int k, String answer, boolean right) {
    }

    public Score {
        references = references == null ? List.of() : references;
        votes = votes == null ? List.of() : votes;
    }

    /** The question's id, whatever the order. */
    String asked() {
        return given == null ? id : given;
    }
}
