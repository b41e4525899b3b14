package org.ingrain.distill.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.ingrain.distill.MemoryFolder;
import org.ingrain.distill.Shared;
import org.ingrain.distill.method.Methods;
import org.ingrain.distill.model.Answerer;
import org.ingrain.distill.model.Finish;
import org.ingrain.distill.model.ModelState;
import org.ingrain.distill.model.SampleKey;
import org.ingrain.distill.model.TextCompletion;
import org.ingrain.distill.model.TextRequest;
import org.ingrain.distill.run.Progress;
import org.ingrain.distill.run.RunFolder;
import org.ingrain.distill.run.Stopwatch;
import org.ingrain.distill.sample.Plan;
import org.ingrain.distill.sample.SampleConfig;
import org.ingrain.distill.sample.SampleRecord;
import org.ingrain.distill.sample.Sampling;
import org.ingrain.distill.sample.Stopping;
import org.ingrain.distill.task.Dataset;
import org.ingrain.distill.task.Example;
import org.ingrain.distill.task.QuestionConfig;
import org.ingrain.engine.Engine;
import org.ingrain.engine.ModelOptions;
import org.ingrain.files.JsonLines;
import org.ingrain.files.Manifest;
import org.ingrain.sample.GeneratorConfig;
import org.ingrain.sample.SamplingParams;
import org.ingrain.template.Message;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.io.TempDir;

/** Tests the answerer with real weights and real questions. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class EngineAnswererTest {
    private Engine engine;

    @TempDir(factory = MemoryFolder.class)
    Path base;

    @BeforeAll
    void load() {
        engine = Engine.open(ModelOptions.of(Shared.model("minimind2-small")));
    }

    @AfterAll
    void close() {
        if (engine != null) {
            engine.close();
        }
    }

    private EngineAnswerer answerer(int contextLength, int maxSequences, boolean sharePrefix) {
        GeneratorConfig config = GeneratorConfig.of(contextLength, maxSequences, 64).withCacheTokens(2L * contextLength)
                .withBlockSize(16).withPrefixCache(sharePrefix).withSharePrefix(sharePrefix);
        return new EngineAnswerer(engine, engine.generator(config));
    }

    @Test
    void answersDoNotDependOnTheBatch() throws IOException {
        QuestionConfig config = QuestionConfig.of("coin-flip", Shared.data("coin_val.json")).sizes(4, 1);
        List<Example> questions = Dataset.load(config).pool();
        SamplingParams params = SamplingParams.sampled(0.9, 0.95, 20, 0);
        Plan plan = Methods.load("rar-2-step").plan(config.makeTask(),
                new SampleConfig(List.of(3, 2), params.withSeed(5)), "sample", new ModelState.Base());
        Path wide = base.resolve("wide.jsonl");
        Path narrow = base.resolve("narrow.jsonl");
        try (RunFolder run = RunFolder.open(base.resolve("log"), Manifest.of(List.of(), List.of()))) {
            new Sampling(plan, Stopping.NEVER, questions, answerer(256, 16, true)).run(wide, watch(run));
            // Writes a log with three of the completions, as an interrupted run would leave it.
            List<String> lines = Files.readAllLines(wide);
            Files.write(base.resolve("narrow.jsonl.log"), List.of(lines.get(0), lines.get(2), lines.get(6)));
            new Sampling(plan, Stopping.NEVER, questions, answerer(256, 2, false)).run(narrow, watch(run));
        }
        assertEquals(Files.readString(wide), Files.readString(narrow));
        List<SampleRecord> samples = JsonLines.read(wide, SampleRecord.class);
        assertEquals(3 * (3 + 3 * 2), samples.size());
        assertTrue(samples.stream().allMatch(sample -> sample.tokens() > 0 && sample.tokens() <= 20));
        assertTrue(samples.stream().map(SampleRecord::text).distinct().count() > 9, "sampled, not repeated");
    }

    private static Stopwatch watch(RunFolder run) {
        return new Stopwatch("sample", "samples", run.log(), Progress.SILENT);
    }

    @Test
    void namesParisAndReportsAPromptThatDoesNotFit() {
        List<TextCompletion> answers = new ArrayList<>();
        Answerer answerer = answerer(64, 4, true);
        assertEquals(Set.of("4 samples at once, context of 64 tokens, at most 64 tokens per step, cache of 128 tokens"),
                answerer.generators());
        answerer.answer(List.of(request("a", "What is the capital of France?"),
                request("b", "word ".repeat(100))), completion -> {
                    answers.add(completion);
                    return Answerer.Next.NOTHING;
                });
        assertEquals(2, answers.size());
        TextCompletion paris = answers.stream().filter(answer -> answer.key().id().equals("a")).findFirst()
                .orElseThrow();
        assertTrue(paris.text().contains("Paris"), paris.text());
        TextCompletion tooLong = answers.stream().filter(answer -> answer.key().id().equals("b")).findFirst()
                .orElseThrow();
        assertEquals(new TextCompletion(new SampleKey("b", "0"), "", 0, Finish.PROMPT_TOO_LONG), tooLong);
    }

    private static TextRequest request(String id, String question) {
        return new TextRequest(new SampleKey(id, "0"), List.of(Message.user(question)), SamplingParams.greedy(32), 0,
                new ModelState.Base());
    }
}
