package org.ingrain.distill;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.ingrain.distill.evaluate.Arm;
import org.ingrain.distill.evaluate.ArmResult;
import org.ingrain.distill.evaluate.EvaluateConfig;
import org.ingrain.distill.evaluate.Evaluation;
import org.ingrain.distill.evaluate.SeedResult;
import org.ingrain.distill.method.Method;
import org.ingrain.distill.method.Methods;
import org.ingrain.distill.model.Finish;
import org.ingrain.distill.model.ModelState;
import org.ingrain.distill.model.TextCompletion;
import org.ingrain.distill.report.table.Report;
import org.ingrain.distill.report.table.SeedsReport;
import org.ingrain.distill.run.Progress;
import org.ingrain.distill.run.RunFolder;
import org.ingrain.distill.run.Stopwatch;
import org.ingrain.distill.task.Example;
import org.ingrain.distill.task.LastLetter;
import org.ingrain.files.Json;
import org.ingrain.files.Manifest;
import org.ingrain.sample.SamplingParams;
import org.ingrain.tensor.InputException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Tests the optional parts of the report's table: columns for majority votes of k answers, and rows for further methods
 * that are evaluated with the base model.
 */
class VotesTest {
    private static final SamplingParams WARM = SamplingParams.sampled(0.7, 0.9, 64, 0);

    @TempDir(factory = MemoryFolder.class)
    Path base;

    private static EvaluateConfig votes(Integer... k) {
        return new EvaluateConfig(WARM.withSeed(1), List.of(), 1, List.of(), List.of(k), List.of());
    }

    private static DistillConfig<Runs.NoSettings> with(DistillConfig<Runs.NoSettings> c, EvaluateConfig evaluate) {
        return new DistillConfig<>(c.data(), c.method(), c.sample(), c.curation(), c.train(), evaluate, c.teach());
    }

    /**
     * There are two questions with five scripted answers each. For question 1 the answers are right, wrong, wrong,
     * right, right; for question 2 they are wrong, right, missing, right, wrong.
     */
    @Test
    void theFirstSoManyAnswersVote() {
        Map<String, List<String>> says = Map.of("1", List.of("\"ne\"", "\"xx\"", "\"xx\"", "\"ne\"", "\"ne\""),
                "2", List.of("\"xx\"", "\"ba\"", "?", "\"ba\"", "\"xx\""));
        List<Example> test = List.of(
                new Example("1", "Take the last letters of the words in \"Ann Lee\" and concatenate them.", "ne"),
                new Example("2", "Take the last letters of the words in \"Bob Eva\" and concatenate them.", "ba"));
        try (RunFolder run = RunFolder.open(base.resolve("run"), Manifest.of(List.of(), List.of()))) {
            ArmResult result = new Evaluation(votes(5, 1, 2, 3), new LastLetter(2), test).measure(
                    Arm.single("system-1", "System 1", Methods.direct(), new ModelState.Base()), run.path(),
                    (first, done) -> first.forEach(request -> done.apply(new TextCompletion(request.key(),
                            says.get(request.key().id()).get(request.sample()), 2, Finish.STOP))),
                    new Stopwatch("votes", "answers", run.log(), Progress.SILENT), run.digests());
            assertEquals(List.of(1, 2, 3, 5), result.votes().stream().map(ArmResult.Vote::k).toList());
            // In a tie the earliest answer wins. With k = 3, the wrong answer xx to question 1 has two votes. The
            // answers to question 2 tie for every k > 1, and the first answer is wrong.
            assertEquals(List.of(1, 1, 0, 1), result.votes().stream().map(ArmResult.Vote::right).toList());
            assertEquals(1, result.right(), "the majority of all five");
            assertEquals(10, result.tokens(), "of all five answers");
            assertEquals(Map.of("k = 1", 0.5, "k = 2", 0.5, "k = 3", 0.0, "k = 5", 0.5), result.shares());
        }
    }

