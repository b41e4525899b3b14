package org.ingrain.fuzz;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.ingrain.cli.Main;
import org.ingrain.cli.flags.Recipe;
import org.ingrain.distill.evaluate.Arm;
import org.ingrain.distill.method.Method;
import org.ingrain.distill.method.Methods;
import org.ingrain.distill.model.ModelState;
import org.ingrain.distill.report.plot.TrainingCurve;
import org.ingrain.distill.report.table.StudentFiles;
import org.ingrain.distill.sample.SampleConfig;
import org.ingrain.distill.task.Task;
import org.ingrain.distill.task.TaskConfig;
import org.ingrain.files.Json;
import org.ingrain.files.JsonLog;
import org.ingrain.files.Manifest;
import org.ingrain.files.RunLock;
import org.ingrain.sample.SamplingParams;
import org.ingrain.tensor.InputException;
import org.ingrain.train.pass.TrainedState;
import org.ingrain.train.run.Checkpoints;
import picocli.CommandLine;

/** Files of run folders, methods and recipes. */
final class RunTargets {
    static final String METRICS = """
            {"step":1,"loss":2.5,"learning_rate":1.0E-4,"grad_norm":1.5,"tokens":12,"target_tokens":3}
            {"step":2,"loss":0.5,"learning_rate":1.0E-4,"grad_norm":1.0,"tokens":12,"target_tokens":3}
            {"step":2,"validation_loss":0.75}
            """;
    private static final List<String> METHODS = List.of("direct", "rar-2-step", "s2a", "bsm", "cot-few-shot");

    static final List<Targets.Entry> ALL = List.of(
            new Targets.Entry("manifest", RunTargets::manifest), new Targets.Entry("state", RunTargets::state),
            new Targets.Entry("metrics", RunTargets::metrics), new Targets.Entry("method", RunTargets::method),
            new Targets.Entry("recipe", RunTargets::recipe));

    private RunTargets() {
    }

    private static Target manifest(String name, Path folder) throws IOException {
        Manifest manifest = Manifest.of(Map.of("data", "data/pool.jsonl"),
                Map.of("seed", 1, "method", Map.of("steps", 2)));
        return Target.ofFile(name, Format.JSON, List.of(Json.pretty(manifest).getBytes(UTF_8)),
                folder.resolve("run.json"), content -> RunLock.check(folder, manifest));
    }

    /** A training checkpoint with six values. The target reads it in the same way as the trainer. */
    private static Target state(String name, Path folder) throws IOException {
        Path step = Files.createDirectories(folder.resolve("step-1"));
        Files.write(step.resolve("state.bin"), new byte[6 * Float.BYTES]);
        Path metrics = folder.resolve("metrics.jsonl");
        byte[] seed = ("{\"step\":1,\"first_loss\":2.5,\"last_loss\":0.5,\"best_step\":1,"
                + "\"best_loss\":0.75,\"metrics_bytes\":94}").getBytes(UTF_8);
        Checkpoints checkpoints = new Checkpoints(folder, new TrainedState(List.of(new TrainedState.Run(6, List.of()))),
                target -> { });
        return Target.ofFile(name, Format.JSON, List.of(seed), step.resolve("state.json"), content -> {
            Files.writeString(metrics, METRICS);
            var state = checkpoints.latest().orElseThrow();
            try (JsonLog log = JsonLog.open(metrics)) {
                log.cut(state.metricsBytes());
            }
            checkpoints.prune(1, state.bestStep());
            checkpoints.load(state.step());
        });
    }

    private static Target metrics(String name, Path folder) throws IOException {
        Path file = folder.resolve("metrics.jsonl");
        StudentFiles student = new StudentFiles(Arm.Role.DISTILLED, "distilled", "Distilled", "", List.of(""));
        return Target.ofFile(name, Format.JSON_LINES, List.of(METRICS.getBytes(UTF_8)), file, content ->
                TrainingCurve.read(student, List.of(file, file)).losses(2));
    }

    private static Target method(String name, Path folder) throws IOException {
        Path file = folder.resolve("method.json");
        List<byte[]> seeds = new ArrayList<>();
        for (String shipped : METHODS) {
            String resource = "/org/ingrain/distill/methods/" + shipped + ".json";
            try (InputStream in = Methods.class.getResourceAsStream(resource)) {
                seeds.add(in.readAllBytes());
            }
        }
        List<Task> tasks = TaskConfig.names().stream().map(task -> TaskConfig.of(task).make()).toList();
        SampleConfig sampling = new SampleConfig(List.of(2), SamplingParams.sampled(0.7, 0.9, 8, 1));
        return Target.ofFile(name, Format.JSON, seeds, file, content -> {
            Method method = Methods.load(file.toString());
            int refused = 0;
            for (Task task : tasks) {
                try {
                    method.plan(task, sampling, "sample", new ModelState.Base());
                    method.requireAnswer(task);
                } catch (InputException e) {
                    refused++;
                }
            }
            if (refused == tasks.size()) {
                throw new InputException("the method suits no task");
            }
        });
    }

    private static Target recipe(String name, Path folder) throws IOException {
        Path file = folder.resolve("recipe.json");
        List<byte[]> seeds = new ArrayList<>();
        try (Stream<Path> shipped = Files.list(Path.of(System.getProperty("ingrain.root"), "models/recipes"))) {
            for (Path path : shipped.sorted().toList()) {
                seeds.add(Files.readAllBytes(path));
            }
        }
        CommandLine line = Main.commandLine();
        return Target.ofFile(name, Format.JSON, seeds, file, content ->
                Recipe.expand(new String[] {"distill", "--model", ".", "--recipe", file.toString()}, () -> line));
    }
}
