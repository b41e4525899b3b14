package org.ingrain.distill.evaluate;

import com.fasterxml.jackson.annotation.JsonInclude;
import java.util.List;
import org.ingrain.distill.curate.Ballot;
import org.ingrain.tensor.Require;

/**
 * The score of an arm on one question in one presentation order.
 *
 * @param given      null if this score is for the given order, which is the order in the data. Otherwise the id of the
 *                   same question in the given order
 * @param category   category of the question, or null
 * @param set        name of the test file that the question is from; null if there is at most one test file
 * @param references reference votes of humans or of other judges
 * @param answer     the answer with the most votes; null if no text has an answer
 * @param verdict    the key of the answer, converted to the given order; null if there is no answer
 * @param tokens     number of tokens generated for this question in this presentation order, including intermediate
 *                   steps
 * @param votes      majority vote of the first k answers, for each k in {@link EvaluateConfig#votes}
 */
public record Score(String id, String given, String question, String gold, String category, String set,
        List<String> references, String answer, String verdict, boolean right, int tokens,
        @JsonInclude(JsonInclude.Include.NON_EMPTY) List<Vote> votes, List<Ballot.Answer> answers) {
    /**
     * The majority vote of the first k answers.
     *
     * @param k      number of answers that are counted as votes
     * @param answer the answer with the most votes; if several answers have equally many, the first of them; null if
     *               there is no answer
     */
    public record Vote(int k, String answer, boolean right) {
    }

    public Score {
        Require.present("id", id);
        Require.present("question", question);
        Require.present("gold", gold);
        Require.present("answers", answers);
        references = references == null ? List.of() : references;
        votes = votes == null ? List.of() : votes;
        Require.present("references", references);
        Require.present("votes", votes);
    }

    /** The id of the question in the given order. It is the same for all presentation orders of a question. */
    String asked() {
        return given == null ? id : given;
    }
}
