package org.ingrain.distill.curate;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.BiFunction;
import java.util.stream.Collectors;
import org.ingrain.distill.method.UniversalSelfConsistency.Selection;
import org.ingrain.distill.model.TrainingRow;
import org.ingrain.distill.sample.Answers;
import org.ingrain.distill.sample.Plan;
import org.ingrain.distill.task.Example;
import org.ingrain.files.Digest;
import org.ingrain.files.DurableFile;
import org.ingrain.files.JsonLines;
import org.ingrain.template.Message;

/**
 * {@code ledger.jsonl}: one {@link Entry} a line, in the order of the examples. What was kept and why stands here and
 * nowhere else.
 */
public record Ledger(Path file) {
    /** Whether a student can be trained on a lesson; not on one that is too long. */
    @FunctionalInterface
    public interface Teachable {
        /** @param asked the example in the lesson's order */
        boolean test(Example asked, Entry entry, Entry.Lesson lesson);
    }

    /**
     * Judges every example of a finished sampling; a ledger that is there is left as it is.
     *
     * @param examples   each in its orders, the given one first
     * @param selections the model's own selection for each example, where the rule asks for it; else empty
     */
    public void make(Path samples, List<List<Example>> examples, Curation curation, Map<String, Selection> selections,
                     Teachable teachable) {
        if (Files.exists(file)) {
            return;
        }
        Set<String> lastOrders = examples.stream().map(orders -> orders.getLast().id()).collect(Collectors.toSet());
        List<Curation.Asked> asked = new ArrayList<>();
        DurableFile.write(file, out -> Answers.forEach(
                samples, examples.stream().flatMap(List::stream).toList(), (example, answers) -> {
            asked.add(new Curation.Asked(example, answers));
            if (lastOrders.contains(example.id())) {
                String given = asked.getFirst().example().id();
                Entry entry = curation.judge(List.copyOf(asked), selections.getOrDefault(given, Selection.NONE));
                JsonLines.write(out,
                        entry.teaching(lesson -> teachable.test(asked.get(lesson.order()).example(), entry, lesson)));
                asked.clear();
            }
        }));
    }

    /**
     * How what is kept becomes rows.
     *
     * @param examples those that were judged, each in its orders
     * @param direct   how the student will be asked
     * @param words    what it is taught to say
     */
    public record Rows(List<List<Example>> examples, Plan direct, CurationConfig config, BiFunction<Entry, Entry.Lesson,
            String> words) {
    }

    /**
     * Writes what is kept, in two files: to train on and to watch. Both are always written, the second perhaps empty.
     */
    public void writeTraining(Path train, Path validation, Rows how) {
        Set<String> watched = watched(how.config());
        List<TrainingRow> rows = new ArrayList<>();
        List<TrainingRow> watchedRows = new ArrayList<>();
        Iterator<List<Example>> groups = how.examples().iterator();
        JsonLines.forEach(file, Entry.class, entry -> {
            List<Example> orders = groups.next();
            for (Entry.Lesson lesson : entry.targets()) {
                List<Message> prompt = how.direct().firstPrompt(orders.get(lesson.order()));
                (watched.contains(entry.id()) ? watchedRows : rows)
                        .add(new TrainingRow(prompt, how.words().apply(entry, lesson)));
            }
        });
        JsonLines.write(validation, watchedRows);
        JsonLines.write(train, rows);
    }

    /** The ledger in figures. */
    public Summary summary() {
        Map<String, Integer> reasons = new TreeMap<>();
        Map<Integer, Count> byVotes = new TreeMap<>();
        JsonLines.forEach(file, Entry.class, entry -> {
            reasons.merge(entry.reason().words(), 1, Integer::sum);
            int votes = entry.votes().isEmpty() ? 0 : entry.votes().getFirst().votes();
            byVotes.merge(votes, Count.of(entry), Count::plus);
        });
        Count total = byVotes.values().stream().reduce(Count.NONE, Count::plus);
        return new Summary(total, reasons, byVotes);
    }

    private Set<String> watched(CurationConfig config) {
        List<String> kept = new ArrayList<>();
        JsonLines.forEach(file, Entry.class, entry -> {
            if (entry.kept()) {
                kept.add(entry.id());
            }
        });
        kept.sort(Comparator.comparingLong((String id) -> Digest.seed(config.seed(), "validation", id))
                .thenComparing(id -> id));
        return new HashSet<>(kept.subList(0, (int) (kept.size() * config.validationFraction())));
    }

    /**
     * A ledger in figures.
     *
     * @param reasons examples by reason
     * @param byVotes by the votes of the most voted answer
     */
    public record Summary(Count total, Map<String, Integer> reasons, Map<Integer, Count> byVotes) {
    }

    /**
     * Some examples, counted.
     *
     * @param examples    judged
     * @param kept        of them
     * @param labels      rows that they make
     * @param known       kept ones whose gold answer is known
     * @param right       of those, how many are labelled with it
     * @param planned     answers that would have been drawn without an early end
     * @param drawn       answers that the verdicts rest on
     * @param tokens      generated for these, intermediate steps included
     * @param savedTokens an estimate: those of the answers that were not drawn, each counted as the drawn ones of its
     *                    example on average
     */
    public record Count(int examples, int kept, int labels, int known, int right, long planned, long drawn, long tokens,
            long savedTokens) {
        static final Count NONE = new Count(0, 0, 0, 0, 0, 0, 0, 0, 0);

        static Count of(Entry entry) {
            boolean known = entry.kept() && entry.right() != null;
            int drawn = entry.answers().size();
            long saved = drawn == 0 ? 0 : Math.round((double) entry.tokens() * (entry.planned() - drawn) / drawn);
            return new Count(1, entry.kept() ? 1 : 0, entry.targets().size(), known ? 1 : 0, known && entry.right()
                    ? 1 : 0, entry.planned(), drawn, entry.tokens(), saved);
        }

        Count plus(Count other) {
            return new Count(examples + other.examples, kept + other.kept, labels + other.labels, known + other.known,
                    right + other.right, planned + other.planned, drawn + other.drawn, tokens + other.tokens,
                    savedTokens + other.savedTokens);
        }

        /** Share of the planned answers that early ends have saved, 0 to 1. */
        public double saved() {
            return planned == 0 ? 0 : 1 - (double) drawn / planned;
        }
    }
}
