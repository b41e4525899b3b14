package org.ingrain.distill.curate;

import com.fasterxml.jackson.annotation.JsonProperty;
import java.util.List;

/**
 * One example in the ledger: everything that was answered, and what was made of it.
 *
 * @param gold     the right answer, or null; the verdict does not depend on it
 * @param verdict  kept or discarded
 * @param reason   in a word
 * @param detail   in a sentence
 * @param label    the answer that is kept, or null
 * @param right    whether the label is the gold answer; null where there is no label or no gold
 * @param margin   votes of the first answer less those of the second
 * @param votes    most votes first
 * @param targets  what the student is taught to say to this question; empty if discarded
 * @param answers  every final answer
 */
public record Entry(String id, String question, String gold, Verdict verdict, Reason reason, String detail, String label, Boolean right,
                    int margin, List<Ballot.Votes> votes, List<String> targets, List<Ballot.Answer> answers) {
    /** What became of an example. */
    public enum Verdict {
        @JsonProperty("kept") KEPT,
        @JsonProperty("discarded") DISCARDED
    }

    /** Why. */
    public enum Reason {
        @JsonProperty("majority") MAJORITY("majority"),
        @JsonProperty("unfiltered") UNFILTERED("unfiltered"),
        @JsonProperty("tie") TIE("tie"),
        @JsonProperty("too-few-votes") TOO_FEW_VOTES("too few votes"),
        @JsonProperty("no-answer") NO_ANSWER("no answer");

        private final String words;

        Reason(String words) {
            this.words = words;
        }

        public String words() {
            return words;
        }
    }

    public boolean kept() {
        return verdict == Verdict.KEPT;
    }
}
