package org.ingrain.distill.report.plot;

import java.util.Map;
import java.util.TreeMap;
import org.ingrain.distill.curate.Entry;

/** Examples of a ledger, counted by how far their samples agree and by what became of them. */
public final class VoteCounts {
    private final TreeMap<Integer, int[]> byVotes = new TreeMap<>();
    private final TreeMap<Integer, int[]> byMargin = new TreeMap<>();

    /** What became of an example, in the order in which bars are stacked. */
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
        count(byMargin, entry.margin(), entry);
    }

    /** Examples by the votes of their most voted answer, then by {@link Fate}. */
    public Map<Integer, int[]> byVotes() {
        return byVotes;
    }

    /** Examples by the votes that the first answer has more than the second. */
    public Map<Integer, int[]> byMargin() {
        return byMargin;
    }

    private static void count(Map<Integer, int[]> counts, int value, Entry entry) {
        counts.computeIfAbsent(value, v -> new int[Fate.values().length])[Fate.of(entry).ordinal()]++;
    }
}
