package org.ingrain.distill.curate;

import com.fasterxml.jackson.annotation.JsonProperty;
import java.util.List;
import java.util.function.Predicate;

/**
 * One example in the ledger: everything that was answered, and what was made of it.
 *
 * @param gold     the right answer, or null; the verdict does not depend on it
 * @param category of the question, or null
 * @param verdict  kept or discarded
 * @param reason   in a word
 * @param detail   in a sentence
 * @param label    the answer that is kept, or null
 * @param right    whether the label is the gold answer; null where there is no label or no gold
 * @param margin   votes of the first answer less those of the second
 * @param planned  answers that would have been drawn without an early end, in all orders
 * @param tokens   generated for this example, intermediate steps included
 * @param votes    most votes first
 * @param targets  what the student is taught; empty if discarded
 * @param orders   every final answer, by the order in which options or responses were asked, the given one first
 */
public record Entry(String id, String question, String gold, String category, Verdict verdict, Reason reason,
        String detail, String label, Boolean right, int margin, int planned, int tokens, List<Ballot.Votes> votes,
        List<Lesson> targets, List<Order> orders) {
    /**
     * Something to teach.
     *
     * @param order which of {@link #orders()} the question is asked in
     * @param path  of the answer that it was taken from
     * @param text  what is to be why
     */
    public record Lesson(int order, String path, String text) {
    }

    /** One order of an example. */
    public record Order(String id, List<Ballot.Answer> answers) {
    }

    /** Every final answer, of all orders. */
    public List<Ballot.Answer> answers() {
        return orders.stream().flatMap(order -> order.answers().stream()).toList();
    }

    /** What became of an example. */
    public enum Verdict {
        @JsonProperty("kept") KEPT,
        @JsonProperty("discarded") DISCARDED
    }

    /** Why. */
    public enum Reason {
        @JsonProperty("majority") MAJORITY("majority"),
        @JsonProperty("selected") SELECTED("selected"),
        @JsonProperty("unfiltered") UNFILTERED("unfiltered"),
        @JsonProperty("tie") TIE("tie"),
        @JsonProperty("too-few-votes") TOO_FEW_VOTES("too few votes"),
        @JsonProperty("order") ORDER("orders differ"),
        @JsonProperty("prompt-too-long") PROMPT_TOO_LONG("prompt too long"),
        @JsonProperty("lesson-too-long") LESSON_TOO_LONG("lesson too long"),
        @JsonProperty("no-selection") NO_SELECTION("no selection"),
        @JsonProperty("no-answer") NO_ANSWER("no answer");

        private final String words;

        Reason(String words) {
            this.words = words;
        }

        public String words() {
            return words;
        }
    }

    /** This without the lessons that are no use; discarded where it has no other. */
    Entry teaching(Predicate<Lesson> useful) {
        List<Lesson> left = targets.stream().filter(useful).toList();
        if (left.size() == targets.size()) {
            return this;
        }
        String why = detail + ", but " + (targets.size() - left.size()) + " of " + targets.size()
                + " too long to train on";
        return left.isEmpty()
                ? new Entry(id, question, gold, category, Verdict.DISCARDED, Reason.LESSON_TOO_LONG, why, null, null,
                        margin, planned, tokens, votes, left, orders)
                : new Entry(id, question, gold, category, verdict, reason, why, label, right, margin, planned, tokens,
                        votes, left, orders);
    }

    public boolean kept() {
        return verdict == Verdict.KEPT;
    }
}
