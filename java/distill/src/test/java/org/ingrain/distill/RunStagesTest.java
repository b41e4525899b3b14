package org.ingrain.distill;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.SortedMap;
import java.util.concurrent.atomic.AtomicInteger;
import org.ingrain.distill.curate.CurationConfig;
import org.ingrain.distill.curate.Rule;
import org.ingrain.distill.curate.Target;
import org.ingrain.distill.evaluate.Control;
import org.ingrain.distill.evaluate.EvaluateConfig;
import org.ingrain.distill.run.Progress;
import org.ingrain.distill.sample.SampleConfig;
import org.ingrain.distill.task.Dataset;
import org.ingrain.distill.task.QuestionConfig;
import org.ingrain.files.DurableFile;
import org.ingrain.sample.SamplingParams;
import org.ingrain.tensor.InputException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Tests runs that execute the stages one by one, or that copy finished stages from another run. The files equal those
 * of a run that executes all stages in one call.
 */
class RunStagesTest {
    private static final List<Control> BOTH = List.of(Control.DISTILLED_SYSTEM_1, Control.UNFILTERED);
    private static final Runnable NOTHING = () -> {
        throw new AssertionError("nothing should be asked");
    };

    @TempDir(factory = MemoryFolder.class)
    Path base;

    private final List<String> said = Collections.synchronizedList(new ArrayList<>());

    private final class Listening implements Progress {
        @Override
        public void at(State state) {
        }

        @Override
        public void say(String line) {
            said.add(line.replace(base + "/", ""));
        }
    }

    private static DistillConfig<Runs.NoSettings> config(int samples, CurationConfig curation) {
        return Runs.with(Runs.config(Runs.letters(30, 8), List.of(samples), BOTH), curation);
    }

    private static CurationConfig curation(Rule rule, int minVotes, boolean earlyStop) {
        return new CurationConfig(rule, minVotes, 0, false, 1, earlyStop, Target.ANSWER, 0, 1);
    }

    private Outcome run(DistillConfig<Runs.NoSettings> config, String name, StageKind until, String from,
            Runnable model, Runnable steps) {
        said.clear();
        return new Pipeline(config, Dataset.load(config.data()), Runs.provenance(base),
                new Pipeline.Workers(FakeModel.with(1).ticking(model), new FakeTuner(steps)), new Listening())
                .run(new Pipeline.Goal(base.resolve(name), until, from == null ? null : base.resolve(from), null));
    }

    /** Executes a run that copies stages of {@code other}. Returns the numbers of new texts and training steps. */
    private int[] from(String other, DistillConfig<Runs.NoSettings> config, String name) {
        AtomicInteger texts = new AtomicInteger();
        AtomicInteger steps = new AtomicInteger();
        run(config, name, StageKind.REPORT, other, texts::incrementAndGet, steps::incrementAndGet);
        return new int[] {texts.get(), steps.get()};
    }

    private int texts(DistillConfig<Runs.NoSettings> config, String name) {
        AtomicInteger texts = new AtomicInteger();
        Runs.run(config, base, name, FakeModel.with(1).ticking(texts::incrementAndGet));
        return texts.get();
    }

    private boolean said(String line) {
        return said.stream().anyMatch(each -> each.equals(line));
    }

    /** The files of a run in this test's base folder ({@link Runs#content}). */
    private SortedMap<String, String> content(String name) {
        return Runs.content(base.resolve(name));
    }

