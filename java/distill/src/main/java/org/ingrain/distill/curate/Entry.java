package org.ingrain.distill.curate;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.annotation.JsonProperty;
import java.util.List;
import java.util.function.Predicate;
import org.ingrain.tensor.Require;

/**
 * The ledger's entry for one example, with all its answers and the verdict.
 *
 * @param gold     the gold answer, or null; the verdict does not depend on it
 * @param category category of the question, or null
 * @param verdict  kept or discarded
 * @param reason   reason for the verdict
 * @param detail   explanation of the reason for the user
 * @param label    the answer that was kept, or null; the JSON object always has this key
 * @param right    whether the label is right; null if there is no label or no gold answer; the JSON object always has
 *                 this key
 * @param margin   number of votes for the first answer in {@code votes} minus the number of votes for the second one; 0
 *                 if there are no votes
 * @param marginAtLeast lower bound of the margin under full sampling, for any outcome of the votes that were not
 *                 counted; equal to {@code margin} if all votes were counted
 * @param decidedEarly whether the verdict was decided before all votes were counted; if so, {@code margin} and
 *                 {@code votes} contain only the votes before the decision
 * @param voters   number of votes that full sampling counts, summed over all presentation orders; a sample without an
 *                 answer counts too. If each step has its own vote, these are the votes of the first step
 * @param planned  number of answers that full sampling would draw, summed over all presentation orders
 * @param drawn    number of recorded answers, which are the answers in {@code orders}
 * @param tokens   tokens generated for this example, including intermediate steps
 * @param votes    answers with their numbers of votes, in descending order of votes
 * @param targets  training targets of the student; empty if the example is discarded
 * @param orders   one element for each presentation order of the options or responses, with all final answers in this
 *                 order; the first element is for the given order
 */
public record Entry(String id, String question, String gold, String category, Verdict verdict, Reason reason,
        String detail, @JsonInclude(JsonInclude.Include.ALWAYS) String label,
        @JsonInclude(JsonInclude.Include.ALWAYS) Boolean right, int margin, int marginAtLeast, boolean decidedEarly,
        int voters, int planned, int drawn, int tokens, List<Ballot.Votes> votes, List<TargetText> targets,
        List<Order> orders) {
    public Entry {
        Require.present("id", id);
        Require.present("question", question);
        Require.present("verdict", verdict);
        Require.present("reason", reason);
        Require.present("detail", detail);
        Require.present("votes", votes);
        Require.present("targets", targets);
        Require.present("orders", orders);
        int answers = orders.stream().mapToInt(order -> order.answers.size()).sum();
        Require.that(drawn == answers, "drawn", String.valueOf(drawn), "the number of answers in orders, " + answers);
        for (TargetText target : targets) {
            Require.that(target.order >= 0 && target.order < orders.size()
                    && orders.get(target.order).answers.stream().anyMatch(answer -> answer.path().equals(target.path)),
                    "targets", target.order + " " + target.path, "order and path of an answer");
        }
    }

    /**
     * A training target, which is the text that the student is trained to generate.
     *
     * @param order index into {@link #orders()} of the presentation order in which the question is asked
     * @param path  path of the answer that the text comes from
     * @param text  the bare answer, or the whole response
     */
    public record TargetText(int order, String path, String text) {
        public TargetText {
            Require.present("path", path);
            Require.present("text", text);
        }
    }

    /** An example in one presentation order. */
    public record Order(String id, List<Ballot.Answer> answers) {
        public Order {
            Require.present("id", id);
            Require.present("answers", answers);
        }
    }

    /** The final answers of all presentation orders. */
    public List<Ballot.Answer> answers() {
        return orders.stream().flatMap(order -> order.answers().stream()).toList();
    }

    public enum Verdict {
        @JsonProperty("kept") KEPT,
        @JsonProperty("discarded") DISCARDED
    }

    public enum Reason {
        @JsonProperty("majority") MAJORITY("majority"),
        @JsonProperty("plurality") PLURALITY("plurality"),
        @JsonProperty("selected") SELECTED("selected"),
        @JsonProperty("judged") JUDGED("judged"),
        @JsonProperty("verified") VERIFIED("accepted by the verifier"),
        @JsonProperty("rejected") REJECTED("rejected by the verifier"),
        @JsonProperty("unfiltered") UNFILTERED("unfiltered"),
        @JsonProperty("tie") TIE("tie"),
        @JsonProperty("too-few-votes") TOO_FEW_VOTES("too few votes"),
        @JsonProperty("order") ORDER("orders differ"),
        @JsonProperty("prompt-too-long") PROMPT_TOO_LONG("prompt too long"),
        @JsonProperty("example-too-long") EXAMPLE_TOO_LONG("training example too long"),
        @JsonProperty("no-selection") NO_SELECTION("no selection"),
        @JsonProperty("no-answer") NO_ANSWER("no answer");

        private final String words;

        Reason(String words) {
            this.words = words;
        }

        public String words() {
            return words;
        }

        /** Whether the label was selected by votes. */
        public boolean isVote() {
            return this == MAJORITY || this == PLURALITY;
        }
    }

    /**
     * A copy of this entry with only the targets that {@code fits} accepts. If no target remains, the verdict of the
     * copy is {@code DISCARDED}.
     */
    Entry withTargets(Predicate<TargetText> fits) {
        List<TargetText> left = targets.stream().filter(fits).toList();
        if (left.size() == targets.size()) {
            return this;
        }
        String why = detail + ", but " + (targets.size() - left.size()) + " of " + targets.size()
                + " too long to train on";
        return left.isEmpty()
                ? new Entry(id, question, gold, category, Verdict.DISCARDED, Reason.EXAMPLE_TOO_LONG, why, null, null,
                        margin, marginAtLeast, decidedEarly, voters, planned, drawn, tokens, votes, left, orders)
                : new Entry(id, question, gold, category, verdict, reason, why, label, right, margin, marginAtLeast,
                        decidedEarly, voters, planned, drawn, tokens, votes, left, orders);
    }

    public boolean kept() {
        return verdict == Verdict.KEPT;
    }
}
