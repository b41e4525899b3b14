package org.ingrain.fuzz;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Function;
import java.util.stream.Stream;
import org.ingrain.distill.DistillConfig;
import org.ingrain.distill.Pipeline;
import org.ingrain.distill.Provenance;
import org.ingrain.distill.TeachConfig;
import org.ingrain.distill.curate.CurationConfig;
import org.ingrain.distill.curate.Rule;
import org.ingrain.distill.curate.Target;
import org.ingrain.distill.evaluate.EvaluateConfig;
import org.ingrain.distill.method.Methods;
import org.ingrain.distill.model.Answerer;
import org.ingrain.distill.model.Finish;
import org.ingrain.distill.model.TextCompletion;
import org.ingrain.distill.model.TextRequest;
import org.ingrain.distill.model.TrainingRow;
import org.ingrain.distill.model.Tuner;
import org.ingrain.distill.model.TunerSettings;
import org.ingrain.distill.run.Progress;
import org.ingrain.distill.sample.SampleConfig;
import org.ingrain.distill.task.Dataset;
import org.ingrain.distill.task.QuestionConfig;
import org.ingrain.distill.task.TaskConfig;
import org.ingrain.files.DurableFile;
import org.ingrain.sample.SamplingParams;
import org.ingrain.tensor.InputException;

/**
 * The files of a distillation. In the folder of a finished run, one file is edited and some of the later files are
 * removed. Then the run is resumed. The first line of an input contains the name of the edited file, followed by the
 * names of the removed files. The rest is the content of the edited file. Fuzzed with {@link NoImages}.
 */
final class PipelineTargets {
    /** For each case, the file that is edited, followed by the files that are removed. */
    private static final List<List<String>> CASES = List.of(
            List.of("samples.jsonl", "ledger.jsonl"), List.of("samples.jsonl"),
            List.of("ledger.jsonl"), List.of("ledger.jsonl", "train.jsonl"),
            List.of("training.json"), List.of("timings.json"), List.of("stages.json"),
            List.of("train.jsonl", "training.json"),
            List.of("data/pool.jsonl"), List.of("data/test.jsonl"), List.of("training/metrics.jsonl"),
            List.of("evaluation/system-2/samples.jsonl", "evaluation/system-2/scores.jsonl"),
            List.of("evaluation/system-2/samples.jsonl"), List.of("evaluation/system-1/scores.jsonl"));

    static final List<Targets.Entry> ALL = List.of(new Targets.Entry("run-folder", (name, folder) ->
            new PipelineTargets(folder).target(name)));

    private final Path base;
    private final Pipeline pipeline;
    private final Map<String, byte[]> finished = new TreeMap<>();

    private record Settings(int steps) implements TunerSettings {
        @Override
        public int rowsPerStep() {
            return 1;
        }

        @Override
        public long steps(long rows) {
            return steps;
        }
    }

    private PipelineTargets(Path base) throws IOException {
        this.base = base;
        Path model = Files.createDirectories(base.resolve("model"));
        Files.writeString(model.resolve("config.json"), "{}");
        QuestionConfig data = new QuestionConfig(TaskConfig.of("last-letter"), null, null, 0, 2, 6, null, 5,
                null, null);
        DistillConfig<Settings> config = new DistillConfig<>(data, Methods.load("rar-2-step"),
                new SampleConfig(List.of(2, 1), SamplingParams.sampled(0.7, 0.9, 64, 7)),
                new CurationConfig(Rule.MORE_THAN_HALF, 0, 0, false, 1, false, Target.ANSWER, 0, 1), new Settings(2),
                new EvaluateConfig(SamplingParams.greedy(64), List.of(), 1, List.of()), TeachConfig.once());
        pipeline = new Pipeline(config, Dataset.load(data), new Provenance("test", model, new TreeMap<>()),
                new Pipeline.Workers(new Answers(), new Trains()), Progress.SILENT);
        Path run = base.resolve("run");
        pipeline.run(run);
        try (Stream<Path> files = Files.walk(run)) {
            for (Path file : files.filter(Files::isRegularFile).toList()) {
                finished.put(run.relativize(file).toString(), Files.readAllBytes(file));
            }
        }
    }

    private org.ingrain.fuzz.Target target(String name) {
        Map<String, List<String>> missing = new TreeMap<>();
        List<byte[]> seeds = new ArrayList<>();
        for (List<String> files : CASES) {
            String first = String.join(" ", files);
            missing.put(first, files);
            String content = new String(required(files.getFirst()), StandardCharsets.UTF_8);
            seeds.add((first + "\n" + content).getBytes(StandardCharsets.UTF_8));
        }
        return new org.ingrain.fuzz.Target(name, Format.NAMED, seeds, input -> {
            int end = Format.lineEnd(input);
            List<String> files = missing.get(new String(input, 0, end, StandardCharsets.UTF_8));
            if (files == null) {
                throw new InputException("the first line names no case");
            }
            Path run = base.resolve("run");
            restore(run);
            for (String other : files) {
                Files.deleteIfExists(run.resolve(other));
            }
            Files.write(run.resolve(files.getFirst()), Arrays.copyOfRange(input, Math.min(end + 1, input.length),
                    input.length));
            pipeline.run(run);
        });
    }

    private byte[] required(String file) {
        if (!finished.containsKey(file)) {
            throw new IllegalStateException(file + ": not among the files of the run, which are " + finished.keySet());
        }
        return finished.get(file);
    }

    private void restore(Path run) throws IOException {
        try (Stream<Path> old = Files.walk(run)) {
            for (Path path : old.sorted(Comparator.reverseOrder()).toList()) {
                if (!Files.isDirectory(path)) {
                    Files.delete(path);
                }
            }
        }
        for (Map.Entry<String, byte[]> file : finished.entrySet()) {
            Path path = run.resolve(file.getKey());
            Files.createDirectories(path.getParent());
            Files.write(path, file.getValue());
        }
    }

    /** Answers every question with the same letters. */
    private record Answers() implements Answerer {
        @Override
        public void answer(List<TextRequest> first, Function<TextCompletion, Next> done) {
            List<TextRequest> waiting = new ArrayList<>(first);
            while (!waiting.isEmpty()) {
                TextRequest request = waiting.removeFirst();
                String prompt = request.messages().getLast().content();
                String text = prompt.startsWith("In other words: ") ? "The answer is \"ab\"."
                        : "In other words: " + prompt;
                Next next = done.apply(new TextCompletion(request.key(), text, 5, Finish.STOP));
                waiting.addAll(next.requests());
                waiting.removeIf(other -> next.cancelled().contains(other.key()));
            }
        }
    }

    /** Writes the files of a training. */
    private record Trains() implements Tuner {
        @Override
        public Tuned tune(Job job, Progress progress) {
            DurableFile.write(job.folder().resolve("metrics.jsonl"), RunTargets.METRICS);
            DurableFile.write(job.folder().resolve("adapter/adapter.json"), "{}");
            return new Tuned("adapter", 1, 2, 2.5, 0.5, null);
        }

        @Override
        public int tokens(String text) {
            return text.length() / 4 + 1;
        }

        @Override
        public int tokens(TrainingRow row) {
            return row.completion().getBytes(StandardCharsets.UTF_8).length;
        }

        @Override
        public int longest() {
            return 4096;
        }
    }
}