    @Test
    void oneStageAfterTheOtherGivesTheBytesOfAllAtOnce() {
        DistillConfig<Runs.NoSettings> config = config(5, CurationConfig.defaults());
        Runs.run(config, base, "whole", FakeModel.with(1));
        Outcome.Paused sampled = assertInstanceOf(Outcome.Paused.class,
                run(config, "pieces", StageKind.SAMPLE, null, () -> { }, NOTHING));
        assertEquals("ended after sample", sampled.line());
        assertFalse(Files.exists(base.resolve("pieces/ledger.jsonl")));
        Outcome.Paused curated = assertInstanceOf(Outcome.Paused.class,
                run(config, "pieces", StageKind.CURATE, null, NOTHING, NOTHING));
        assertTrue(curated.line().startsWith("ended after curate; distilled: kept "), curated.line());
        assertFalse(Files.exists(base.resolve("pieces/training.json")));
        run(config, "pieces", StageKind.TRAIN, null, NOTHING, () -> { });
        run(config, "pieces", StageKind.EVALUATE, null, () -> { }, NOTHING);
        assertFalse(Files.exists(base.resolve("pieces/report.json")));
        run(config, "pieces", StageKind.REPORT, null, NOTHING, NOTHING);
        Runs.assertSame(content("whole"), base.resolve("pieces"), "in pieces");
    }

    @Test
    void roundsAreSampledAfterTheirTeacherIsTrained() {
        DistillConfig<Runs.NoSettings> c = config(4, CurationConfig.defaults());
        DistillConfig<Runs.NoSettings> config = new DistillConfig<>(c.data(), c.method(), c.sample(), c.curation(),
                c.train(), c.evaluate(), new TeachConfig(2, 0));
        run(config, "run", StageKind.SAMPLE, null, () -> { }, NOTHING);
        assertFalse(Files.exists(base.resolve("run/round-2/samples.jsonl")));
        run(config, "run", StageKind.TRAIN, null, () -> { }, () -> { });
        assertTrue(Files.exists(base.resolve("run/round-2/training.json")));
        Runs.run(config, base, "run", FakeModel.with(1));
        Runs.run(config, base, "whole", FakeModel.with(1));
        Runs.assertSame(content("whole"), base.resolve("run"), "two rounds");
    }

    @Test
    void anotherTrainingReusesTheSamplesAndTheBaseModelsAnswers() {
        DistillConfig<Runs.NoSettings> c = config(5, CurationConfig.defaults());
        Runs.run(c, base, "first", FakeModel.with(1));
        DistillConfig<Runs.NoSettings> other = new DistillConfig<>(c.data(), c.method(), c.sample(), c.curation(),
                new Runs.NoSettings(5), c.evaluate(), c.teach());
        int[] done = from("first", other, "second");
        assertEquals(3 * 4, done[1], "three trainings");
        assertEquals(0, done[0],
                "the fake students equal those of the first run, so their answers are taken over, too");
        assertTrue(said("sample: taken over from first"), said::toString);
        assertTrue(said("train: not taken over from first: made with train.steps 4, now it is 5"), said::toString);
        assertTrue(said("evaluate system-2: taken over from first"), said::toString);
        Runs.run(other, base, "whole", FakeModel.with(1));
        Runs.assertSame(content("whole"), base.resolve("second"), "samples of another run");
        assertTrue(DurableFile.read(base.resolve("second/taken-over.json"))
                .contains("\"sample\" : \"" + base.resolve("first") + "\""));
        assertTrue(DurableFile.read(base.resolve("second/run.log")).contains(" sample: taken over from "));
    }

    @Test
    void anotherEvaluationReusesTheTraining() {
        DistillConfig<Runs.NoSettings> c = config(5, CurationConfig.defaults());
        Runs.run(c, base, "first", FakeModel.with(1));
        DistillConfig<Runs.NoSettings> other = new DistillConfig<>(c.data(), c.method(), c.sample(), c.curation(),
                c.train(), new EvaluateConfig(SamplingParams.greedy(65), List.of(), 1, BOTH), c.teach());
        int[] done = from("first", other, "second");
        assertEquals(0, done[1], "no training");
        assertEquals(4 * 8 + 2 * 8, done[0]);
        assertTrue(said("evaluate distilled: not taken over from first: made with evaluate.params.maxTokens 64, now it "
                + "is 65"), said::toString);
        Runs.run(other, base, "whole", FakeModel.with(1));
        Runs.assertSame(content("whole"), base.resolve("second"), "training of another run");
    }

