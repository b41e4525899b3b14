package org.ingrain.distill;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.ingrain.distill.curate.CurationConfig;
import org.ingrain.distill.curate.Entry;
import org.ingrain.distill.curate.Ledger;
import org.ingrain.distill.curate.Rule;
import org.ingrain.distill.curate.Target;
import org.ingrain.distill.evaluate.ArmResult;
import org.ingrain.distill.evaluate.Control;
import org.ingrain.distill.evaluate.EvaluateConfig;
import org.ingrain.distill.evaluate.Score;
import org.ingrain.distill.model.TrainingRow;
import org.ingrain.distill.report.table.Report;
import org.ingrain.distill.run.Progress;
import org.ingrain.distill.sample.SampleConfig;
import org.ingrain.distill.sample.SampleRecord;
import org.ingrain.distill.task.Dataset;
import org.ingrain.distill.task.QuestionConfig;
import org.ingrain.files.DurableFile;
import org.ingrain.files.Json;
import org.ingrain.files.JsonLines;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

class PipelineTest {
    private static final List<Control> BOTH = List.of(Control.DISTILLED_SYSTEM_1, Control.UNFILTERED);

    @TempDir(factory = MemoryFolder.class)
    Path base;

    @Test
    void distilsEndToEndWithBothControls() {
        DistillConfig<Runs.NoSettings> config = Runs.config(Runs.letters(300, 100), List.of(8), BOTH);
        Outcome.Done done = assertInstanceOf(Outcome.Done.class, Runs.run(config, base, "run", FakeModel.with(2)));
        Map<String, ArmResult> arms = done.report().arms().stream()
                .collect(Collectors.toMap(ArmResult::name, arm -> arm));
        assertEquals(List.of("system-1", "system-2", "distilled-system-1", "unfiltered", "distilled"),
                done.report().arms().stream().map(ArmResult::name).toList());
        // FakeModel gives the right answer with probability 0.3, 0.8 or 0.95. Over 100 questions, three standard
        // deviations of these accuracies are 0.14, 0.12 and 0.07. For a wrong answer, FakeModel replaces
        // the first letter by a random letter, which is sometimes the right one.
        assertEquals(0.30, arms.get("system-1").accuracy(), 0.16);
        assertEquals(0.80, arms.get("system-2").accuracy(), 0.14);
        assertEquals(0.95, arms.get("distilled").accuracy(), 0.07);
        assertTrue(arms.get("distilled").tokens() < arms.get("system-2").tokens() / 3);

        Ledger.Summary summary = done.report().ledgers().get("distilled");
        assertEquals(200, summary.total().examples());
        assertTrue(summary.total().kept() > 180, "8 samples right with 0.8 almost always have a majority");
        assertTrue(summary.total().right() >= summary.total().known() - 2);
        assertEquals(summary.total().examples(), summary.byVotes().values().stream().mapToInt(Ledger.Count::examples)
                .sum());
        int kept = summary.total().kept();
        List<TrainingRow> rows = JsonLines.read(base.resolve("run/train.jsonl"), TrainingRow.class);
        assertEquals(kept, rows.size());
        assertTrue(rows.getFirst().prompt().getFirst().content()
                .startsWith("Take the last letters of the words in \""));
        assertTrue(rows.getFirst().completion().matches("[a-z]{2}"), "the bare answer, no intermediate tokens");
        assertEquals(200, done.report().ledgers().get("unfiltered").total().kept());
        assertTrue(done.report().ledgers().get("distilled-system-1").total().kept() < kept);
        String log = DurableFile.read(base.resolve("run/run.log"));
        assertTrue(log.contains(" fallback, 2 calls: matmul of (64, 8) by (8, 8): a fake\n"), log);
        assertTrue(log.contains(" generator: a fake of any size\n"), log);
    }

