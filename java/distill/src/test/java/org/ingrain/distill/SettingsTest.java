package org.ingrain.distill;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.function.UnaryOperator;
import org.ingrain.distill.curate.CurationConfig;
import org.ingrain.distill.curate.Rule;
import org.ingrain.distill.curate.Target;
import org.ingrain.distill.evaluate.ArmResult;
import org.ingrain.distill.evaluate.Control;
import org.ingrain.distill.evaluate.EvaluateConfig;
import org.ingrain.distill.evaluate.Score;
import org.ingrain.distill.method.Method;
import org.ingrain.distill.method.Methods;
import org.ingrain.distill.run.Progress;
import org.ingrain.distill.sample.SampleConfig;
import org.ingrain.distill.task.Dataset;
import org.ingrain.distill.task.QuestionConfig;
import org.ingrain.files.JsonLines;
import org.ingrain.sample.SamplingParams;
import org.ingrain.tensor.InputException;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A run folder can be resumed only with the settings with which it was created. */
class SettingsTest {
    @TempDir(factory = MemoryFolder.class)
    Path base;
    private Path data;

    @BeforeEach
    void write() throws IOException {
        StringBuilder coins = new StringBuilder("[");
        for (int i = 0; i < 12; i++) {
            coins.append(i == 0 ? "" : ",").append("{\"inputs\": \"Q: A coin is heads up. a").append(i)
                    .append(
                            " flips the coin. b does not flip the coin. Is the coin still heads up? \", \"targets\": "
                            + "\"no\"}");
        }
        data = Files.writeString(base.resolve("coins.json"), coins.append("]"));
    }

    private DistillConfig<Runs.NoSettings> config() {
        return Runs.config(QuestionConfig.of("coin-flip", data), List.of(3), List.of());
    }

    private void assertRefused(String setting, UnaryOperator<DistillConfig<Runs.NoSettings>> change) {
        SortedMap<String, String> before = Runs.content(base.resolve("run"));
        String said = assertThrows(InputException.class,
                () -> Runs.run(change.apply(config()), base, "run", FakeModel.with(1))).getMessage();
        assertTrue(said.contains(": this run folder was made with " + setting + " "), said);
        assertEquals(1, said.lines().count());
        assertEquals(said, assertThrows(InputException.class,
                () -> Runs.check(change.apply(config()), base, "run")).getMessage());
        Runs.assertSame(before, base.resolve("run"), "nothing is touched");
    }

    @Test
    void chainsAreNotTaughtAsTexts() throws IOException {
        Path texts = Files.writeString(base.resolve("texts.jsonl"), "{\"question\": \"a\"}\n{\"question\": \"b\"}\n");
        DistillConfig<Runs.NoSettings> c = config();
        DistillConfig<Runs.NoSettings> chain = new DistillConfig<>(QuestionConfig.of("question-answer", texts),
                Methods.load("cot"), c.sample(), c.curation(), c.train(), c.evaluate(), c.teach());
        String said = assertThrows(InputException.class, () -> Runs.check(chain, base, "run")).getMessage();
        assertTrue(said.startsWith("method: cot includes the reasoning in its text"), said);
        CurationConfig responses = new CurationConfig(
                Rule.MORE_THAN_HALF, 0, 0, false, 1, false, Target.RESPONSE, 0, 1);
        Runs.check(Runs.with(chain, responses), base, "run");
    }

