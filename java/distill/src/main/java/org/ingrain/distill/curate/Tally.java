package org.ingrain.distill.curate;

import java.util.LinkedHashMap;
import java.util.Map;
import org.ingrain.tensor.InputException;

/**
 * Counts the votes of one poll one by one. The verdict is decided when the votes that are still missing cannot change
 * it.
 */
final class Tally {
    private final Rule rule;
    private final int voters;
    private final int needed;
    private final Map<String, Integer> votes = new LinkedHashMap<>();
    private int counted;
    private String leader;

    /**
     * @param voters      total number of voters
     * @param minVotes    minimum number of votes that a winner needs
     * @param minFraction minimum share of all voters that a winner needs
     */
    Tally(Rule rule, int voters, int minVotes, double minFraction) {
        this.rule = rule;
        this.voters = voters;
        int share = (int) Math.ceil(minFraction * voters - 1e-9);
        int half = rule == Rule.MORE_THAN_HALF ? voters / 2 + 1 : 1;
        needed = Math.max(half, Math.max(minVotes, share));
        if (minVotes > voters) {
            throw InputException.field("minVotes", minVotes + ", expected at most the number of votes, " + voters);
        }
    }

    int voters() {
        return voters;
    }

    /** Minimum number of votes of a winner. */
    int needed() {
        return needed;
    }

    int counted() {
        return counted;
    }

    /** Number of votes for each answer. The answers are in the order in which they got their first votes. */
    Map<String, Integer> votes() {
        return votes;
    }

    /** Adds one vote; {@code answer} is null if the voter has no answer. */
    void add(String answer) {
        counted++;
        if (answer != null && votes.merge(answer, 1, Integer::sum) > most()) {
            leader = answer;
        }
    }

    /**
     * Returns the smallest number of further votes that could decide the verdict; 0 if the verdict is already decided.
     */
    int wanting() {
        int out = voters - counted;
        if (out == 0 || switch (rule) {
            case FIRST -> counted > 0;
            case ALL, UNIVERSAL, JUDGE, BEST -> false;
            case MORE_THAN_HALF, PLURALITY -> most() + out < needed || won(out);
        }) {
            return 0;
        }
        return switch (rule) {
            case FIRST -> 1;
            case ALL, UNIVERSAL, JUDGE, BEST -> out;
            case MORE_THAN_HALF -> needed - most();
            // The formula assumes the best case, in which all further votes are for the leading answer. It gives the
            // smallest number of further votes after which the second answer cannot reach the leading answer, even with
            // all remaining votes.
            case PLURALITY -> Math.clamp(Math.max(needed - most(), Math.floorDiv(second() + out - most(), 2) + 1), 1,
                    out);
        };
    }

    /**
     * The answer that wins regardless of the missing votes; null if there is none. The result is final once
     * {@link #wanting} returns 0.
     */
    String winner() {
        return rule.votes() && won(voters - counted) ? leader : null;
    }

    private boolean won(int out) {
        return leader != null && most() >= needed && (rule == Rule.MORE_THAN_HALF || most() > second() + out);
    }

    private int most() {
        return leader == null ? 0 : votes.get(leader);
    }

    private int second() {
        return votes.entrySet().stream().filter(entry -> !entry.getKey().equals(leader)).mapToInt(Map.Entry::getValue)
                .max().orElse(0);
    }
}