    @Test
    void ledgerAndScoresHoldEverything() {
        DistillConfig<Runs.NoSettings> config = Runs.config(Runs.letters(12, 4), List.of(3, 2), List.of());
        Runs.run(config, base, "run", FakeModel.with(1));
        List<SampleRecord> samples = JsonLines.read(base.resolve("run/samples.jsonl"), SampleRecord.class);
        assertEquals(8 * (3 + 3 * 2), samples.size());
        List<Entry> entries = JsonLines.read(base.resolve("run/ledger.jsonl"), Entry.class);
        assertEquals(8, entries.size());
        for (Entry entry : entries) {
            assertEquals(6, entry.answers().size());
            assertEquals(List.of("0.0", "0.1", "1.0", "1.1", "2.0", "2.1"),
                    entry.answers().stream().map(a -> a.path()).toList());
            assertEquals(1, entry.answers().getFirst().steps().size());
            assertTrue(entry.answers().getFirst().steps().getFirst().text().startsWith("In other words"));
            assertEquals(6, entry.votes().stream().mapToInt(v -> v.votes()).sum());
            assertEquals(entry.kept(), !entry.targets().isEmpty());
        }
        for (Score score : JsonLines.read(base.resolve("run/evaluation/system-2/scores.jsonl"), Score.class)) {
            int last = score.answers().getFirst().tokens();
            assertEquals(last + score.answers().getFirst().steps().getFirst().tokens(), score.tokens());
        }
    }

    @Test
    void sameBytesWithOneThreadAndWithThree() {
        DistillConfig<Runs.NoSettings> config = Runs.config(Runs.letters(20, 6), List.of(4, 2), BOTH);
        Runs.run(config, base, "one", FakeModel.with(1));
        Runs.run(config, base, "three", FakeModel.with(3));
        Runs.assertSame(Runs.content(base.resolve("one")), base.resolve("three"), "three threads");
        DistillConfig<Runs.NoSettings> otherSeed = new DistillConfig<>(config.data(), config.method(),
                new SampleConfig(List.of(4, 2), config.sample().params().withSeed(8)), config.curation(),
                config.train(), config.evaluate(), config.teach());
        Runs.run(otherSeed, base, "seed", FakeModel.with(1));
        assertNotEquals(Runs.content(base.resolve("one")).get("samples.jsonl"),
                Runs.content(base.resolve("seed")).get("samples.jsonl"));
    }

    @Test
    void votesThatStopEarlyKeepTheSameExamplesForFewerTokens() {
        DistillConfig<Runs.NoSettings> full = Runs.config(Runs.letters(60, 10), List.of(8), BOTH);
        DistillConfig<Runs.NoSettings> early = Runs.with(full, CurationConfig.defaults());
        Outcome.Done drawn = (Outcome.Done) Runs.run(full, base, "full", FakeModel.with(2));
        Outcome.Done stopped = (Outcome.Done) Runs.run(early, base, "early", FakeModel.with(2));
        Runs.run(early, base, "early-three", FakeModel.with(3));
        Runs.assertSame(Runs.content(base.resolve("early")), base.resolve("early-three"), "three threads");
        for (String file : List.of("train.jsonl", "controls/unfiltered/train.jsonl",
                "controls/distilled-system-1/train.jsonl")) {
            assertEquals(Runs.content(base.resolve("full")).get(file), Runs.content(base.resolve("early")).get(file),
                    file);
        }
        assertEquals(drawn.report().arms(), stopped.report().arms());
        JsonNode timing = Json.parse(DurableFile.read(base.resolve("early-three/timings.json")), "timings")
                .at("/stages/sample");
        long kept = JsonLines.read(base.resolve("early-three/samples.jsonl"), SampleRecord.class).stream()
                .mapToLong(SampleRecord::tokens).sum();
        assertEquals(kept, timing.path("tokens").asLong() - timing.path("unused").asLong());
        Ledger.Count all = drawn.report().ledgers().get("distilled").total();
        Ledger.Count some = stopped.report().ledgers().get("distilled").total();
        assertEquals(0, all.saved());
        assertEquals(all.planned(), some.planned());
        assertTrue(some.saved() > 0.2 && some.tokens() < 0.8 * all.tokens(),
                "usually five samples of eight agree early: " + some);
        assertEquals(0, all.savedTokens());
        assertEquals(1, (double) (some.tokens() + some.savedTokens()) / all.tokens(), 0.1,
                "an estimate of " + all.tokens() + " tokens: " + some);
        List<Entry> fully = JsonLines.read(base.resolve("full/ledger.jsonl"), Entry.class);
        List<Entry> early2 = JsonLines.read(base.resolve("early/ledger.jsonl"), Entry.class);
        for (int i = 0; i < fully.size(); i++) {
            assertEquals(fully.get(i).verdict(), early2.get(i).verdict());
            assertEquals(fully.get(i).answers().subList(0, early2.get(i).answers().size()), early2.get(i).answers(),
                    "the first ones");
        }
    }