    @Test
    void everySettingCounts() throws IOException {
        Runs.run(config(), base, "run", FakeModel.with(1));
        assertRefused("sample.params.seed", c -> new DistillConfig<>(c.data(), c.method(),
                new SampleConfig(c.sample().samples(), c.sample().params().withSeed(99)), c.curation(), c.train(),
                c.evaluate(), c.teach()));
        assertRefused("sample.params.temperature", c -> new DistillConfig<>(c.data(), c.method(),
                new SampleConfig(c.sample().samples(), SamplingParams.sampled(0.5, 0.9, 64, 7)), c.curation(),
                c.train(),
                c.evaluate(), c.teach()));
        assertRefused("method.name", c -> new DistillConfig<>(
                c.data(), Methods.load("rar-1-step"), c.sample(), c.curation(), c.train(), c.evaluate(), c.teach()));
        assertRefused("curation.rule", c -> new DistillConfig<>(c.data(), c.method(), c.sample(),
                new CurationConfig(Rule.PLURALITY, 0, 0, false, 1, true, Target.ANSWER, 0, 1), c.train(), c.evaluate(),
                c.teach()));
        assertRefused("teach.rounds", c -> new DistillConfig<>(
                c.data(), c.method(), c.sample(), c.curation(), c.train(), c.evaluate(), new TeachConfig(2, 0)));
        assertRefused("train.steps", c -> new DistillConfig<>(
                c.data(), c.method(), c.sample(), c.curation(), new Runs.NoSettings(5), c.evaluate(), c.teach()));
        assertRefused("evaluate.params.maxTokens", c -> new DistillConfig<>(
                c.data(), c.method(), c.sample(), c.curation(), c.train(), EvaluateConfig.greedy(65), c.teach()));
        assertRefused("data.limit", c -> new DistillConfig<>(
                c.data().sizes(10, 0), c.method(), c.sample(), c.curation(), c.train(), c.evaluate(), c.teach()));
        Files.writeString(data, Files.readString(data).replace("a1 flips", "a1 does not flip"));
        assertRefused("data.data", c -> c);
        Files.writeString(data, Files.readString(data).replace("a1 does not flip", "a1 flips"));
        Runs.run(config(), base, "run", FakeModel.with(1));
        Files.writeString(base.resolve("model/config.json"), "{ }");
        String said = assertThrows(InputException.class, () -> new Pipeline(config(), Dataset.load(config().data()),
                new Provenance("test", base.resolve("model"), new TreeMap<>()),
                new Pipeline.Workers(FakeModel.with(1), new FakeTuner(() -> { })),
                Progress.SILENT).run(base.resolve("run"))).getMessage();
        assertTrue(said.contains("made with model.config.json"), said);
    }

    @Test
    void coinFlipsGoThroughAllStages() {
        Outcome.Done done = assertInstanceOf(Outcome.Done.class, Runs.run(config(), base, "run", FakeModel.with(2)));
        assertEquals(10, done.report().sizes().pool());
        assertEquals(2, done.report().sizes().test());
        assertEquals(3, done.report().arms().size());
        assertTrue(done.report().ledgers().get("distilled").total().right() >= 7);
    }

    @Test
    void badSettingsAreRefusedBeforeAnythingIsWritten() {
        DistillConfig<Runs.NoSettings> c = config();
        DistillConfig<Runs.NoSettings> tooMany = new DistillConfig<>(
                c.data(), c.method(), new SampleConfig(List.of(2, 2, 2), c.sample().params().withSeed(1)), c.curation(),
                c.train(), c.evaluate(), c.teach());
        assertThrows(InputException.class, () -> Runs.run(tooMany, base, "run", FakeModel.with(1)));
        assertTrue(Files.notExists(base.resolve("run")));
        SamplingParams greedy = SamplingParams.greedy(8);
        for (Runnable wrong : List.<Runnable>of(() -> SamplingParams.sampled(-1, 1, 8, 0),
                () -> SamplingParams.sampled(Double.NaN, 1, 8, 0), () -> SamplingParams.sampled(0, 0, 8, 0),
                () -> SamplingParams.sampled(0, 1, 8, 0).withTopK(-1), () -> SamplingParams.greedy(0),
                () -> SamplingParams.greedy(8).withStop(List.of("")),
                () -> new SampleConfig(List.of(0), greedy.withSeed(1)),
                () -> new EvaluateConfig(greedy.withSeed(1), List.of(8), 1, List.of()),
                () -> QuestionConfig.of("chess", data), () -> QuestionConfig.of("coin-flip", null),
                () -> QuestionConfig.of("coin-flip", data).sizes(-1, 0))) {
            assertThrows(InputException.class, wrong::run);
        }
    }

    /** Asserts that {@code Pipeline.check}, which needs no model, and a run refuse the settings with this message. */
    private void assertUnfit(String line, DistillConfig<Runs.NoSettings> config) {
        Path folder = base.resolve("unfit");
        assertEquals(line, assertThrows(InputException.class,
                () -> Pipeline.check(config, Dataset.load(config.data()), Runs.provenance(base),
                        Pipeline.Goal.all(folder))).getMessage());
        assertEquals(line, assertThrows(InputException.class, () -> Runs.run(config, base, "unfit", FakeModel.with(1)))
                .getMessage());
        assertTrue(Files.notExists(folder));
    }

    private DistillConfig<Runs.NoSettings> with(Method method, List<Integer> samples, CurationConfig curation,
            EvaluateConfig evaluate) {
        DistillConfig<Runs.NoSettings> c = config();
        return new DistillConfig<>(c.data(), method, new SampleConfig(samples, c.sample().params()), curation,
                c.train(), evaluate, c.teach());
    }

