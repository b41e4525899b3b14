package org.ingrain.distill.report.table;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.ingrain.distill.curate.Ballot;
import org.ingrain.distill.curate.Distribution;
import org.ingrain.distill.curate.Ledger;
import org.ingrain.distill.evaluate.Arm.Role;
import org.ingrain.distill.evaluate.ArmResult;
import org.ingrain.distill.evaluate.Commonest;
import org.ingrain.distill.evaluate.Paired;
import org.ingrain.distill.evaluate.Score;
import org.ingrain.files.JsonLines;

/**
 * Looks for reasons to doubt the result of a run, and warns the user. For example, it checks whether the teacher is
 * better than System 1, whether nearly all labels or nearly all answers of the student are the same, and whether the
 * student is better than System 1 and the controls. {@link Paired} compares two arms. An arm counts as better only if
 * the difference is significant.
 */
final class GuardRails {
    /** The labels count as one-sided if at least this share of them is the same label. */
    private static final double ONE_SIDED = 0.9;
    /** A student counts as constant if at least this share of its answers is the same answer. */
    private static final double CONSTANT = 0.95;
    /** There is a warning if at least this share of the texts has no answer. */
    private static final double SILENT = 0.25;
    /**
     * If there are fewer labels or answers than this, there is no warning, because so few may all be equal by chance.
     */
    private static final int FEWEST = 5;
    private static final int FEW_KEPT = 50;
    private static final double FEW_KEPT_SHARE = 0.1;

    private final List<ArmResult> arms;
    private final Map<ArmResult, List<Score>> scores = new LinkedHashMap<>();
    private final List<Warning> warnings = new ArrayList<>();

    private GuardRails(Path folder, List<ArmResult> arms) {
        this.arms = arms;
        arms.forEach(arm -> scores.put(arm, JsonLines.read(folder.resolve(Report.scores(arm.name())), Score.class)));
    }

    /**
     * Returns the warnings of a run in the order of its stages.
     *
     * @param folder  run folder
     * @param ledgers summaries of the ledgers, by the student's name
     */
    static List<Warning> check(Path folder, List<ArmResult> arms, List<StudentFiles> students,
            Map<String, Ledger.Summary> ledgers) {
        GuardRails rails = new GuardRails(folder, arms);
        rails.teacher();
        students.stream().filter(student -> student.role() == Role.DISTILLED)
                .forEach(student -> rails.curation(student, ledgers.get(student.name())));
        rails.silence();
        arms.stream().filter(arm -> arm.role() == Role.DISTILLED).forEach(rails::student);
        rails.systemTwoAfter();
        return List.copyOf(rails.warnings);
    }

    private void teacher() {
        notBetter(first(Role.SYSTEM_1), first(Role.SYSTEM_2)).ifPresent(figures -> warn("teacher-not-better",
                "The teacher is not shown to be better than System 1: " + figures,
                "A student learns its teacher's answers: try another method, longer texts (maxTokens), a stronger "
                + "model, or more test questions."));
    }

    private void curation(StudentFiles student, Ledger.Summary summary) {
        Ledger.Count total = summary.total();
        if (total.unanswered() >= SILENT * total.drawn() && total.drawn() > 0) {
            warn("samples-without-answer", "The task finds no answer in " + share(total.unanswered(), total.drawn())
                    + " sampled texts for " + student.title() + ".",
                    "Read some of them in " + student.folder() + "ledger.jsonl: raise maxTokens if they are cut off, "
                    + "or use a method whose prompt states the form of the answer.");
        }
        if (total.kept() < FEW_KEPT || total.kept() < FEW_KEPT_SHARE * total.examples()) {
            warn("few-kept", "Curation kept " + share(total.kept(), total.examples()) + " questions for "
                    + student.title() + ".", "Fewer than " + FEW_KEPT
                    + " rows are rarely enough to learn a rule: distil on more questions, or read in "
                    + student.folder() + "ledger.jsonl why the others were discarded.");
        }
        Distribution labels = summary.labels();
        Commonest constant = arms.isEmpty() ? null : arms.getFirst().commonest();
        if (labels.total() >= FEWEST && labels.largest() >= ONE_SIDED
                && (constant == null || !constant.isOneSided(ONE_SIDED))) {
            Ballot.Votes most = labels.commonest().getFirst();
            warn("labels-one-sided", share(most.votes(), labels.total()) + " labels for " + student.title() + " are "
                    + most.answer() + (constant == null ? "." : "; of the gold answers to the test questions, "
                    + percent(constant.gold().largest()) + " are " + constant.answer() + "."),
                    "A student that is trained on such labels learns to always answer " + most.answer()
                    + ": require more votes (minVotes, minFraction), or sample with another method or model.");
        }
    }

