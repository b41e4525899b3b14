package org.ingrain.distill.report.plot;

import java.util.Map;
import java.util.TreeMap;
import org.ingrain.distill.curate.Entry;

/** Numbers of examples in a ledger, grouped by the agreement of an example's samples and by the verdict. */
public final class VoteCounts {
    private final TreeMap<Integer, int[]> byVotes = new TreeMap<>();
    private final TreeMap<Integer, int[]> byMargin = new TreeMap<>();
    private int voters;
    private boolean early;

    /**
     * Combines the verdict on an example with the result of comparing its label with the gold answer. The constants are
     * in the order in which the parts of a bar are stacked, from bottom to top.
     */
    public enum Fate {
        RIGHT("kept, right", Colour.RIGHT), WRONG("kept, wrong", Colour.WRONG), KEPT("kept, no gold", Colour.KEPT),
                DISCARDED("discarded", Colour.DISCARDED);

        private final String words;
        private final Colour ink;

        Fate(String words, Colour ink) {
            this.words = words;
            this.ink = ink;
        }

        static Fate of(Entry entry) {
            return !entry.kept() ? DISCARDED : entry.right() == null ? KEPT : entry.right() ? RIGHT : WRONG;
        }

        String words() {
            return words;
        }

        Colour ink() {
            return ink;
        }
    }

    public void add(Entry entry) {
        int votes = entry.votes().isEmpty() ? 0 : entry.votes().getFirst().votes();
        count(byVotes, votes, entry);
        count(byMargin, entry.marginAtLeast(), entry);
        voters = Math.max(voters, entry.voters());
        early |= entry.decidedEarly();
    }

    /** The largest number of votes that full sampling counts for an example. */
    int voters() {
        return voters;
    }

    /** Whether some verdicts were decided before all votes were counted. */
    public boolean early() {
        return early;
    }

    /**
     * Index into the arrays of {@link #byVotes} and {@link #byMargin}. The element at this index is the number of
     * examples with this fate. Examples that were decided early are counted separately from the others.
     */
    static int index(Fate fate, boolean early) {
        return 2 * fate.ordinal() + (early ? 1 : 0);
    }

    /**
     * Returns the numbers of examples, by the number of counted votes for the leading answer. {@link #index} gives the
     * index into an array.
     */
    public Map<Integer, int[]> byVotes() {
        return byVotes;
    }

    /**
     * Returns the numbers of examples, by the lower bound of the margin ({@link Entry#marginAtLeast()}). {@link #index}
     * gives the index into an array.
     */
    public Map<Integer, int[]> byMargin() {
        return byMargin;
    }

    private static void count(Map<Integer, int[]> counts, int value, Entry entry) {
        counts.computeIfAbsent(value, v -> new int[2 * Fate.values().length])[index(Fate.of(entry),
                entry.decidedEarly())]++;
    }
}
