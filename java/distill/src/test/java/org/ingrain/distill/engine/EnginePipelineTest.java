package org.ingrain.distill.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicInteger;
import org.ingrain.distill.DistillConfig;
import org.ingrain.distill.MemoryFolder;
import org.ingrain.distill.Outcome;
import org.ingrain.distill.Pipeline;
import org.ingrain.distill.Provenance;
import org.ingrain.distill.Runs;
import org.ingrain.distill.Shared;
import org.ingrain.distill.TeachConfig;
import org.ingrain.distill.curate.CurationConfig;
import org.ingrain.distill.curate.Rule;
import org.ingrain.distill.curate.Target;
import org.ingrain.distill.evaluate.Control;
import org.ingrain.distill.evaluate.EvaluateConfig;
import org.ingrain.distill.method.Methods;
import org.ingrain.distill.run.Progress;
import org.ingrain.distill.sample.SampleConfig;
import org.ingrain.distill.task.Dataset;
import org.ingrain.distill.task.QuestionConfig;
import org.ingrain.engine.Engine;
import org.ingrain.engine.ModelOptions;
import org.ingrain.sample.GeneratorConfig;
import org.ingrain.sample.SamplingParams;
import org.ingrain.train.data.TrainConfig;
import org.ingrain.train.pass.LoraConfig;
import org.ingrain.train.pass.OptimizerConfig;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Runs all five stages with real weights and real questions. */
class EnginePipelineTest {
    private static final GeneratorConfig BATCH = GeneratorConfig.of(512, 16, 128).withCacheTokens(4096)
            .withBlockSize(16);
    private static final LoraConfig LORA = LoraConfig.of(4, 8);

    @TempDir(factory = MemoryFolder.class)
    Path base;

    /** Thrown to simulate the end of the process. */
    private static final class Killed extends Error {
        private static final long serialVersionUID = 1;
    }

    private static DistillConfig<TunerConfig> config() {
        QuestionConfig data = QuestionConfig.of("coin-flip", Shared.data("coin_val.json")).sizes(8, 2);
        // The answers of this small model do not agree with each other, so a filter would keep nothing. This test needs
        // no filter.
        CurationConfig curation = new CurationConfig(Rule.FIRST, 0, 0, false, 1, true, Target.RESPONSE, 0.2, 1);
        EvaluateConfig evaluate = new EvaluateConfig(
                SamplingParams.greedy(12), List.of(), 1, List.of(Control.UNFILTERED));
        TunerConfig train = new TunerConfig(LORA, OptimizerConfig.of(1e-3), TrainConfig.of(2, 2, 1));
        return new DistillConfig<>(data, Methods.load("rar-2-step"),
                new SampleConfig(List.of(2), SamplingParams.sampled(0.7, 0.9, 12, 3)), curation, train, evaluate,
                TeachConfig.once());
    }

    private Outcome run(String name, int threads, Progress progress) {
        DistillConfig<TunerConfig> config = config();
        ModelOptions options = ModelOptions.of(Shared.model("minimind2-small")).withThreads(threads);
        SortedMap<String, String> fingerprint = new TreeMap<>();
        try (Engine engine = Engine.open(options)) {
            EngineAnswerer answerer = new EngineAnswerer(engine, engine.generator(BATCH, 1, LORA.rank()));
            EngineTuner tuner = new EngineTuner(engine, config.train(), fingerprint);
            Provenance provenance = new Provenance("test", options.model(), fingerprint);
            return new Pipeline(config, Dataset.load(config.data()), provenance, new Pipeline.Workers(answerer, tuner),
                    progress).run(base.resolve(name));
        }
    }

    @Test
    void equalBytesByOneThreadAndByTwoThatWereStopped() {
        Outcome.Done done = assertInstanceOf(Outcome.Done.class, run("whole", 1, Progress.SILENT));
        assertEquals(List.of("system-1", "system-2", "unfiltered", "distilled"),
                done.report().arms().stream().map(arm -> arm.name()).toList());
        assertTrue(done.report().training().get("distilled").lastLoss() < done.report().training().get("distilled")
                .firstLoss());
        assertTrue(done.report().training().get("distilled").validationLoss() > 0);
        assertTrue(Files.exists(base.resolve("whole/training/adapter/adapter_model.safetensors")));
        for (int stop : List.of(5, 14, 19)) {
            AtomicInteger left = new AtomicInteger(stop);
            assertThrows(Killed.class, () -> run("stopped", 2, state -> {
                if (left.decrementAndGet() == 0) {
                    throw new Killed();
                }
            }));
        }
        run("stopped", 2, Progress.SILENT);
        Runs.assertSame(Runs.content(base.resolve("whole")), base.resolve("stopped"),
                "two threads, stopped three times");
    }
}
