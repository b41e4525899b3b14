package org.ingrain.distill.report.table;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.ingrain.distill.curate.Distribution;
import org.ingrain.distill.curate.Entry;
import org.ingrain.distill.curate.Ledger;
import org.ingrain.distill.evaluate.ArmResult;
import org.ingrain.distill.evaluate.Commonest;
import org.ingrain.distill.evaluate.SeedResult;
import org.ingrain.distill.model.Tuner;

/** The tables of a report. */
public final class Tables {
    /** A note for the text below the table of {@link #ledgers}. */
    public static final String ABOUT_SAVED =
            "Tokens saved are an estimate: each answer that was not drawn counts with the mean number of tokens of the "
            + "drawn answers to the same example.";

    /** A note for the text below the table of {@link #arms}. */
    public static final String ABOUT_CONSTANT = " The last row is the result of always giving the commonest gold "
            + "answer of the test questions.";
    private static final int LISTED = 3;

    private Tables() {
    }

    /**
     * The result table of the paper, with intervals. There are further columns for majority votes, results as a judge,
     * and categories, if at least one arm has them. The last row has the result of always giving the commonest gold
     * answer.
     */
    public static Table arms(List<ArmResult> arms) {
        List<String> shares = shares(arms.stream().map(ArmResult::shares));
        boolean ordered = arms.stream().anyMatch(arm -> arm.answers() != arm.questions());
        List<String> head = new ArrayList<>(List.of("", "accuracy %", "95 % interval", tokens(shares), ordered
                ? "right, all orders" : "right", "unanswered"));
        if (ordered) {
            head.add("questions");
        }
        shares.forEach(share -> head.add(share + " %"));
        List<List<String>> rows = new ArrayList<>();
        arms.forEach(arm -> {
            List<String> row = new ArrayList<>(List.of(arm.title(), Figures.percent(arm.accuracy()),
                    Figures.percent(arm.low()) + " - " + Figures.percent(arm.high()), Figures.tokens(arm.tokens()),
                    arm.right() + " of " + arm.answers(), String.valueOf(arm.unanswered())
                    + (arm.tooLong() == 0 ? "" : " (prompt too long: " + arm.tooLong() + ")")));
            if (ordered) {
                row.add(String.valueOf(arm.questions()));
            }
            row.addAll(cells(shares, arm.shares()));
            rows.add(List.copyOf(row));
        });
        rows.add(constant(arms.getFirst().commonest(), head.size()));
        return new Table(head, rows);
    }

    private static List<String> constant(Commonest constant, int columns) {
        List<String> row = new ArrayList<>(List.of(constant.title(), Figures.percent(constant.accuracy()),
                Figures.percent(constant.low()) + " - " + Figures.percent(constant.high()), "-",
                constant.right() + " of " + constant.questions(), "-"));
        row.addAll(Collections.nCopies(columns - row.size(), "-"));
        return row;
    }

    /** The results of all arms on each category. The table has no rows if the questions have no categories. */
    public static Table categories(List<ArmResult> arms) {
        List<List<String>> rows = new ArrayList<>();
        arms.stream().flatMap(arm -> arm.categories().keySet().stream()).distinct().forEach(category ->
                arms.stream().filter(arm -> arm.categories().containsKey(category)).forEach(arm -> {
                    ArmResult.Category own = arm.categories().get(category);
                    rows.add(List.of(category + ": " + arm.title(), Figures.percent(own.accuracy()),
                            Figures.percent(own.low()) + " - " + Figures.percent(own.high()),
                            Figures.tokens(own.tokens()), String.valueOf(own.questions())));
                }));
        return new Table(List.of("", "accuracy %", "95 % interval", "#Tokens", "questions"), rows);
    }

    /** The most frequent gold answers in the first row, then the most frequent answers of each arm. */
    public static Table given(List<ArmResult> arms) {
        List<List<String>> rows = new ArrayList<>();
        rows.add(distribution("gold answers", arms.getFirst().commonest().gold(), 0));
        arms.forEach(arm -> rows.add(distribution(arm.title(), arm.given(), arm.answers() - arm.given().total())));
        return new Table(List.of("", "different answers", "without answer", "most frequent"), rows);
    }

    private static List<String> distribution(String title, Distribution answers, int without) {
        return List.of(title, Figures.count(answers.distinct()), Figures.count(without), listed(answers));
    }

    /** The most frequent answers with their counts, such as {@code yes 12, no 8}. */
    private static String listed(Distribution answers) {
        return answers.total() == 0 ? "-" : answers.commonest().stream().limit(LISTED)
                .map(answer -> answer.answer() + " " + Figures.count(answer.votes())).collect(Collectors.joining(", "))
                + (answers.distinct() > LISTED ? ", \u2026" : "");
    }

