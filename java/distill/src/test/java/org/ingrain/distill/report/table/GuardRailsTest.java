package org.ingrain.distill.report.table;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.ingrain.distill.curate.Distribution;
import org.ingrain.distill.curate.Ledger;
import org.ingrain.distill.evaluate.Arm.Role;
import org.ingrain.distill.evaluate.ArmResult;
import org.ingrain.distill.evaluate.Commonest;
import org.ingrain.distill.evaluate.Score;
import org.ingrain.files.JsonLines;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class GuardRailsTest {
    private static final int TEST = 40;
    private static final List<StudentFiles> STUDENTS = List.of(
            new StudentFiles(Role.DISTILLED, "distilled", "Distilled RaR", "", List.of("")));

    @TempDir
    Path run;

    /** The gold answer of a question; every second gold answer is {@code yes}. */
    private static String gold(int question) {
        return question % 2 == 0 ? "yes" : "no";
    }

    private static String wrong(int question) {
        return question % 2 == 0 ? "no" : "yes";
    }

    /** Writes the scores of an arm and returns the arm's result; an answer may be null. */
    private ArmResult arm(Role role, String name, List<String> answers) {
        List<Score> scores = new ArrayList<>();
        int right = 0;
        for (int i = 0; i < answers.size(); i++) {
            boolean correct = gold(i).equals(answers.get(i));
            right += correct ? 1 : 0;
            scores.add(new Score("q" + i, null, "q", gold(i), null, null, List.of(), answers.get(i), answers.get(i),
                    correct, 1, List.of(), List.of()));
        }
        JsonLines.write(run.resolve("evaluation/" + name + "/scores.jsonl"), scores);
        List<String> given = answers.stream().filter(answer -> answer != null).toList();
        Commonest commonest = new Commonest("yes", TEST, TEST / 2, 0.5, 0.35, 0.65,
                Distribution.of(IntStream.range(0, TEST).mapToObj(GuardRailsTest::gold).toList()));
        return new ArmResult(role, name, name, TEST, right, (double) right / TEST, 0, 1, 1, TEST - given.size(), 0,
                null, Map.of(), List.of(), Map.of(), Distribution.of(given), commonest);
    }

    /** Returns answers; the first {@code count} are right, and the others are wrong. */
    private static List<String> right(int count) {
        return IntStream.range(0, TEST).mapToObj(i -> i < count ? gold(i) : wrong(i)).toList();
    }

    private static Map<String, Ledger.Summary> ledger(int examples, int unanswered, List<String> labels) {
        Ledger.Count count = new Ledger.Count(examples, labels.size(), labels.size(), 0, 0, 8L * examples,
                8L * examples, unanswered, 0, 100, 0);
        return Map.of("distilled", new Ledger.Summary(count, Map.of(), Map.of(), Distribution.of(labels)));
    }

    private static List<String> labels(int yes, int no) {
        List<String> labels = new ArrayList<>(Collections.nCopies(yes, "yes"));
        labels.addAll(Collections.nCopies(no, "no"));
        return labels;
    }

    private Map<String, Warning> check(Map<String, Ledger.Summary> ledgers, ArmResult... arms) {
        Map<String, Warning> found = new LinkedHashMap<>();
        GuardRails.check(run, List.of(arms), STUDENTS, ledgers).forEach(warning -> found.put(warning.kind(), warning));
        return found;
    }

    @Test
    void aGoodRunHasNoWarnings() {
        assertEquals(Map.of(), check(ledger(100, 0, labels(40, 30)), arm(Role.SYSTEM_1, "system-1", right(10)),
                arm(Role.SYSTEM_2, "system-2", right(36)), arm(Role.DISTILLED_SYSTEM_1, "control", right(12)),
                arm(Role.UNFILTERED, "unfiltered", right(20)), arm(Role.DISTILLED, "distilled", right(35))));
    }

    /** A run with a model that is too small: System 2 is worse than System 1, and the student always answers yes. */
    @Test
    void aConstantIsNotMistakenForAStudent() {
        List<String> silent = new ArrayList<>(Collections.nCopies(TEST - 4, null));
        silent.addAll(List.of("yes", "no", "yes", "no"));
        Map<String, Warning> found = check(ledger(32, 150, labels(23, 0)), arm(Role.SYSTEM_1, "system-1", right(18)),
                arm(Role.SYSTEM_2, "system-2", silent),
                arm(Role.DISTILLED, "distilled", Collections.nCopies(TEST, "yes")));
        assertEquals(List.of("teacher-not-better", "samples-without-answer", "few-kept", "labels-one-sided",
                "test-without-answer", "student-constant", "nothing-learnt"), List.copyOf(found.keySet()));
        assertEquals("The teacher is not shown to be better than System 1: 10.0 % against 45.0 %, better on 4 and "
                + "worse on 18 of 40 questions (McNemar's exact test, p = 0.004).",
                found.get("teacher-not-better").text());
        assertEquals("The task finds no answer in 150 of 256 (58.6 %) sampled texts for Distilled RaR.",
                found.get("samples-without-answer").text());
        assertEquals("Curation kept 23 of 32 (71.9 %) questions for Distilled RaR.", found.get("few-kept").text());
        assertEquals("23 of 23 (100.0 %) labels for Distilled RaR are yes; of the gold answers to the test questions, "
                + "50.0 % are yes.", found.get("labels-one-sided").text());
        assertEquals("system-2: the task finds no answer to 36 of 40 (90.0 %) held-out questions.",
                found.get("test-without-answer").text());
        assertEquals("distilled answers yes to 40 of 40 (100.0 %) held-out questions. Always answering yes is right on "
                + "50.0 %.", found.get("student-constant").text());
        assertTrue(found.get("nothing-learnt").line().contains("Train on more rows or for more epochs"));
    }

    @Test
    void controlsAsGoodAreNamed() {
        assertEquals(List.of("control-as-good", "filter-not-needed"), List.copyOf(check(ledger(100, 0, labels(40, 30)),
                arm(Role.SYSTEM_1, "system-1", right(10)), arm(Role.SYSTEM_2, "system-2", right(36)),
                arm(Role.DISTILLED_SYSTEM_1, "control", right(34)), arm(Role.UNFILTERED, "unfiltered", right(35)),
                arm(Role.DISTILLED, "distilled", right(35))).keySet()));
    }

    @Test
    void aLostSystemTwoIsNamed() {
        ArmResult[] arms = {arm(Role.SYSTEM_1, "system-1", right(10)), arm(Role.SYSTEM_2, "system-2", right(36)),
                arm(Role.DISTILLED, "distilled", right(35)), arm(Role.SYSTEM_2_DISTILLED, "after", right(20))};
        Map<String, Warning> found = check(ledger(100, 0, labels(40, 30)), arms);
        assertEquals(List.of("system-2-lost"), List.copyOf(found.keySet()));
        assertEquals("After the distillation the model is worse at System 2 itself: 50.0 % against 90.0 %, better on 0 "
                + "and worse on 16 of 40 questions (McNemar's exact test, p < 0.001).",
                found.get("system-2-lost").text());
        arms[3] = arm(Role.SYSTEM_2_DISTILLED, "after", right(34));
        assertEquals(Map.of(), check(ledger(100, 0, labels(40, 30)), arms));
    }

    @Test
    void withoutATestTheLabelsAreChecked() {
        assertEquals(List.of("labels-one-sided"), List.copyOf(check(ledger(100, 0, labels(60, 3))).keySet()));
        assertEquals(List.of(), List.copyOf(check(ledger(100, 0, labels(50, 10))).keySet()));
        assertEquals(List.of("few-kept"), List.copyOf(check(ledger(1000, 0, labels(50, 40))).keySet()),
                "curation kept fewer than a tenth of the questions");
        assertTrue(Files.notExists(run.resolve("evaluation")));
    }
}
