package org.ingrain.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.MatchResult;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.ingrain.files.Json;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A dry run must predict how many calls and training steps the run makes, and give upper bounds for both numbers. */
class DryRunTest {
    private static final Pattern ROW = Pattern.compile(
            "(?m)^(.{36}) +([\\d,]+) +([\\d,]+) +[\\d,]+ +[\\d:]+ (?:s|min|h)(?:  .*)?$");

    @TempDir
    private Path temp;

    /** Number of calls of a stage, or of its training steps: the expected number and the maximum. */
    private record Planned(long calls, long most) {
    }

    private Path model() throws IOException {
        Path model = TinyModelFolder.write(temp.resolve("model"));
        Path config = model.resolve("config.json");
        Files.writeString(config, Files.readString(config).replace("192", "2048"));
        return model;
    }

    private static Run succeed(List<Object> arguments, Object... more) {
        List<Object> words = new ArrayList<>(arguments);
        words.addAll(List.of(more));
        Run run = Run.of(words.toArray());
        assertEquals(0, run.status(), run.err());
        return run;
    }

    private static Map<String, Planned> plan(Run run) {
        Map<String, Planned> stages = new LinkedHashMap<>();
        for (MatchResult row : ROW.matcher(run.out()).results().toList()) {
            Planned stage = new Planned(Long.parseLong(row.group(2).replace(",", "")),
                    Long.parseLong(row.group(3).replace(",", "")));
            stages.put(row.group(1).strip(), stage);
            assertTrue(stage.calls() <= stage.most(), row.group());
        }
        return stages;
    }

    private static long lines(Path run, String... files) throws IOException {
        long lines = 0;
        for (String file : files) {
            lines += Files.readAllLines(run.resolve(file)).size();
        }
        return lines;
    }

    /**
     * Without early stopping, three rephrasings are drawn, and two answers to each rephrasing. The first answer is the
     * target. The run has both controls, a baseline, majority votes and two rounds.
     */
    @Test
    void lettersWithoutAnEarlyEnd() throws IOException {
        Path output = temp.resolve("run");
        List<Object> command = List.of("distill", "--model", model(), "--task", "last-letter", "--generate", 12,
                "--test-size", 4, "--method", "rar-2-step", "--n", "3,2", "--majority", "first", "--all-samples",
                "--target", "response", "--controls", "distilled-system-1,unfiltered", "--baselines", "rar-1-step",
                "--test-votes", "1,3", "--rounds", 2, "--validation-fraction", "0.25", "--max-tokens", 4, "--rank", 2,
                "--epochs", 3, "--batch-size", 4, "--output", output);
        Run dry = succeed(command, "--dry-run");
        assertFalse(Files.exists(output));
        assertTrue(dry.err().contains("\ntrying sample (2 of 7)\ntrying sample distilled-system-1 (3 of 7)\n"),
                dry.err());
        Map<String, Planned> plan = plan(dry);
        succeed(command);
        Map<String, Long> real = new LinkedHashMap<>();
        real.put("sample and 1 more", lines(output, "samples.jsonl", "round-2/samples.jsonl"));
        real.put("sample distilled-system-1", lines(output, "controls/distilled-system-1/samples.jsonl"));
        real.put("train and 3 more", steps(output, "", "round-2/", "controls/distilled-system-1/",
                "controls/unfiltered/"));
        real.put("evaluate system-2 and 1 more", lines(
                output, "evaluation/system-2/samples.jsonl", "evaluation/system-2-round-2/samples.jsonl"));
        real.put("evaluate baseline-rar-1-step", lines(output, "evaluation/baseline-rar-1-step/samples.jsonl"));
        real.put("evaluate system-1 and 4 more", lines(
                output, "evaluation/system-1/samples.jsonl", "evaluation/distilled/samples.jsonl",
                "evaluation/distilled-round-2/samples.jsonl", "evaluation/distilled-system-1/samples.jsonl",
                "evaluation/unfiltered/samples.jsonl"));
        real.put("all texts, all time", real.entrySet().stream().filter(stage -> !stage.getKey().startsWith("train"))
                .mapToLong(Map.Entry::getValue).sum());
        Map<String, Long> calls = new LinkedHashMap<>();
        plan.forEach((stage, planned) -> calls.put(stage, planned.calls()));
        assertEquals(real, calls);
        assertEquals(new Planned(8 * (3 + 3 * 2) * 2, 8 * (3 + 3 * 2) * 2), plan.get("sample and 1 more"));
        String memory = dry.out().lines().reduce((line, next) -> next).orElseThrow();
        assertTrue(
                memory.matches(
                        "memory: needs \\S+ GiB \\(weights \\S+, cache \\S+, workspace \\S+, adapter \\S+, "
                        + "training \\S+\\),"
                + " \\S+ GiB free"), memory);
        assertEquals(
                "ingrain: --output: " + output
                + ": this run folder was made with teach.rounds 2, now it is 3; use the same settings, or use "
                + "another folder and take over the unchanged stages with --from " + output,
                Run.of(with(command, "--rounds", 3)).complaint());
    }