    @Test
    void roundsAndStagesGoOnFromTheStudentBefore() {
        DistillConfig<Runs.NoSettings> c = Runs.config(Runs.letters(30, 10), List.of(4), List.of());
        DistillConfig<Runs.NoSettings> config = new DistillConfig<>(
                c.data(), c.method(), c.sample(), c.curation(), c.train(), c.evaluate(), new TeachConfig(2, 3));
        Outcome.Done done = (Outcome.Done) Runs.run(config, base, "run", FakeModel.with(2));
        assertEquals(List.of("system-1", "system-2", "distilled", "system-2-round-2", "distilled-round-2"),
                done.report().arms().stream().map(ArmResult::name).toList());
        List<String> before = JsonLines.read(base.resolve("run/stages/0/train.jsonl"), TrainingRow.class).stream()
                .map(TrainingRow::completion).toList();
        List<String> middle = JsonLines.read(base.resolve("run/stages/2/train.jsonl"), TrainingRow.class).stream()
                .map(TrainingRow::completion).toList();
        List<String> last = JsonLines.read(base.resolve("run/train.jsonl"), TrainingRow.class).stream()
                .map(TrainingRow::completion).toList();
        for (int i = 0; i < last.size(); i++) {
            assertEquals("The answer is \"" + last.get(i) + "\".", before.get(i));
            assertEquals("The answer is \"" + last.get(i) + "\".", middle.get(i),
                    "this stage must remove all text before the answer");
        }
        assertTrue(Files.exists(base.resolve("run/round-2/stages/1/training.json")));
        Runs.run(config, base, "again", FakeModel.with(1));
        Runs.assertSame(Runs.content(base.resolve("run")), base.resolve("again"), "one thread");
    }

    @Test
    void withAVotePerStageTheControlHasTheVotesOfTheFirstStage() {
        DistillConfig<Runs.NoSettings> config = Runs.config(Runs.letters(12, 4), List.of(3, 2),
                List.of(Control.DISTILLED_SYSTEM_1));
        CurationConfig perStage = new CurationConfig(Rule.PLURALITY, 0, 0, true, 1, false, Target.ANSWER, 0, 1);
        Runs.run(Runs.with(config, perStage), base, "run", FakeModel.with(2));
        assertEquals(3, planned("run"));
        EvaluateConfig e = config.evaluate();
        EvaluateConfig four = new EvaluateConfig(e.params(), e.samples(), e.orders(), e.controls(), e.votes(),
                e.baselines(), 4, false);
        Runs.run(new DistillConfig<>(config.data(), config.method(), config.sample(), perStage, config.train(), four,
                config.teach()), base, "four", FakeModel.with(2));
        assertEquals(4, planned("four"), "as the user says");
    }

    private int planned(String run) {
        return JsonLines.read(base.resolve(run + "/controls/distilled-system-1/ledger.jsonl"), Entry.class).getFirst()
                .planned();
    }

    /**
     * The control draws six answers per question, as many as System 2. So the control and System 2 can use the same
     * rule: a label needs at least five votes.
     */
    @Test
    void theDirectControlGivesAsManyAnswersAsSystem2() {
        DistillConfig<Runs.NoSettings> config = Runs.with(
                Runs.config(Runs.letters(12, 4), List.of(2, 3), List.of(Control.DISTILLED_SYSTEM_1)),
                new CurationConfig(Rule.PLURALITY, 5, 0, false, 1, false, Target.ANSWER, 0, 1));
        Runs.run(config, base, "run", FakeModel.with(2));
        List<SampleRecord> direct = JsonLines.read(base.resolve("run/controls/distilled-system-1/samples.jsonl"),
                SampleRecord.class);
        assertEquals(List.of("0", "1", "2", "3", "4", "5"), direct.stream()
                .filter(s -> s.id().equals(direct.getFirst().id())).map(SampleRecord::path).toList());
        for (String ledger : List.of("ledger.jsonl", "controls/distilled-system-1/ledger.jsonl")) {
            for (Entry entry : JsonLines.read(base.resolve("run").resolve(ledger), Entry.class)) {
                assertEquals(6, entry.planned());
                assertEquals(entry.votes().getFirst().votes() >= 5, entry.kept(), ledger);
            }
        }
    }

    @Test
    void aFinishedRunIsNotDoneAgain() {
        DistillConfig<Runs.NoSettings> config = Runs.config(Runs.letters(10, 4), List.of(4), BOTH);
        Outcome first = Runs.run(config, base, "run", FakeModel.with(2));
        Outcome again = Runs.run(config, base, "run", FakeModel.with(2).ticking(() -> {
            throw new AssertionError("nothing should be asked");
        }));
        assertEquals(((Outcome.Done) first).report(), ((Outcome.Done) again).report());
    }

