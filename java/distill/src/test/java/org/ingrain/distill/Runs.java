package org.ingrain.distill;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.ingrain.distill.curate.CurationConfig;
import org.ingrain.distill.curate.Rule;
import org.ingrain.distill.curate.Target;
import org.ingrain.distill.evaluate.Control;
import org.ingrain.distill.evaluate.EvaluateConfig;
import org.ingrain.distill.method.Methods;
import org.ingrain.distill.model.Answerer;
import org.ingrain.distill.model.Tuner;
import org.ingrain.distill.model.TunerSettings;
import org.ingrain.distill.run.Progress;
import org.ingrain.distill.sample.SampleConfig;
import org.ingrain.distill.task.Dataset;
import org.ingrain.distill.task.QuestionConfig;
import org.ingrain.distill.task.TaskConfig;
import org.ingrain.sample.SamplingParams;

/** Creates small runs and reads the files of their folders. */
public final class Runs {
    static final Set<String> EXEMPT = Set.of("run.log", "timings.json", "taken-over.json", "log.txt");

    /** Settings of a tuner that needs no settings except the number of steps. */
    record NoSettings(int steps) implements TunerSettings {
        @Override
        public int rowsPerStep() {
            return 1;
        }

        @Override
        public long steps(long rows) {
            return steps;
        }
    }

    private Runs() {
    }

    /** Returns a configuration without early stopping. */
    static DistillConfig<NoSettings> config(QuestionConfig data, List<Integer> samples, List<Control> controls) {
        SamplingParams sampling = SamplingParams.sampled(0.7, 0.9, 64, 0);
        EvaluateConfig evaluate = new EvaluateConfig(SamplingParams.greedy(64), List.of(), 1, controls);
        CurationConfig curation = new CurationConfig(Rule.MORE_THAN_HALF, 0, 0, false, 1, false, Target.ANSWER, 0, 1);
        return new DistillConfig<>(data, Methods.load("rar-2-step"), new SampleConfig(samples, sampling.withSeed(7)),
                curation, new NoSettings(4), evaluate, TeachConfig.once());
    }

    /** Returns a copy of a configuration with other curation settings. */
    static DistillConfig<NoSettings> with(DistillConfig<NoSettings> config, CurationConfig curation) {
        return new DistillConfig<>(config.data(), config.method(), config.sample(), curation, config.train(),
                config.evaluate(), config.teach());
    }

    /** Returns a configuration that generates last-letter questions. */
    static QuestionConfig letters(int questions, int test) {
        return new QuestionConfig(TaskConfig.of("last-letter"), null, null, 0, test, questions, null, 5, null, null);
    }

    /** Returns the provenance of a run whose model folder contains only a config.json. */
    static Provenance provenance(Path folder) {
        Path model = folder.resolve("model");
        try {
            Files.createDirectories(model);
            if (Files.notExists(model.resolve("config.json"))) {
                Files.writeString(model.resolve("config.json"), "{}");
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return new Provenance("test", model, new TreeMap<>(Map.of("device", "none")));
    }

    static Outcome run(DistillConfig<NoSettings> config, Path base, String name, FakeModel model) {
        return pipeline(config, base, model, new FakeTuner(model.tick())).run(base.resolve(name));
    }

    static Pipeline pipeline(DistillConfig<?> config, Path base, Answerer answerer, Tuner tuner) {
        return new Pipeline(config, Dataset.load(config.data()), provenance(base),
                new Pipeline.Workers(answerer, tuner), Progress.SILENT);
    }

    /** Throws the errors that a run would throw before its first stage. */
    static void check(DistillConfig<?> config, Path base, String name) {
        Pipeline.check(config, Dataset.load(config.data()), provenance(base),
                Pipeline.Goal.all(base.resolve(name)));
    }

    /**
     * Returns the content of every file of a run except logs and timings. The keys are paths; the bytes are decoded as
     * Latin-1.
     */
    public static SortedMap<String, String> content(Path folder) {
        SortedMap<String, String> content = new TreeMap<>();
        try (Stream<Path> files = Files.walk(folder)) {
            for (Path file : files.filter(Files::isRegularFile).toList()) {
                String name = folder.relativize(file).toString();
                if (!EXEMPT.contains(file.getFileName().toString())) {
                    content.put(name, new String(Files.readAllBytes(file), StandardCharsets.ISO_8859_1));
                }
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return content;
    }

    /** Asserts that a run folder has the expected files. The message names the first file that differs. */
    public static void assertSame(SortedMap<String, String> expected, Path folder, String when) {
        SortedMap<String, String> found = content(folder);
        assertEquals(expected.keySet(), found.keySet(), when);
        expected.forEach((name, text) -> assertEquals(text, found.get(name), () -> when + ": " + name));
    }
}
