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
import org.ingrain.tensor.InputException;

/**
 * The file {@code ledger.jsonl}, with one {@link Entry} per line in the order of the examples. Only this file records
 * which examples were kept and why.
 */
public record Ledger(Path file) {
    /** Tests whether the training rows of a target are short enough. */
    @FunctionalInterface
    public interface Fits {
        /** @param asked the example in the presentation order of the target */
        boolean test(Example asked, Entry entry, Entry.TargetText target);
    }

    /**
     * Judges all examples of a finished sampling and writes the ledger. Does nothing if the ledger exists.
     *
     * @param examples   for each example, its presentation orders; the given order comes first
     * @param selections for rule {@code universal}, the model's own selections by example id; empty for other rules
     */
    public void make(Path samples, List<List<Example>> examples, Curation curation, Map<String, Selection> selections,
                     Fits fits) {
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
                Entry entry = judge(samples, curation, List.copyOf(asked),
                        selections.getOrDefault(given, Selection.NONE));
                JsonLines.write(out,
                        entry.withTargets(target -> fits.test(asked.get(target.order()).example(), entry, target)));
                asked.clear();
            }
        }));
    }

    private static Entry judge(Path samples, Curation curation, List<Curation.Asked> asked, Selection selection) {
        try {
            return curation.judge(asked, selection);
        } catch (InputException damaged) {
            throw new InputException(samples + ": example " + asked.getFirst().example().id() + ": "
                    + damaged.getMessage(), damaged);
        }
    }

    /**
     * Settings for the conversion of kept examples to training rows.
     *
     * @param examples for each judged example, its presentation orders
     * @param direct   plan of the method {@code direct}, which gives the prompts of the rows
     * @param text     returns the completion of the row for an entry and one of its targets
     */
    public record Rows(List<List<Example>> examples, Plan direct, CurationConfig config,
            BiFunction<Entry, Entry.TargetText, String> text) {
    }

    /**
     * Writes the training rows and the validation rows. Both files are always written, even if one of them has no rows.
     */
    public void writeTraining(Path train, Path validation, Rows how) {
        Set<String> validationIds = validationIds(how.config());
        List<TrainingRow> rows = new ArrayList<>();
        List<TrainingRow> validationRows = new ArrayList<>();
        Iterator<List<Example>> groups = how.examples().iterator();
        JsonLines.forEach(file, Entry.class, entry -> {
            List<Example> orders = groups.hasNext() ? groups.next() : List.of();
            if (orders.isEmpty() || !orders.getFirst().id().equals(entry.id())
                    || entry.orders().size() > orders.size()) {
                throw new InputException(file + ": entry " + entry.id() + " with " + entry.orders().size()
                        + " orders, expected " + (orders.isEmpty() ? "no further entry"
                        : orders.getFirst().id() + " with at most " + orders.size()));
            }
            for (Entry.TargetText target : entry.targets()) {
                List<Message> prompt = how.direct().firstPrompt(orders.get(target.order()));
                (validationIds.contains(entry.id()) ? validationRows : rows)
                        .add(new TrainingRow(prompt, how.text().apply(entry, target)));
            }
        });
        JsonLines.write(validation, validationRows);
        JsonLines.write(train, rows);
    }

    /** Statistics of this ledger. */
    public Summary summary() {
        Map<String, Integer> reasons = new TreeMap<>();
        Map<Integer, Count> byVotes = new TreeMap<>();
        List<String> labels = new ArrayList<>();
        JsonLines.forEach(file, Entry.class, entry -> {
            reasons.merge(entry.reason().words(), 1, Integer::sum);
            int votes = entry.votes().isEmpty() ? 0 : entry.votes().getFirst().votes();
            byVotes.merge(votes, Count.of(entry), Count::plus);
            if (entry.kept() && entry.label() != null) {
                labels.add(entry.label());
            }
        });
        Count total = byVotes.values().stream().reduce(Count.NONE, Count::plus);
        return new Summary(total, reasons, byVotes, Distribution.of(labels));
    }

    /**
     * Ids of the questions whose kept answers are used for validation. They are selected from all questions, not only
     * from the kept ones, so the selection does not depend on the verdicts. There is one exception: if the selection
     * contained every kept example, one kept example is removed from the selection, so that at least one remains for
     * training.
     */
    public Set<String> validationIds(CurationConfig config) {
        List<String> asked = new ArrayList<>();
        Set<String> kept = new HashSet<>();
        JsonLines.forEach(file, Entry.class, entry -> {
            asked.add(entry.id());
            if (entry.kept()) {
                kept.add(entry.id());
            }
        });
        asked.sort(Comparator.comparingLong((String id) -> Digest.seed(config.seed(), "validation", id))
                .thenComparing(id -> id));
        List<String> first = asked.subList(0, (int) (asked.size() * config.validationFraction()));
        Set<String> validation = new HashSet<>(first);
        if (validation.containsAll(kept)) {
            first.reversed().stream().filter(kept::contains).findFirst().ifPresent(validation::remove);
        }
        return validation;
    }

    /**
     * Statistics of a ledger.
     *
     * @param total   counts of all examples
     * @param reasons number of examples for each reason
     * @param byVotes counts of the examples, grouped by the number of counted votes for the leading answer
     * @param labels  distribution of the labels of the kept examples
     */
    public record Summary(Count total, Map<String, Integer> reasons, Map<Integer, Count> byVotes,
            Distribution labels) {
    }

    /**
     * Counts of the examples, answers and tokens in a group of examples.
     *
     * @param examples    judged examples
     * @param kept        kept examples
     * @param labels      training targets of the kept examples
     * @param known       kept examples with a label and a gold answer
     * @param right       examples in {@code known} whose label is right
     * @param planned     answers that full sampling would draw
     * @param drawn       recorded answers; if early stopping is on, only the answers that the verdicts are based on
     * @param unanswered  recorded answers whose text has no answer
     * @param early       examples whose verdict was decided before all votes were counted
     * @param tokens      tokens of the recorded answers, including intermediate steps
     * @param savedTokens estimated tokens of the planned answers that were not drawn; the estimate for each such answer
     *                    is the mean number of tokens of the recorded answers to its example
     */
    public record Count(int examples, int kept, int labels, int known, int right, long planned, long drawn,
            long unanswered, int early, long tokens, long savedTokens) {
        static final Count NONE = new Count(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);

        static Count of(Entry entry) {
            boolean known = entry.kept() && entry.right() != null;
            int drawn = entry.drawn();
            long unanswered = entry.answers().stream().filter(answer -> answer.answer() == null).count();
            long saved = drawn == 0 ? 0 : Math.round((double) entry.tokens() * (entry.planned() - drawn) / drawn);
            return new Count(1, entry.kept() ? 1 : 0, entry.targets().size(), known ? 1 : 0, known && entry.right()
                    ? 1 : 0, entry.planned(), drawn, unanswered, entry.decidedEarly() ? 1 : 0, entry.tokens(), saved);
        }

        Count plus(Count other) {
            return new Count(examples + other.examples, kept + other.kept, labels + other.labels, known + other.known,
                    right + other.right, planned + other.planned, drawn + other.drawn,
                    unanswered + other.unanswered, early + other.early, tokens + other.tokens,
                    savedTokens + other.savedTokens);
        }

        /** Share of the planned answers that early stopping made unnecessary: 1 − drawn / planned. */
        public double saved() {
            return planned == 0 ? 0 : 1 - (double) drawn / planned;
        }
    }
}