    @Test
    void settingsThatDoNotFitAreRefusedByTheCheck() {
        DistillConfig<Runs.NoSettings> c = config();
        EvaluateConfig control = new EvaluateConfig(c.evaluate().params(), List.of(), 1,
                List.of(Control.DISTILLED_SYSTEM_1));
        assertUnfit("minVotes: 4, expected at most the number of votes, 3",
                Runs.with(c, new CurationConfig(Rule.PLURALITY, 4, 0, false, 1, true, Target.ANSWER, 0, 1)));
        assertUnfit("orders: 2, expected 1: questions of task coin-flip have only one order",
                Runs.with(c, new CurationConfig(Rule.PLURALITY, 0, 0, false, 2, true, Target.ANSWER, 0, 1)));
        assertUnfit("testOrders: 2, expected 1: questions of task coin-flip have only one order",
                with(c.method(), List.of(3), c.curation(),
                        new EvaluateConfig(c.evaluate().params(), List.of(), 2, List.of())));
        assertUnfit("samples: 3 numbers, but method rar-2-step has 2 steps that are sampled",
                with(c.method(), List.of(2, 2, 2), c.curation(), c.evaluate()));
        CurationConfig response = new CurationConfig(Rule.PLURALITY, 0, 0, false, 1, true, Target.RESPONSE, 0, 1);
        assertUnfit("stages: 3 with target response, expected target answer: the last stage trains on the answer"
                        + " alone",
                new DistillConfig<>(c.data(), c.method(), c.sample(), response, c.train(), c.evaluate(),
                        new TeachConfig(1, 3)));
        Runs.check(Runs.with(c, response), base, "fit");
        assertUnfit("step branch has no prompt for task coin-flip",
                with(Methods.load("bsm"), List.of(1), c.curation(), control));
    }

    @Test
    void anEvaluationThatDoesNotFitIsRefusedByTheCheck() {
        QuestionConfig questions = QuestionConfig.of("coin-flip", data);
        EvaluateConfig votes = new EvaluateConfig(SamplingParams.sampled(0.7, 0.9, 64, 1), List.of(5, 2), 1, List.of());
        EvaluateConfig orders = new EvaluateConfig(SamplingParams.greedy(64), List.of(), 2, List.of());
        Map<EvaluationRun.Config, String> unfit = Map.of(
                new EvaluationRun.Config(questions, Methods.direct(), votes, null),
                        "samples: 2 numbers, but method direct has 1 step that is sampled",
                new EvaluationRun.Config(questions, Methods.load("bsm"), orders, null),
                        "step branch has no prompt for task coin-flip",
                new EvaluationRun.Config(questions, Methods.direct(), orders, null),
                "testOrders: 2, expected 1: questions of task coin-flip have only one order");
        unfit.forEach((config, line) -> {
            Path folder = base.resolve("eval");
            EvaluationRun run = new EvaluationRun(config, Runs.provenance(base), FakeModel.with(1), Progress.SILENT);
            assertEquals(line, assertThrows(InputException.class,
                    () -> EvaluationRun.check(config, Runs.provenance(base), folder)).getMessage());
            assertEquals(line, assertThrows(InputException.class, () -> run.run(folder)).getMessage());
        });
    }

    @Test
    void anEvaluationOnItsOwnWithVotes() {
        QuestionConfig questions = QuestionConfig.of("coin-flip", data);
        EvaluateConfig votes = new EvaluateConfig(SamplingParams.sampled(0.7, 0.9, 64, 1), List.of(5), 1, List.of());
        EvaluationRun.Config what = new EvaluationRun.Config(questions, Methods.load("rar-2-step"), votes, null);
        ArmResult result = new EvaluationRun(what, Runs.provenance(base), FakeModel.with(2), Progress.SILENT)
                .run(base.resolve("eval"));
        assertEquals(12, result.questions());
        assertTrue(result.accuracy() > 0.8, "five votes, each right with 0.8");
        List<Score> scores = JsonLines.read(base.resolve("eval/scores.jsonl"), Score.class);
        assertEquals(5, scores.getFirst().answers().size());
        assertEquals(result, new EvaluationRun(what, Runs.provenance(base), FakeModel.with(1).ticking(() -> {
            throw new AssertionError("nothing should be asked");
        }), Progress.SILENT).run(base.resolve("eval")));
        EvaluationRun.Config other = new EvaluationRun.Config(questions, Methods.direct(), votes, null);
        assertThrows(InputException.class,
                () -> new EvaluationRun(other, Runs.provenance(base), FakeModel.with(1), Progress.SILENT)
                .run(base.resolve("eval")));
    }
}