    private static Object[] with(List<Object> command, String flag, Object value) {
        List<Object> words = new ArrayList<>(command);
        words.set(words.indexOf(flag) + 1, value);
        words.add("--dry-run");
        return words.toArray();
    }

    private static long steps(Path run, String... folders) throws IOException {
        long steps = 0;
        for (String folder : folders) {
            steps += Json.parse(Files.readString(run.resolve(folder + "training.json")), "training").path("steps")
                    .asInt();
        }
        return steps;
    }

    private static String row(String question, String answer) {
        return Json.line(Map.of("prompt", List.of(Map.of("role", "user", "content", question)), "completion", answer));
    }

    /** The model was trained to name three criteria and to give the same scores in both orders of the responses. */
    @Test
    void branchesInBothOrders() throws IOException {
        Path taught = temp.resolve("taught");
        List<String> rows = new ArrayList<>();
        List<String> pairs = new ArrayList<>();
        for (String what : List.of("sky", "sea", "sun", "rain", "snow", "wood")) {
            rows.add(row("Plan: " + what + "?", "1. a\n2. b\n3. c"));
            List.of("a", "b", "c")
                    .forEach(criterion -> rows.add(row("Judge " + criterion, "Assistant A: 3\nAssistant B: 3")));
            pairs.add(Json.line(Map.of("question", what + "?", "response-a", "x", "response-b", "y", "answer", "C")));
        }
        succeed(List.of("finetune", "--model", model(), "--full", "--data",
                Files.write(temp.resolve("rows.jsonl"), rows), "--output", taught, "--max-steps", 80,
                "--batch-size", 12, "--learning-rate", "1e-2"));
        Path method = Files.writeString(temp.resolve("branching.json"), """
                {"name": "branching", "title": "Branching", "source": "a test", "branching": "branch-solve-merge",
                        "steps": [
                 {"name": "branch", "variants": [{"prompt": "Plan: {question}", "samples": 1, "mark": "ours",
                         "temperature": 0.0}]},
                 {"name": "solve", "each": "criterion", "variants": [{"prompt": "Judge {criterion}", "samples": 1,
                         "mark": "ours", "temperature": 0.0}]}]}
                """);
        Path output = temp.resolve("run");
        List<Object> command = List.of("distill", "--model", taught.resolve("model"), "--task", "pairwise", "--data",
                Files.write(temp.resolve("pairs.jsonl"), pairs), "--test-size", 2, "--method", method,
                "--n", 1, "--orders", 2, "--max-tokens", 40, "--epochs", 2,
                "--batch-size", 2, "--rank", 2, "--seeds", 1, "--output", output);
        Map<String, Planned> plan = plan(succeed(command, "--dry-run"));
        succeed(command);
        assertEquals(new Planned(lines(output, "samples.jsonl"), 4 * 2 * (1 + 5)), plan.get("sample"));
        assertEquals(4 * 2 * (1 + 3), plan.get("sample").calls(), "the model was trained to name three criteria");
        assertEquals(new Planned(lines(output, "evaluation/system-2/samples.jsonl"), 2 * 2 * (1 + 5)),
                plan.get("evaluate system-2"));
        assertEquals(steps(output, ""), plan.get("train").calls(), "each order is one training row");
        assertEquals(lines(output, "evaluation/system-1/samples.jsonl", "evaluation/distilled/samples.jsonl"),
                plan.get("evaluate system-1 and 1 more").calls());
        List<Object> thrice = new ArrayList<>(command.subList(0, command.indexOf("--seeds")));
        Map<String, Planned> seeds = plan(succeed(thrice, "--seeds", 3, "--dry-run"));
        assertEquals(3 * seeds.get("all texts, all time").calls(), seeds.get("all of 3 seeds").calls());
    }

    /**
     * With {@code --stages N}, each student has N additional trainings, except the control that learns direct answers.
     */
    @Test
    void stagesAreTrainings() throws IOException {
        List<String> questions = new ArrayList<>();
        for (String what : List.of("sky", "sea", "sun", "rain", "snow", "wood")) {
            questions.add(Json.line(Map.of("question", "Is " + what + " real?", "answer", "yes")));
        }
        Path output = temp.resolve("run");
        List<Object> command = List.of("distill", "--model", model(), "--task", "question-answer", "--data",
                Files.write(temp.resolve("questions.jsonl"), questions), "--test-size", 2, "--method", "rar-2-step",
                "--n", 2, "--majority", "first",
                "--controls", "distilled-system-1,unfiltered", "--rounds", 2, "--stages", 3, "--max-tokens", 6,
                "--rank", 2, "--max-steps", 2,
                "--batch-size", 2, "--output", output);
        Map<String, Planned> plan = plan(succeed(command, "--dry-run"));
        succeed(command);
        long trained = 0;
        for (String student : List.of("", "round-2/", "controls/unfiltered/")) {
            trained += steps(output, student, student + "stages/0/", student + "stages/1/", student + "stages/2/");
        }
        trained += steps(output, "controls/distilled-system-1/");
        assertEquals(new Planned(trained, trained), plan.get("train stage 0 and 12 more"));
        assertEquals(2 * 4 * 2, plan.get("sample and 1 more").calls(), "the first answer decides");
    }

