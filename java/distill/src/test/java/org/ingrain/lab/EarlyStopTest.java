package org.ingrain.lab;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.ingrain.distill.MemoryFolder;
import org.ingrain.distill.curate.Curation;
import org.ingrain.distill.curate.CurationConfig;
import org.ingrain.distill.curate.Entry;
import org.ingrain.distill.curate.Ledger;
import org.ingrain.distill.curate.Rule;
import org.ingrain.distill.curate.Target;
import org.ingrain.distill.engine.EngineAnswerer;
import org.ingrain.distill.method.Method;
import org.ingrain.distill.method.Methods;
import org.ingrain.distill.model.ModelState;
import org.ingrain.distill.run.Progress;
import org.ingrain.distill.run.RunFolder;
import org.ingrain.distill.run.Stopwatch;
import org.ingrain.distill.sample.Plan;
import org.ingrain.distill.sample.SampleConfig;
import org.ingrain.distill.sample.Sampling;
import org.ingrain.distill.task.Dataset;
import org.ingrain.distill.task.Example;
import org.ingrain.distill.task.QuestionConfig;
import org.ingrain.distill.task.Task;
import org.ingrain.engine.Engine;
import org.ingrain.engine.ModelOptions;
import org.ingrain.files.JsonLines;
import org.ingrain.files.Manifest;
import org.ingrain.sample.GeneratorConfig;
import org.ingrain.sample.SamplingParams;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Tests early stopping with the shipped lab model and its questions. Early stopping cancels samples in the running
 * batch.
 */
@Tag("long")
class EarlyStopTest {
    private static final int QUESTIONS = 40;

    @TempDir(factory = MemoryFolder.class)
    Path base;

    /** Samples answers to the questions in a new folder, curates these answers, and returns the ledger entries. */
    private List<Entry> sample(String name, int threads, boolean earlyStop) {
        LabQuestions.write(base.resolve("questions"), QUESTIONS, 1);
        LabQuestions.Kind kind = LabQuestions.Kind.LETTERS;
        QuestionConfig data = QuestionConfig.of(kind.task().name(), kind.file(base.resolve("questions"), "pool"));
        Task task = data.makeTask();
        List<Example> questions = Dataset.loadTest(data);
        Method method = Methods.load(kind.method());
        SampleConfig sampling = new SampleConfig(List.of(8, 1), SamplingParams.sampled(0.7, 1, 96, 1));
        Plan plan = method.plan(task, sampling, "sample", new ModelState.Base());
        Curation curation = new Curation(new CurationConfig(
                Rule.MORE_THAN_HALF, 0, 0, false, 1, earlyStop, Target.ANSWER, 0, 1), task, method, plan);
        Path folder = base.resolve(name);
        Ledger ledger = new Ledger(folder.resolve("ledger.jsonl"));
        Path lab = Path.of(System.getProperty("ingrain.root")).resolve("models/lab");
        ModelOptions options = ModelOptions.of(lab).withThreads(threads);
        try (Engine engine = Engine.open(options);
                RunFolder run = RunFolder.open(folder, Manifest.of(List.of(), List.of()))) {
            GeneratorConfig sizes = GeneratorConfig.of(256, 16, 128).withCacheTokens(4096).withBlockSize(16);
            EngineAnswerer answerer = new EngineAnswerer(engine, engine.generator(sizes));
            new Sampling(plan, curation.stopping(), questions, answerer).run(folder.resolve("samples.jsonl"),
                    new Stopwatch("sample", "samples", run.log(), Progress.SILENT));
        }
        ledger.make(folder.resolve("samples.jsonl"), questions.stream().map(List::of).toList(), curation, Map.of(),
                (asked, entry, target) -> true);
        return JsonLines.read(ledger.file(), Entry.class);
    }

    @Test
    void verdictsEqualFullSamplingsForFewerTokensByOneThreadAndByTwo() throws IOException {
        List<Entry> full = sample("full", 2, false);
        List<Entry> early = sample("early", 2, true);
        assertEquals(QUESTIONS, full.size());
        for (int i = 0; i < full.size(); i++) {
            assertEquals(full.get(i).verdict(), early.get(i).verdict(), full.get(i).id());
            assertEquals(full.get(i).label(), early.get(i).label(), full.get(i).id());
            assertEquals(full.get(i).targets(), early.get(i).targets(), full.get(i).id());
            assertEquals(full.get(i).answers().subList(0, early.get(i).answers().size()), early.get(i).answers(),
                    "the first ones");
        }
        assertTrue(full.stream().allMatch(entry -> entry.answers().size() == 8));
        assertTrue(full.stream().filter(Entry::kept).count() > QUESTIONS / 2, "the lab model can answer in two steps");
        assertTrue(early.stream().mapToInt(Entry::tokens).sum() < 0.8 * full.stream().mapToInt(Entry::tokens).sum(),
                "usually five samples of eight agree early");
        sample("one", 1, true);
        for (String file : List.of("samples.jsonl", "ledger.jsonl")) {
            assertEquals(Files.readString(base.resolve("early").resolve(file)),
                    Files.readString(base.resolve("one").resolve(file)), file);
        }
    }
}
