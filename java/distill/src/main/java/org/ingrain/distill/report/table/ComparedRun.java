package org.ingrain.distill.report.table;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.ingrain.distill.evaluate.Arm.Role;
import org.ingrain.distill.evaluate.ArmResult;
import org.ingrain.distill.evaluate.Score;
import org.ingrain.distill.evaluate.SeedResult;
import org.ingrain.files.DurableFile;
import org.ingrain.files.DurableFolder;
import org.ingrain.files.Json;
import org.ingrain.files.JsonLines;
import org.ingrain.files.Manifest;
import org.ingrain.tensor.InputException;
import tools.jackson.databind.JsonNode;

/**
 * A finished run, or the finished runs of several seeds, as read from the run folders.
 *
 * @param name  name in tables
 * @param seeds the run of each seed, by the name of its folder; for a single run, the only key is empty
 */
record ComparedRun(String name, Map<String, One> seeds) {
    /**
     * One run.
     *
     * @param arms results of the evaluated arms
     */
    record One(Path folder, List<ArmResult> arms) {
        static One read(Path folder) {
            Path report = folder.resolve("report.json");
            JsonNode arms = Json.parse(DurableFile.read(report), report.toString()).path("arms");
            return new One(folder, List.of(Json.parse(Json.line(arms), ArmResult[].class, report + ", arms")));
        }

        /** The students of the run's method, in the order of the rounds. */
        List<ArmResult> students() {
            return arms.stream().filter(arm -> arm.role() == Role.DISTILLED).toList();
        }

        List<Score> scores(ArmResult arm) {
            return JsonLines.read(folder.resolve(Report.scores(arm.name())), Score.class);
        }

        /** Seconds and generated tokens of each kind of stage, in the order of timings.json. */
        Map<String, Cost> costs() {
            Map<String, Cost> costs = new LinkedHashMap<>();
            Path file = folder.resolve("timings.json");
            if (Files.exists(file)) {
                JsonNode stages = Json.parse(DurableFile.read(file), file.toString()).path("stages");
                stages.properties().forEach(stage -> costs.merge(stage.getKey().split(" ")[0],
                        new Cost(stage.getValue().path("seconds").asDouble(0),
                                stage.getValue().path("tokens").asLong(0)),
                        Cost::plus));
            }
            return costs;
        }
    }

    /** Time and generated tokens, summed over all processes that worked on the stages. */
    record Cost(double seconds, long tokens) {
        static final Cost NONE = new Cost(0, 0);

        Cost plus(Cost other) {
            return new Cost(seconds + other.seconds, tokens + other.tokens);
        }
    }

    /** @throws InputException if the folder is not a finished run and contains no finished run */
    static ComparedRun read(Path folder, String name) {
        Map<String, One> seeds = new LinkedHashMap<>();
        if (Files.isRegularFile(folder.resolve("report.json"))) {
            seeds.put("", One.read(folder));
        } else {
            DurableFolder.list(folder).stream().filter(own -> Files.isRegularFile(own.resolve("report.json")))
                    .forEach(own -> seeds.put(own.getFileName().toString(), One.read(own)));
        }
        if (seeds.isEmpty()) {
            throw new InputException(folder + ": no report.json, expected a finished run, or a folder with the runs of "
                    + "several seeds");
        }
        return new ComparedRun(name, seeds);
    }

    /** One row for each arm. With several seeds, the row has the mean over the seeds and the interval of the mean. */
    List<Comparison.Row> rows() {
        if (seeds.size() == 1) {
            return seeds.values().iterator().next().arms().stream().map(arm -> new Comparison.Row(name, arm.name(),
                    arm.title(), 1, arm.accuracy(), arm.low(), arm.high(), arm.tokens())).toList();
        }
        return SeedResult.of(seeds.values().stream().map(One::arms).toList()).stream()
                .map(arm -> new Comparison.Row(name, arm.name(), arm.title(), arm.accuracies().size(), arm.mean(),
                        arm.low(), arm.high(), arm.tokens())).toList();
    }

    /** The settings of the first seed. */
    Map<String, String> settings() {
        return SettingsList.of(Manifest.read(seeds.values().iterator().next().folder().resolve("run.json")));
    }

    /** The costs of all seeds together. */
    Map<String, Cost> costs() {
        Map<String, Cost> all = new LinkedHashMap<>();
        seeds.values().forEach(one -> one.costs().forEach((kind, cost) -> all.merge(kind, cost, Cost::plus)));
        return all;
    }

    /** The paired tests of this run against {@code other}: one for each student and each seed that both runs have. */
    List<Comparison.Test> tests(ComparedRun other) {
        List<Comparison.Test> tests = new ArrayList<>();
        seeds.forEach((seed, one) -> {
            One second = other.seeds.get(seed);
            for (ArmResult student : second == null ? List.<ArmResult>of() : one.students()) {
                second.students().stream().filter(own -> own.name().equals(student.name()))
                        .forEach(own -> tests.add(Comparison.Test.of(name, other.name, seed, student.name(),
                                List.of(one.scores(student), second.scores(own)))));
            }
        });
        return tests;
    }
}
