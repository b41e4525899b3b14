package org.ingrain.distill.report;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import org.ingrain.distill.curate.Ledger;
import org.ingrain.distill.evaluate.ArmResult;
import org.ingrain.distill.train.Tuner;

/** The tables of a report. */
final class Tables {
    private Tables() {
    }

    /** As the paper's tables, with intervals; columns about judging and categories where there is something to show. */
    static Table arms(List<ArmResult> arms) {
        List<String> head = new ArrayList<>(List.of("", "accuracy %", "95 % interval", "#Tokens", "right", "unanswered"));
        List<Function<ArmResult, String>> more = new ArrayList<>();
        if (arms.stream().anyMatch(arm -> arm.answers() != arm.questions())) {
            head.set(4, "right, all orders");
            head.add("questions");
            more.add(arm -> String.valueOf(arm.questions()));
        }
        judging("agreement %", ArmResult.Judging::agreement, arms, head, more);
        judging("of both orders %", ArmResult.Judging::bothOrders, arms, head, more);
        judging("inconsistent %", ArmResult.Judging::inconsistent, arms, head, more);
        for (String category : arms.stream().flatMap(arm -> arm.categories().keySet().stream()).distinct().toList()) {
            head.add(category + " %");
            more.add(arm -> arm.categories().containsKey(category) ? Figures.percent(arm.categories().get(category).accuracy()) : "-");
        }
        return new Table(head, arms.stream().map(arm -> {
            List<String> row = new ArrayList<>(List.of(arm.title(), Figures.percent(arm.accuracy()),
                    Figures.percent(arm.low()) + " - " + Figures.percent(arm.high()), Figures.tokens(arm.tokens()),
                    arm.right() + " of " + arm.answers(), String.valueOf(arm.unanswered())));
            more.forEach(cell -> row.add(cell.apply(arm)));
            return List.copyOf(row);
        }).toList());
    }

    private static void judging(String title, Function<ArmResult.Judging, Double> figure, List<ArmResult> arms, List<String> head,
                                List<Function<ArmResult, String>> more) {
        if (arms.stream().anyMatch(arm -> arm.judging() != null && figure.apply(arm.judging()) != null)) {
            head.add(title);
            more.add(arm -> Figures.percent(figure.apply(arm.judging())));
        }
    }

    static Table ledgers(Map<String, Ledger.Summary> ledgers) {
        List<List<String>> rows = new ArrayList<>();
        ledgers.forEach((student, summary) -> {
            Ledger.Count total = summary.total();
            List<String> reasons = summary.reasons().entrySet().stream().map(entry -> entry.getKey() + " " + entry.getValue()).toList();
            rows.add(List.of(student, String.valueOf(total.examples()), String.valueOf(total.kept()),
                    String.valueOf(total.examples() - total.kept()), share(total.right(), total.known()), drawn(total), String.join(", ", reasons)));
        });
        return new Table(List.of("student", "examples", "kept", "discarded", "labels right", "answers drawn", "reasons"), rows);
    }

    /** One line: how many examples were kept, and how many of their labels are right. */
    static String kept(Ledger.Count total) {
        return "kept " + total.kept() + " of " + total.examples() + " examples"
                + (total.known() == 0 ? "" : ", labels right " + share(total.right(), total.known())) + ", answers drawn " + drawn(total);
    }

    /** Answers that the verdicts rest on, of those that were planned. */
    private static String drawn(Ledger.Count total) {
        return total.drawn() + " of " + total.planned() + " (" + Figures.percent(total.saved()) + " % saved)";
    }

    static Table votes(Ledger.Summary summary) {
        return new Table(List.of("votes of the first answer", "examples", "kept", "labels right"), summary.byVotes().entrySet().stream()
                .map(entry -> List.of(String.valueOf(entry.getKey()), String.valueOf(entry.getValue().examples()),
                        String.valueOf(entry.getValue().kept()), share(entry.getValue().right(), entry.getValue().known())))
                .toList());
    }

    static Table training(Map<String, Tuner.Tuned> training) {
        List<List<String>> rows = new ArrayList<>();
        training.forEach((student, tuned) -> rows.add(List.of(student, String.valueOf(tuned.rows()), String.valueOf(tuned.steps()),
                Figures.loss(tuned.firstLoss()), Figures.loss(tuned.lastLoss()),
                tuned.validationLoss() == null ? "-" : Figures.loss(tuned.validationLoss()))));
        return new Table(List.of("student", "rows", "steps", "first loss", "last loss", "validation loss"), rows);
    }

    private static String share(int right, int known) {
        return known == 0 ? "-" : Figures.percent((double) right / known) + " % of " + known;
    }
}