    /** For each question, the model selects one of its own responses in one call. */
    @Test
    void selectionIsAStage() throws IOException {
        Map<String, Planned> plan = plan(
                succeed(List.of("distill", "--model", model(), "--task", "last-letter", "--generate", 8, "--test-size",
                        2, "--method", "direct", "--n", 2, "--majority", "universal", "--max-tokens", 4, "--rank", 2,
                        "--max-steps", 2, "--batch-size", 2, "--dry-run")));
        assertEquals(new Planned(6 * 2, 6 * 2), plan.get("sample"));
        assertEquals(new Planned(6, 6), plan.get("select"));
        assertEquals(new Planned(2, 2), plan.get("train"));
    }

    /**
     * The model compares its answers in pairs. Each question has at most two answers, so at most one pair. The model
     * judges the pair in both orders.
     */
    @Test
    void judgingIsAStage() throws IOException {
        List<Object> command = List.of("distill", "--model", model(), "--task", "last-letter", "--generate", 8,
                "--test-size", 2, "--method", "direct", "--n", 2, "--majority", "judge", "--target", "response",
                "--max-tokens", 4, "--rank", 2, "--max-steps", 2, "--batch-size", 2, "--dry-run");
        assertEquals(6 * 2 * (1 + 5), plan(succeed(command)).get("select").most(), "by five criteria");
        assertEquals(6 * 2, plan(succeed(command, "--judge", "direct")).get("select").most());
    }

    /** A pair that is too long for the context does not make the dry run fail. The run itself discards this pair. */
    @Test
    void questionsThatAreTooLongAreLeftOut() throws IOException {
        List<String> pairs = new ArrayList<>();
        for (String what : List.of("sky", "sea", "sun", "ice", "dew", "fog")) {
            pairs.add(
                    Json.line(Map.of("question", what + "?", "response-a", "x".repeat(what.equals("sun") ? 4000 : 1),
                            "response-b", "y")));
        }
        Path method = Files.writeString(temp.resolve("two-steps.json"), """
                {"name": "two-steps", "title": "Two steps", "source": "a test", "steps": [
                 {"name": "plan", "variants": [{"prompt": "Plan: {question}", "samples": 1, "mark": "ours"}]},
                 {"name": "judge", "variants": [{"prompt": "{response-a} or {response-b}", "samples": 1,
                         "mark": "ours"}]}]}
                """);
        Path output = temp.resolve("run");
        List<Object> command = List.of("distill", "--model", model(), "--task", "pairwise", "--data",
                Files.write(temp.resolve("pairs.jsonl"), pairs), "--method", method, "--n", "2,1", "--majority",
                "first", "--target", "response", "--max-tokens", 6, "--rank", 2, "--epochs", 2, "--batch-size", 2,
                "--output", output);
        Run dry = succeed(command, "--dry-run");
        succeed(command);
        assertTrue(
                dry.out().contains(
                        "\nnot in the training: 1 of 6 questions, longer than 2,048 tokens with their answers\n"),
                        dry.out());
        assertEquals(steps(output, ""), plan(dry).get("train").calls());
        long trained = 0;
        for (String step : Files.readAllLines(output.resolve("training/metrics.jsonl"))) {
            trained += Json.parse(step, "step").path("tokens").asLong(0);
        }
        Matcher tokens = Pattern.compile("(?m)^train +[\\d,]+ +[\\d,]+ +([\\d,]+)").matcher(dry.out());
        assertTrue(tokens.find(), dry.out());
        assertEquals(1, Double.parseDouble(tokens.group(1).replace(",", "")) / trained, 0.2, dry.out() + trained);
    }

    /** Without weights, the plan contains upper bounds for calls and tokens, and no times. */
    @Test
    void aConfigAlone() throws IOException {
        Path config = Files.writeString(temp.resolve("config.json"), TinyModelFolder.config());
        Run run = succeed(List.of("distill", "--model", config, "--task", "last-letter", "--generate", 12,
                "--test-size", 4, "--n", "3,2", "--max-tokens", 4, "--rank", 2, "--epochs", 3, "--batch-size", 4,
                "--dry-run"));
        assertTrue(run.out().contains("nothing tried: " + config + " has no weights."), run.out());
        for (String line : List.of("sample +72 +72 +288 +-", "train +6 +6 +- +-",
                "evaluate system-1 and 1 more +8 +8 +32 +-", "memory: needs .*training .* free")) {
            assertTrue(Pattern.compile("(?m)^" + line + "$").matcher(run.out()).find(), run.out());
        }
        assertFalse(run.err().contains("trying"), run.err());
    }

    @Test
    void noPlanOfARunThatWouldBeRefused() throws IOException {
        Run run = Run.of("distill", "--model", model(), "--task", "last-letter", "--generate", 8, "--method", "direct",
                "--n", 2, "--orders", 2, "--dry-run");
        assertEquals(2, run.status());
        assertEquals("ingrain: --orders: 2, expected 1: questions of task last-letter have only one order",
                run.complaint());
        assertEquals("", run.out());
    }
}