    private void silence() {
        arms.stream().filter(arm -> arm.role() != Role.BASELINE && arm.unanswered() >= SILENT * arm.answers())
                .forEach(arm -> warn("test-without-answer", arm.title() + ": the task finds no answer to "
                        + share(arm.unanswered(), arm.answers()) + " held-out questions.",
                        "These questions count as wrong: read some of the texts in " + Report.scores(arm.name())
                        + " before you compare accuracies."));
    }

    private void student(ArmResult student) {
        Distribution given = student.given();
        if (given.total() >= FEWEST && !student.commonest().isOneSided(ONE_SIDED)
                && given.commonest().getFirst().votes() >= CONSTANT * student.answers()) {
            Ballot.Votes most = given.commonest().getFirst();
            warn("student-constant", student.title() + " answers " + most.answer() + " to "
                    + share(most.votes(), student.answers()) + " held-out questions. Always answering "
                    + student.commonest().answer() + " is right on " + percent(student.commonest().accuracy()) + ".",
                    "Its accuracy does not show that it reads the questions: look at the labels that it was trained "
                    + "on.");
        }
        notBetter(first(Role.SYSTEM_1), student).ifPresent(figures -> warn("nothing-learnt",
                student.title() + " is not shown to be better than System 1: " + figures,
                "Train on more rows or for more epochs, change learningRate, or test on more questions."));
        notBetter(first(Role.DISTILLED_SYSTEM_1), student).ifPresent(figures -> warn("control-as-good",
                student.title() + " is not shown to be better than the control that learns System 1's own answers: "
                + figures, "If there is a gain, System 2 may not be its cause."));
        notBetter(first(Role.UNFILTERED), student).ifPresent(figures -> warn("filter-not-needed",
                student.title() + " is not shown to be better than the control without a filter: " + figures,
                "The result does not show that the filter is useful."));
    }

    /** Warns if the last student is significantly worse at System 2 than the teacher of the first round. */
    private void systemTwoAfter() {
        ArmResult before = first(Role.SYSTEM_2);
        ArmResult after = first(Role.SYSTEM_2_DISTILLED);
        if (before != null && after != null) {
            Paired paired = Paired.of(scores.get(before), scores.get(after));
            if (paired.significant() && paired.lost() > paired.gained()) {
                warn("system-2-lost", "After the distillation the model is worse at System 2 itself: "
                        + figures(before, after, paired), "Keep the original model for questions that need System 2, "
                        + "or train with a lower learningRate or for fewer epochs.");
            }
        }
    }

    /**
     * A sentence with the results of two arms. Empty if one of the arms was not evaluated, or if the second arm is
     * significantly better.
     */
    private Optional<String> notBetter(ArmResult first, ArmResult second) {
        if (first == null || second == null) {
            return Optional.empty();
        }
        Paired paired = Paired.of(scores.get(first), scores.get(second));
        return paired.significant() && paired.gained() > paired.lost() ? Optional.empty()
                : Optional.of(figures(first, second, paired));
    }

    private static String figures(ArmResult first, ArmResult second, Paired paired) {
        return percent(second.accuracy()) + " against " + percent(first.accuracy()) + ", better on "
                + paired.gained() + " and worse on " + paired.lost() + " of "
                + Figures.count(second.questions(), "question", "questions") + " (McNemar's exact test, "
                + Figures.p(paired.p()) + ").";
    }

    private ArmResult first(Role role) {
        return ArmResult.first(arms, role);
    }

    private void warn(String kind, String text, String next) {
        warnings.add(new Warning(kind, text, next));
    }

    private static String share(long some, long all) {
        return Figures.count(some) + " of " + Figures.count(all) + " (" + percent((double) some / all) + ")";
    }

    private static String percent(double share) {
        return Figures.percent(share) + " %";
    }
}