    /** The result table over several seeds. */
    public static Table seeds(List<SeedResult> rows) {
        List<String> shares = shares(rows.stream().map(SeedResult::shares));
        List<String> head = new ArrayList<>(List.of("", "accuracy %", "95 % interval", tokens(shares)));
        shares.forEach(share -> head.add(share + " %"));
        head.add("each seed");
        return new Table(head, rows.stream().map(row -> {
            List<String> cells = new ArrayList<>(List.of(row.title(), Figures.percent(row.mean()),
                    row.accuracies().size() < 2 ? "-" : Figures.percent(row.low()) + " - "
                    + Figures.percent(row.high()),
                    String.format(Locale.ROOT, "%.1f", row.tokens())));
            cells.addAll(cells(shares, row.shares()));
            cells.add(row.accuracies().stream().map(Figures::percent).collect(Collectors.joining(" ")));
            return List.copyOf(cells);
        }).toList());
    }

    private static List<String> cells(List<String> shares, Map<String, Double> own) {
        return shares.stream().map(share -> own.containsKey(share) ? Figures.percent(own.get(share)) : "-").toList();
    }

    /** Titles of all columns that occur in at least one row, in the order of first appearance. */
    public static List<String> shares(Stream<Map<String, Double>> rows) {
        return rows.flatMap(row -> row.keySet().stream()).distinct().toList();
    }

    private static String tokens(List<String> shares) {
        return ArmResult.largest(shares).map(k -> "#Tokens, " + k).orElse("#Tokens");
    }

    /**
     * A note about the columns of majority votes; empty if there are none. The note begins with a space, because it
     * follows another sentence.
     */
    public static String aboutVotes(List<String> shares) {
        return ArmResult.largest(shares).map(k -> " Columns k have the accuracy of the majority vote of the first k"
                + " answers; accuracy, its interval and #Tokens are for "
                + k + ".").orElse("");
    }

    /** @param titles title of each student, by name */
    public static Table ledgers(Map<String, Ledger.Summary> ledgers, Map<String, String> titles) {
        List<List<String>> rows = new ArrayList<>();
        ledgers.forEach((student, summary) -> {
            Ledger.Count total = summary.total();
            List<String> reasons = summary.reasons().entrySet().stream()
                    .map(entry -> entry.getKey() + " " + entry.getValue()).toList();
            rows.add(List.of(titles.get(student), String.valueOf(total.examples()), String.valueOf(total.kept()),
                    share(total.right(), total.known()), drawn(total),
                    Figures.count(total.savedTokens()), Figures.count(total.early()), listed(summary.labels()),
                    String.join(", ", reasons)));
        });
        return new Table(List.of("student", "examples", "kept", "labels right", "answers drawn",
                "tokens saved", "decided early", "labels", "reasons"), rows);
    }

    /** A line with the main counts of a ledger, such as kept examples, examples that are too long, and right labels. */
    public static String kept(Ledger.Summary summary) {
        Ledger.Count total = summary.total();
        String tooLong = Stream.of(Entry.Reason.PROMPT_TOO_LONG, Entry.Reason.EXAMPLE_TOO_LONG).map(Entry.Reason::words)
                .filter(summary.reasons()::containsKey).map(
                        reason -> ", " + reason + " " + summary.reasons().get(reason))
                .collect(Collectors.joining());
        return "kept " + total.kept() + " of " + total.examples() + " examples" + tooLong
                + (total.known() == 0 ? "" : ", labels right " + share(total.right(), total.known()))
                + ", answers drawn " + drawn(total)
                + (total.savedTokens() == 0 ? "" : ", about " + Figures.count(total.savedTokens()) + " tokens saved");
    }

    /**
     * Returns the number of drawn answers, the number of planned answers, and the share of the planned answers that
     * early stopping made unnecessary.
     */
    private static String drawn(Ledger.Count total) {
        return total.drawn() + " of " + total.planned() + " (" + Figures.percent(total.saved()) + " % saved)";
    }

    public static Table votes(Ledger.Summary summary) {
        return new Table(List.of("votes for the most frequent answer", "examples", "kept", "labels right"),
                summary.byVotes().entrySet().stream()
                .map(entry -> List.of(String.valueOf(entry.getKey()), String.valueOf(entry.getValue().examples()),
                        String.valueOf(entry.getValue().kept()),
                        share(entry.getValue().right(), entry.getValue().known())))
                .toList());
    }

    /** @param titles title of each student, by name */
    public static Table training(Map<String, Tuner.Tuned> training, Map<String, String> titles) {
        List<List<String>> rows = new ArrayList<>();
        training.forEach((student, tuned) -> rows.add(
                List.of(titles.get(student), String.valueOf(tuned.rows()), String.valueOf(tuned.steps()),
                        Figures.loss(tuned.firstLoss()), Figures.loss(tuned.lastLoss()), tuned.validationLoss() == null
                        ? "-" : Figures.loss(tuned.validationLoss()))));
        return new Table(List.of("student", "rows", "steps", "first loss", "last loss", "validation loss"), rows);
    }

    private static String share(int right, int known) {
        return known == 0 ? "-" : Figures.percent((double) right / known) + " % of " + known;
    }
}
