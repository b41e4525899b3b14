package org.ingrain.cli.flags;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.ingrain.cli.Main;
import org.ingrain.cli.Run;
import org.ingrain.cli.TinyModelFolder;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import picocli.CommandLine;
import tools.jackson.databind.JsonNode;

/** A recipe sets flags of distill. Flags on the command line have priority. */
class RecipeTest {
    @TempDir
    private Path temp;

    private static List<String> expand(String... arguments) {
        return List.of(Recipe.expand(arguments, Main::commandLine));
    }

    static Stream<String> shipped() throws IOException {
        try (Stream<Path> files = Files.list(Home.models().resolve("recipes"))) {
            return files.map(file -> file.getFileName().toString().replace(".json", "")).sorted().toList().stream();
        }
    }

    @ParameterizedTest
    @MethodSource("shipped")
    void everyShippedRecipeParses(String name) {
        List<String> words = expand("distill", "--recipe", name, "--model", "nowhere");
        CommandLine.ParseResult parsed = Main.commandLine().parseArgs(words.toArray(String[]::new)).subcommand();
        Recipe recipe = Recipe.load(name);
        for (String flag : recipe.flags().keySet()) {
            assertTrue(parsed.hasMatchedOption("--" + flag), flag);
        }
        Set<String> ours = new TreeSet<>(recipe.flags().keySet());
        // The paper states the values of these flags, or the flags select one of the paper's experiments.
        ours.removeAll(Set.of("task", "method", "n", "per-stage", "generate", "test-size", "suffix", "controls",
                "baselines", "orders", "test-votes", "seeds", "validation-fraction"));
        if (name.startsWith("s2a")) {
            ours.remove("majority");
        }
        if (name.startsWith("bsm")) {
            ours.remove("temperature");
        }
        Set<String> told = new TreeSet<>();
        recipe.ours().values().forEach(told::addAll);
        told.removeAll(Set.of("names", "control-n"));   // not set in the recipe
        assertEquals(ours, told);
    }

    /** A row in the format of the recipe's data. */
    private static String row(String task) {
        return switch (task) {
            case "coin-flip" ->
                    "{\"inputs\": \"Q: A coin is heads up. Ann flips the coin. Bob does not flip the coin. Is the "
                    + "coin still heads up?\","
                    + " \"targets\": \"no\"}";
            case "gsm8k" -> "{\"question\": \"What is 2 + 2?\", \"answer\": \"It is 4. #### 4\"}";
            case "pairwise" ->
                    "{\"question\": \"Sky?\", \"response-a\": \"x\", \"response-b\": \"y\", \"answer\": \"A\"}";
            case "sycophancy" ->
                    "{\"prompt\": [{\"type\": \"human\", \"content\": \"Who? I think it is Bob.\"}], \"base\": "
                    + "{\"question\": \"Who?\","
                    + " \"correct_answer\": \"Ann\", \"incorrect_answer\": \"Bob\", \"answer\": [\"Ann\"]}}";
            default -> throw new IllegalArgumentException(task);
        };
    }

    /**
     * The flags and the data of each recipe are valid, so the first error says that the model's weights are missing.
     */
    @ParameterizedTest
    @MethodSource("shipped")
    void everyShippedRecipeWantsAModel(String name) throws IOException {
        Path model = Files.createDirectories(temp.resolve("model"));
        Files.writeString(model.resolve("config.json"), TinyModelFolder.config());
        List<Object> words = new ArrayList<>(List.of(
                "distill", "--recipe", name, "--model", model, "--output", temp.resolve("run"), "--dry-run"));
        Recipe recipe = Recipe.load(name);
        if (!recipe.flags().containsKey("generate")) {
            String row = row(recipe.flags().get("task").asString());
            Path data = Files.writeString(temp.resolve("data.jsonl"), row + "\n" + row.replace("?", " now?") + "\n");
            words.addAll(List.of("--data", data, "--test-size", 1));
        }
        Run run = Run.of(words.toArray());
        assertEquals(2, run.status(), run.err());
        assertTrue(run.complaint().contains("model.safetensors"), run.complaint());
    }

    @Test
    void aRecipesControlsAndBaselinesCanBeLeftOut() throws IOException {
        Path data = Files.writeString(temp.resolve("data.jsonl"),
                row("coin-flip") + "\n" + row("coin-flip").replace("Ann", "Eve") + "\n");
        Path file = recipe(
                "\"task\": \"coin-flip\", \"method\": \"direct\", \"n\": \"1\", \"majority\": \"all\", \"target\": "
                + "\"response\","
                + " \"max-tokens\": 4, \"max-steps\": 1, \"rank\": 2, \"controls\": \"unfiltered\", \"baselines\": "
                        + "\"rar-1-step\"");
        Path output = temp.resolve("run");
        Run run = Run.of("distill", "--recipe", file, "--model", TinyModelFolder.write(temp.resolve("model")), "--data",
                data, "--test-size", 1, "--controls", "none", "--baselines=none", "--output", output);
        assertEquals(0, run.status(), run.err());
        assertTrue(Files.notExists(output.resolve("controls"))
                && Files.notExists(output.resolve("evaluation/baseline-rar-1-step")));
    }

