package org.ingrain.distill.report.page;

import java.nio.file.Path;
import java.util.List;
import org.ingrain.distill.curate.Ballot;
import org.ingrain.distill.curate.Entry;
import org.ingrain.distill.report.plot.VoteCounts;
import org.ingrain.distill.report.table.StudentFiles;
import org.ingrain.files.JsonLines;

/**
 * A student's ledger as content of a page: the entries that a reader can browse, and the vote counts. One pass over the
 * file makes both.
 *
 * @param file path of the ledger, relative to the run folder
 */
public record LedgerPart(StudentFiles student, String file, PackedItems<?> packs, VoteCounts counts) {
    /**
     * Maximum length of a question in the index, in characters. The whole question is in the {@link Texts} of
     * the entry.
     */
    static final int LONGEST = 1000;

    /** The fields of an entry that are stored in the index. */
    public record Row(String id, String question, String gold, String category, Entry.Verdict verdict,
            Entry.Reason reason, String detail, String label, Boolean right, int marginAtLeast, boolean decidedEarly,
            int planned, int drawn, int tokens) {
        static Row of(Entry entry) {
            return new Row(entry.id(), cut(entry.question()), entry.gold(), entry.category(), entry.verdict(),
                    entry.reason(), entry.detail(), entry.label(), entry.right(), entry.marginAtLeast(),
                    entry.decidedEarly(), entry.planned(), entry.drawn(), entry.tokens());
        }
    }

    /** A line of the index, for one entry. */
    public record Item(Row row, List<Ballot.Votes> votes, Integer piece) {
    }

    /** The texts of an entry, which the page shows when the reader opens the entry. */
    public record Texts(String question, List<Entry.TargetText> targets, List<Entry.Order> orders) {
    }

    public static LedgerPart read(Path folder, StudentFiles student, int room) {
        String file = student.folder() + "ledger.jsonl";
        PackedItems<Item> packs = new PackedItems<>(room);
        VoteCounts counts = new VoteCounts();
        JsonLines.forEach(folder.resolve(file), Entry.class, entry -> {
            counts.add(entry);
            packs.add(piece -> new Item(Row.of(entry), entry.votes(), piece),
                    new Texts(entry.question(), entry.targets(), entry.orders()));
        });
        return new LedgerPart(student, file, packs, counts);
    }

    static String cut(String question) {
        return question.length() <= LONGEST ? question : question.substring(0, LONGEST - 1) + "\u2026";
    }
}
