package org.ingrain.distill.evaluate;

import java.util.List;
import org.ingrain.distill.curate.Ballot;

/**
 * One question of an arm, in one order.
 *
 * @param id         with {@code ~1} and so on behind it where options or responses are in another order
 * @param category   of the question, or null
 * @param references votes of humans or of other judges
 * @param answer     the most voted, of one vote as a rule; null if there was none
 * @param verdict    the answer's key as it would be in the order given; null if there was none
 * @param tokens     generated for this question, intermediate ones included
 */
public record Score(String id, String question, String gold, String category, List<String> references, String answer, String verdict,
                    boolean right, int tokens, List<Ballot.Answer> answers) {
    public Score {
        references = references == null ? List.of() : references;
    }

    /** The question's id, whatever the order. */
    String group() {
        int order = id.lastIndexOf('~');
        return order < 0 ? id : id.substring(0, order);
    }
}