    @Test
    void columnsOfEveryTable() throws IOException {
        DistillConfig<Runs.NoSettings> config = with(
                Runs.config(Runs.letters(30, 10), List.of(4), List.of()), votes(1, 5, 10));
        Report report = ((Outcome.Done) Runs.run(config, base, "run", FakeModel.with(2))).report();
        assertTrue(report.table().contains("#Tokens, k = 10     right  unanswered  k = 1 %  k = 5 %  k = 10 %"),
                report.table());
        assertTrue(Files.readString(base.resolve("run/report.md"))
                .contains("| #Tokens, k = 10 | right | unanswered | k = 1 % | k = 5 % | k = 10 % |"));
        assertTrue(Files.readString(base.resolve("run/report.html"))
                .contains("accuracy, its interval and #Tokens are for k = 10."));
        for (int arm = 0; arm < 3; arm++) {
            ArmResult result = report.arms().get(arm);
            assertEquals(result.accuracy(), result.votes().getLast().accuracy());
            assertEquals(result.votes().get(1).right(),
                    Json.parse(Files.readString(base.resolve("run/report.json")), "report")
                            .path("arms").path(arm).path("votes").path(1).path("right").asInt());
        }
        SeedsReport seeds = SeedsReport.of(List.of(1L, 2L), List.of(report, report), List.of());
        assertTrue(seeds.text().contains("#Tokens, k = 10  k = 1 %  k = 5 %  k = 10 %"), seeds.text());
        assertEquals(report.arms().getFirst().commonest().accuracy(), seeds.rows().getLast().mean());
        assertEquals("always the commonest gold answer", seeds.rows().getLast().title());
        SeedResult row = seeds.rows().getFirst();
        assertEquals(report.arms().getFirst().votes().get(1).accuracy(), row.shares().get("k = 5"));
    }

    @Test
    void oneAnswerIsAsItWas() {
        DistillConfig<Runs.NoSettings> plain = Runs.config(Runs.letters(12, 4), List.of(2), List.of());
        EvaluateConfig e = plain.evaluate();
        EvaluateConfig one = new EvaluateConfig(e.params(), List.of(), 1, List.of(), List.of(1), List.of());
        assertEquals(e, one);
        Runs.run(plain, base, "plain", FakeModel.with(1));
        Runs.run(with(plain, one), base, "one", FakeModel.with(1));
        Runs.assertSame(Runs.content(base.resolve("plain")), base.resolve("one"), "votes 1");
        assertFalse(Runs.content(base.resolve("one")).values().stream()
                .anyMatch(text -> text.contains("\"votes\" : [ ]") || text.contains("baselines")));
    }

    @Test
    void baselinesFollowSystemTwo() {
        DistillConfig<Runs.NoSettings> plain = Runs.config(Runs.letters(12, 4), List.of(2), List.of());
        EvaluateConfig besides = baselines("rar-1-step", "cot");
        Report report = ((Outcome.Done) Runs.run(with(plain, besides), base, "run", FakeModel.with(1))).report();
        assertEquals(List.of("system-1", "system-2", "baseline-rar-1-step", "baseline-cot", "distilled"),
                report.arms().stream().map(ArmResult::name).toList());
        assertEquals("1-step RaR", report.arms().get(2).title());
        assertTrue(Files.exists(base.resolve("run/evaluation/baseline-cot/samples.jsonl")));
        assertRefused("baselines: two are named cot, expected different names", () -> baselines("cot", "cot"));
        assertRefused("baselines: rar-2-step, expected methods other than direct and rar-2-step, "
                + "which are always evaluated",
                () -> with(plain, baselines("rar-2-step")));
        assertRefused("baselines: direct, expected methods other than direct and rar-2-step, "
                + "which are always evaluated",
                () -> with(plain, baselines("direct")));
        assertRefused("step branch has no prompt for task last-letter",
                () -> Runs.check(with(plain, baselines("bsm")), base, "other"));
        assertRefused("testVotes: [0, 5], expected 1 to 10000", () -> votes(0, 5));
        assertRefused("testVotes: [1, 5], expected 1 or a temperature above 0: at temperature 0 all answers are equal",
                () -> new EvaluateConfig(SamplingParams.greedy(64), List.of(), 1, List.of(), List.of(1, 5), List.of()));
    }

    @Test
    void systemTwoOfTheStudentIsTheLastRow() {
        DistillConfig<Runs.NoSettings> plain = Runs.config(Runs.letters(12, 4), List.of(2), List.of());
        EvaluateConfig e = plain.evaluate();
        EvaluateConfig after = new EvaluateConfig(e.params(), List.of(), 1, List.of(), List.of(), List.of(), 0, true);
        Report report = ((Outcome.Done) Runs.run(with(plain, after), base, "run", FakeModel.with(1))).report();
        ArmResult last = report.arms().getLast();
        assertEquals("system-2-distilled", last.name());
        assertEquals("2-step RaR by the distilled model", last.title());
        assertTrue(report.table().contains("2-step RaR by the distilled model  "), report.table());
        assertRefused("controlSamples: 3, expected none without the control distilled-system-1",
                () -> new EvaluateConfig(e.params(), List.of(), 1, List.of(), List.of(), List.of(), 3, false));
    }

    private static EvaluateConfig baselines(String... names) {
        List<Method> methods = List.of(names).stream().map(Methods::load).toList();
        return new EvaluateConfig(SamplingParams.greedy(64), List.of(), 1, List.of(), List.of(), methods);
    }

    private static void assertRefused(String said, Runnable what) {
        assertEquals(said, assertThrows(InputException.class, what::run).getMessage());
    }
}
