package org.ingrain.distill.report.page;

import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.stream.Stream;
import org.ingrain.distill.evaluate.Arm.Role;
import org.ingrain.distill.evaluate.ArmResult;
import org.ingrain.distill.evaluate.Paired;
import org.ingrain.distill.report.table.Figures;

/** Sentences that state the main result of a run, with the figures of the result table. */
record Headline(List<ArmResult> arms) {
    /** The results of System 1, System 2 and the first-round student; empty if one of them was not evaluated. */
    List<ArmResult> main() {
        List<ArmResult> main = Stream.of(Role.SYSTEM_1, Role.SYSTEM_2, Role.DISTILLED)
                .map(role -> ArmResult.first(arms, role))
                .filter(Objects::nonNull).toList();
        return main.size() == 3 ? main : List.of();
    }

    String figures() {
        List<ArmResult> three = main();
        if (three.isEmpty()) {
            return "Not evaluated: there are no test questions with gold answers.";
        }
        ArmResult one = three.get(0);
        ArmResult two = three.get(1);
        ArmResult student = three.get(2);
        return "Asked directly (System 1), the model is right on " + share(one) + " of "
                + Figures.count(one.questions(), "held-out question", "held-out questions")
                + orders(one) + ", with " + tokens(one) + " each. With " + two.title()
                        + " (System 2) it is right on " + share(two)
                + ", with " + tokens(two) + ". The distilled model answers directly and is right on " + share(student)
                        + ", with " + tokens(student)
                + cheaper(two, student) + ".";
    }

    /** A sentence about the paired test of the student against System 1. */
    static String judgement(Paired paired) {
        return "The distilled model is better than System 1 on "
                + Figures.count(paired.gained(), "question", "questions") + " and worse on "
                + Figures.count(paired.lost()) + ": " + (!paired.significant()
                        ? "the difference is not significant" : paired.gained() > paired.lost()
                ? "a significant gain" : "a significant loss")
                + " (McNemar's exact test, " + Figures.p(paired.p()) + ").";
    }

    private static String cheaper(ArmResult two, ArmResult student) {
        if (student.tokens() <= 0 || two.tokens() <= student.tokens()) {
            return "";
        }
        return String.format(Locale.ROOT, ": %.1f times fewer than System 2", two.tokens() / student.tokens());
    }

    private static String orders(ArmResult arm) {
        return arm.answers() == arm.questions() ? "" : " (asked in several orders, "
                + Figures.count(arm.answers(), "answer", "answers") + ")";
    }

    private static String share(ArmResult arm) {
        return Figures.percent(arm.accuracy()) + " %";
    }

    private static String tokens(ArmResult arm) {
        return Figures.tokens(arm.tokens()) + " tokens";
    }
}