    /**
     * If sampling stopped early with one rule, another rule can need more or fewer samples. Only missing texts are
     * drawn, and the files equal those of a run that executes all stages in one call.
     */
    @Test
    void anotherRuleDrawsOnlyWhatIsMissing() {
        DistillConfig<Runs.NoSettings> half = config(8, curation(Rule.MORE_THAN_HALF, 0, true));
        texts(half, "half");
        int before = 0;
        for (CurationConfig rule : List.of(curation(Rule.MORE_THAN_HALF, 7, true), curation(Rule.PLURALITY, 0, true),
                curation(Rule.MORE_THAN_HALF, 0, false))) {
            DistillConfig<Runs.NoSettings> other = config(8, rule);
            String name = "other-" + before++;
            int whole = texts(other, "whole-" + name);
            int[] done = from("half", other, name);
            assertTrue(done[0] < whole - 100, done[0] + " of " + whole);
            assertTrue(said.getFirst()
                    .matches("sample: begins with \\d+ texts of half: made with (curation\\.|other q).*"),
                    said::toString);
            Runs.assertSame(content("whole-" + name), base.resolve(name), rule.toString());
        }
    }

    @Test
    void moreSamplesAndMoreQuestionsReuseTheCommonOnes() throws IOException {
        Path data = base.resolve("questions.jsonl");
        StringBuilder lines = new StringBuilder();
        for (char c = 'a'; c <= 'z'; c++) {
            lines.append("{\"question\": \"Take the last letters of the words in \\\"Ann").append(c).append(" Bo")
                    .append(c).append("\\\" and concatenate them.\", \"answer\": \"").append(c).append(c)
                    .append("\"}\n");
        }
        Files.writeString(data, lines);
        DistillConfig<Runs.NoSettings> all = Runs.config(QuestionConfig.of("last-letter", data)
                .sizes(0, 4), List.of(6), List.of());
        DistillConfig<Runs.NoSettings> few = new DistillConfig<>(all.data().sizes(12, 4), all.method(),
                new SampleConfig(List.of(4), all.sample().params()), all.curation(), all.train(), all.evaluate(),
                all.teach());
        texts(few, "few");
        int whole = texts(all, "whole");
        int[] done = from("few", all, "all");
        assertTrue(done[0] < whole, done[0] + " of " + whole);
        assertTrue(said.getFirst().endsWith(" texts of few: made with other questions"), said::toString);
        Runs.assertSame(content("whole"), base.resolve("all"), "more questions and samples");
    }

    @Test
    void nothingReusableIsAnErrorThatNamesTheSetting() {
        DistillConfig<Runs.NoSettings> c = config(4, CurationConfig.defaults());
        Runs.run(c, base, "first", FakeModel.with(1));
        DistillConfig<Runs.NoSettings> other = new DistillConfig<>(c.data(), c.method(),
                new SampleConfig(List.of(4), SamplingParams.sampled(0.5, 0.9, 64, 7)), c.curation(), c.train(),
                EvaluateConfig.greedy(65), c.teach());
        String line = assertThrows(InputException.class,
                () -> from("first", other, "second")).getMessage();
        assertEquals("fromRun: " + base.resolve("first") + ": nothing can be taken over: made with "
                + "sample.params.temperature 0.7, now it is 0.5", line);
        assertFalse(Files.exists(base.resolve("second")));
        assertThrows(InputException.class, () -> from("nowhere", c, "second"));
        assertThrows(InputException.class, () -> from("first", c, "first"));
    }

    @Test
    void aChangedFileOfTheOtherRunIsRefused() {
        DistillConfig<Runs.NoSettings> c = config(4, CurationConfig.defaults());
        Runs.run(c, base, "first", FakeModel.with(1));
        Path samples = base.resolve("first/samples.jsonl");
        DurableFile.write(samples, DurableFile.read(samples) + " ");
        String line = assertThrows(InputException.class, () -> from("first", c, "second")).getMessage();
        assertTrue(line.startsWith(samples + ": has been changed since the run made it"), line);
    }
}
