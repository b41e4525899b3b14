package org.ingrain.fuzz;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
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

/**
 * The files of a distillation. In the folder of a finished run, one file is edited and some of the later files are
 * removed; then the run is resumed.
 */
final class PipelineTargets {
    /** For each case, the file that is edited, followed by the files that are removed. */
    private static final List<List<String>> CASES = List.of(
            List.of("samples.jsonl", "ledger.jsonl"), List.of("samples.jsonl"),
            List.of("ledger.jsonl"), List.of("ledger.jsonl", "train.jsonl"),
            List.of("training.json"), List.of("timings.json"), List.of("train.jsonl", "training.json"),
            List.of("data/pool.jsonl"), List.of("data/test.jsonl"), List.of("metrics.jsonl"),
            List.of("evaluation/system-2/samples.jsonl", "evaluation/system-2/scores.jsonl"),
            List.of("evaluation/system-2/samples.jsonl"), List.of("evaluation/system-1/scores.jsonl"));

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

    static List<org.ingrain.fuzz.Target> all(Path base) throws IOException {
        PipelineTargets targets = new PipelineTargets(base);
        List<org.ingrain.fuzz.Target> all = new ArrayList<>();
        for (List<String> files : CASES) {
            if (targets.finished.containsKey(files.getFirst())) {
                all.add(targets.target(files.getFirst(), files.subList(1, files.size())));
            }
        }
        return all;
    }

    private org.ingrain.fuzz.Target target(String file, List<String> missing) {
        String name = "run-" + file.replaceAll("\\.jsonl?$", "").replace('/', '-')
                + (missing.isEmpty() ? "" : "-resumed");
        Format format = file.endsWith(".jsonl") ? Format.JSON_LINES : Format.JSON;
        return new org.ingrain.fuzz.Target(name, format, List.of(finished.get(file)), content -> {
            Path run = base.resolve("run");
            restore(run);
            for (String other : missing) {
                Files.deleteIfExists(run.resolve(other));
            }
            Files.write(run.resolve(file), content);
            pipeline.run(run);
        });
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
                String text = prompt.contains("rephrase") ? "In other words: " + prompt : "The answer is \"ab\".";
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
            DurableFile.write(job.folder().resolve("metrics.jsonl"),
                    "{\"step\":1,\"loss\":2.5}\n{\"step\":2,\"loss\":0.5}\n");
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