    @Test
    void endsAfterTheLedgerWhereNothingIsKept() {
        DistillConfig<Runs.NoSettings> config = Runs.config(Runs.letters(10, 4), List.of(8), BOTH);
        DistillConfig<Runs.NoSettings> all = Runs.with(
                config, new CurationConfig(Rule.MORE_THAN_HALF, 8, 0, false, 1, true, Target.ANSWER, 0, 1));
        FakeModel unsure = new FakeModel(0.3, 0.3, 0.95, 2, () -> { });
        Outcome.NothingKept nothing = assertInstanceOf(Outcome.NothingKept.class, Runs.run(all, base, "run", unsure));
        assertTrue(nothing.line().contains("kept none of 6 examples"), nothing.line());
        assertFalse(nothing.line().contains("\n"));
        assertTrue(Files.exists(base.resolve("run/ledger.jsonl")));
        assertFalse(Files.exists(base.resolve("run/train.jsonl")));
        assertFalse(Files.exists(base.resolve("run/report.md")));
        assertEquals(nothing, Runs.run(all, base, "run", unsure));
    }

    @Test
    void unlabelledQuestionsAreDistilledButNotEvaluated() throws Exception {
        Path file = base.resolve("questions.jsonl");
        Files.writeString(file, """
                {"question": "Take the last letters of the words in \\"Edgar Bob\\" and concatenate them."}
                {"question": "Take the last letters of the words in \\"Ann Lee\\" and concatenate them."}
                """);
        Outcome outcome = Runs.run(Runs.config(QuestionConfig.of("last-letter", file), List.of(8), List.of()), base,
                "run", FakeModel.with(1));
        Report report = assertInstanceOf(Outcome.Done.class, outcome).report();
        assertTrue(report.arms().isEmpty());
        assertTrue(report.table().contains("not evaluated"));
        assertEquals(0, report.ledgers().get("distilled").total().known());
    }

    @Test
    void reportsTheTableOfThePaper() throws Exception {
        DistillConfig<Runs.NoSettings> config = Runs.config(Runs.letters(30, 10), List.of(8), BOTH);
        Outcome.Done done = (Outcome.Done) Runs.run(config, base, "run", FakeModel.with(2));
        List<String> lines = done.report().table().lines().toList();
        assertEquals("last-letter, 2-step RaR: 20 questions distilled on, 10 held out", lines.getFirst());
        for (String title : List.of("System 1", "2-step RaR", "Distilled System 1", "Distilled 2-step RaR, no filter",
                "Distilled 2-step RaR")) {
            assertTrue(lines.stream().anyMatch(line -> line.startsWith(title + " ")), title);
        }
        assertTrue(lines.stream().anyMatch(line -> line.matches("always \\w+ \\(commonest gold answer\\) .*")),
                "the baseline of the commonest answer");
        assertTrue(lines.getLast().startsWith("Distilled 2-step RaR, no filter: kept 20 of 20 examples, labels right "),
                lines.getLast());
        String page = Files.readString(base.resolve("run/report.md"));
        for (String part : List.of("#Tokens", "95 % interval", "## Curation", "Votes, Distilled 2-step RaR",
                "What counts as an answer: One letter", "Answers to the held-out questions", "always ",
                "sample.params.seed: `7`", "model.config.json",
                "1. rephrase, 8 samples, wording quoted by a secondary source: `{question} Based on",
                "version: `test`")) {
            assertTrue(page.contains(part), part);
        }
    }

    @Test
    void progressCountsUpToItsTotal() {
        DistillConfig<Runs.NoSettings> config = Runs.config(Runs.letters(10, 4), List.of(2), List.of());
        List<Progress.State> states = Collections.synchronizedList(new ArrayList<>());
        new Pipeline(config, Dataset.load(config.data()), Runs.provenance(base),
                new Pipeline.Workers(FakeModel.with(2), new FakeTuner(() -> { })), states::add)
                .run(base.resolve("run"));
        for (String stage : List.of("sample", "train", "evaluate system-1", "evaluate system-2",
                "evaluate distilled")) {
            List<Progress.State> own = states.stream().filter(state -> state.stage().equals(stage)).toList();
            assertEquals(own.getLast().total(), own.getLast().done(), stage);
            assertEquals(own.stream().map(Progress.State::done).sorted().toList(),
                    own.stream().map(Progress.State::done).toList());
        }
    }
}
