package org.ingrain.distill.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.SortedMap;
import java.util.TreeMap;
import org.ingrain.distill.DistillConfig;
import org.ingrain.distill.MemoryFolder;
import org.ingrain.distill.Outcome;
import org.ingrain.distill.Pipeline;
import org.ingrain.distill.Provenance;
import org.ingrain.distill.Runs;
import org.ingrain.distill.StageKind;
import org.ingrain.distill.TeachConfig;
import org.ingrain.distill.curate.CurationConfig;
import org.ingrain.distill.curate.Target;
import org.ingrain.distill.evaluate.EvaluateConfig;
import org.ingrain.distill.method.Methods;
import org.ingrain.distill.run.Progress;
import org.ingrain.distill.sample.SampleConfig;
import org.ingrain.distill.task.Dataset;
import org.ingrain.distill.task.QuestionConfig;
import org.ingrain.engine.Engine;
import org.ingrain.engine.ModelOptions;
import org.ingrain.lab.LabQuestions;
import org.ingrain.sample.GeneratorConfig;
import org.ingrain.sample.SamplingParams;
import org.ingrain.train.data.TrainConfig;
import org.ingrain.train.pass.LoraConfig;
import org.ingrain.train.pass.OptimizerConfig;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Five students are trained on one set of samples of the lab model. */
class SampleOnceTest {
    private static final GeneratorConfig BATCH = GeneratorConfig.of(256, 16, 128).withCacheTokens(4096)
            .withBlockSize(16);
    private static final Path LAB = Path.of(System.getProperty("ingrain.root")).resolve("models/lab");

    @TempDir(factory = MemoryFolder.class)
    Path base;

    private final List<String> said = new ArrayList<>();

    private DistillConfig<TunerConfig> config(double rate, int rank, long seed, Target target) {
        LabQuestions.Kind kind = LabQuestions.Kind.LETTERS;
        LabQuestions.write(base.resolve("questions"), 10, 4);
        QuestionConfig data = new QuestionConfig(kind.task(), kind.file(base.resolve("questions"), "pool"),
                List.of(kind.file(base.resolve("questions"), "test")), 0, 0, 0, null, 1, null, null);
        CurationConfig d = CurationConfig.defaults();
        CurationConfig curation = new CurationConfig(d.rule(), 0, 0, false, 1, true, target, 0, 1);
        TunerConfig train = new TunerConfig(LoraConfig.of(rank, 8), OptimizerConfig.of(rate),
                TrainConfig.of(1, 4, seed));
        return new DistillConfig<>(data, Methods.load(kind.method()),
                new SampleConfig(List.of(3, 1), SamplingParams.sampled(0.7, 1, 64, 1)), curation, train,
                EvaluateConfig.greedy(8), TeachConfig.once());
    }

    private Outcome run(DistillConfig<TunerConfig> config, String name, String from, StageKind until) {
        said.clear();
        ModelOptions options = ModelOptions.of(LAB);
        SortedMap<String, String> fingerprint = new TreeMap<>();
        Progress progress = new Progress() {
            @Override
            public void at(State state) {
            }

            @Override
            public void say(String line) {
                said.add(line);
            }
        };
        try (Engine engine = Engine.open(options)) {
            EngineAnswerer answerer = new EngineAnswerer(engine, engine.generator(BATCH, 1, 8));
            return new Pipeline(config, Dataset.load(config.data()), new Provenance("test", LAB, fingerprint),
                    new Pipeline.Workers(answerer, new EngineTuner(engine, config.train(), fingerprint)), progress)
                    .run(new Pipeline.Goal(base.resolve(name), until, from == null ? null : base.resolve(from), null));
        }
    }

    @Test
    void fiveTrainingsOnOneSetOfSamples() {
        run(config(1e-3, 4, 1, Target.ANSWER), "samples", null, StageKind.SAMPLE);
        List<DistillConfig<TunerConfig>> five = List.of(config(1e-3, 4, 1, Target.ANSWER),
                config(3e-3, 4, 1, Target.ANSWER), config(1e-3, 2, 1, Target.ANSWER),
                config(1e-3, 4, 2, Target.ANSWER), config(1e-3, 4, 1, Target.RESPONSE));
        HashSet<String> adapters = new HashSet<>();
        for (int i = 0; i < five.size(); i++) {
            assertInstanceOf(Outcome.Done.class, run(five.get(i), "run-" + i, "samples", StageKind.REPORT));
            assertTrue(said.getFirst().startsWith("sample: taken over from "), said::toString);
            adapters.add(Runs.content(base.resolve("run-" + i)).get("training/adapter/adapter_model.safetensors"));
        }
        assertEquals(5, adapters.size());
        for (int i : new int[] {1, 4}) {
            run(five.get(i), "whole-" + i, null, StageKind.REPORT);
            Runs.assertSame(Runs.content(base.resolve("whole-" + i)), base.resolve("run-" + i), "training " + i);
        }
    }
}