    /** Argument files are refused, because a recipe is expanded before picocli would read an argument file. */
    @Test
    void filesOfArgumentsAreNoArguments() throws IOException {
        Path file = Files.writeString(temp.resolve("arguments"), "--recipe rar-last-letter");
        Run run = Run.of("distill", "@" + file, "--model", temp, "--task", "last-letter", "--dry-run");
        assertEquals(2, run.status(), run.err());
        assertTrue(run.complaint().contains("STAGE: '@" + file), run.complaint());
    }

    /**
     * The warm-up of each experiment must be at most a tenth of the training steps that its number of questions gives.
     */
    @ParameterizedTest
    @CsvSource({"rar-last-letter,400", "rar-coin-flip,20000", "rar-coin-flip-suffix,20000", "cot-gsm8k,7473",
            "s2a-sycophancy,6668"})
    void theWarmupIsAPartOfTheTraining(String name, int questions) {
        Map<String, JsonNode> flags = Recipe.load(name).flags();
        double rows = questions
                * (1 - (flags.containsKey("validation-fraction") ? flags.get("validation-fraction").asDouble() : 0));
        double steps = rows / flags.get("batch-size").asInt() * flags.get("epochs").asInt();
        assertTrue(flags.get("warmup-steps").asInt() <= steps / 10, steps + " steps");
    }

    @Test
    void givenFlagsWin() {
        List<String> words = expand("distill", "--recipe=rar-coin-flip", "--model", "m", "--n=3", "--no-per-stage",
                "--epochs", "1");
        assertTrue(words.contains("--rank=16"), words.toString());
        assertEquals(List.of("--n=3"), words.stream().filter(word -> word.startsWith("--n"))
                .filter(word -> !word.startsWith("--no")).toList());
        assertTrue(!words.contains("--per-stage") && !words.contains("--epochs=3"), words.toString());
        assertTrue(expand("--recipe", "rar-coin-flip").contains("--per-stage"));
        assertEquals(List.of("--recipe", "rar-last-letter"),
                List.of(Arrays.copyOf(expand("--recipe", "rar-last-letter").toArray(), 2)));
    }

    @Test
    void aRecipesSizesAreOfItsOwnQuestions() throws IOException {
        Path file = recipe("\"test-size\": 400, \"limit\": \"90\", \"task\": \"coin-flip\", \"epochs\": 2");
        assertEquals(List.of("--test-size=400", "--limit=90", "--task=coin-flip", "--epochs=2"),
                expand("--recipe", file.toString()).subList(2, 6));
        assertEquals(List.of("--task=coin-flip", "--epochs=2"),
                expand("--recipe", file.toString(), "--test-data", "t").subList(4, 6));
        assertEquals(List.of("--test-size=400", "--task=coin-flip", "--epochs=2"),
                expand("--recipe", file.toString(), "--data=d").subList(3, 6));
        assertTrue(expand("--recipe", "rar-last-letter", "--data", "d").stream()
                .noneMatch(word -> word.startsWith("--generate")));
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "\"epoks\": 3                     | flags.epoks: not a flag of distill that a recipe may set",
        "\"recipe\": \"x\"                | flags.recipe: not a flag of distill that a recipe may set",
        "\"epochs\": null                 | flags.epochs: null, expected a text, a number, true or false",
        "\"epochs\": [1, 2]               | flags.epochs: [1,2], expected a text, a number, true or false",
        "\"epochs\": \"many\"             | flags.epochs: Invalid value for option '--epochs': 'many' is not an int",
        "\"per-stage\": \"yes\"           | flags.per-stage: yes, expected true or false"})
    void aBadFlagIsOneLineThatNamesTheFile(String flags, String said) throws IOException {
        Path file = recipe(flags);
        Run run = Run.of("distill", "--recipe", file, "--model", "nowhere");
        assertEquals(2, run.status());
        assertEquals("ingrain: " + file + ": " + said, run.err().strip());
    }

    private Path recipe(String flags) throws IOException {
        return Files.writeString(temp.resolve("mine.json"),
                "{\"title\": \"Mine\", \"source\": \"a test\", \"flags\": {" + flags + "}}");
    }

    @Test
    void otherCommandsHaveRecipes() throws IOException {
        Path file = Files.writeString(temp.resolve("flags.json"), """
                {"title": "t", "command": "generate", "flags": {"prompt": ["a b", "c"], "n": 2, "max-tokens": 1,
                 "temperature": 0.7, "json": true, "raw": false}}""");
        Run run = Run.of("generate", "--recipe", file, "--model", TinyModelFolder.write(temp.resolve("model")), "--n=1",
                "--seed", 3);
        assertEquals(0, run.status(), run.err());
        assertEquals(2, run.out().lines().count(), run.out());
        assertTrue(run.out().contains("\"prompt_text\":\"a b\""), run.out());
        assertEquals("ingrain: " + file + ": command: generate, expected evaluate",
                Run.of("evaluate", "--recipe", file).complaint());
        Files.writeString(file, "{\"title\": \"t\", \"command\": \"generate\", \"flags\": {\"n\": \"x\"}}");
        assertTrue(Run.of("generate", "--recipe", file).complaint().contains("flags.n: Invalid value"));
    }
}
