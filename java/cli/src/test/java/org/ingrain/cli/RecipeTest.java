package org.ingrain.cli;

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
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import picocli.CommandLine;
import tools.jackson.databind.JsonNode;

/** Recipes are flags of distill; those that are given win. */
class RecipeTest {
    @TempDir
    private Path temp;

    private static List<String> expand(String... arguments) {
        return List.of(Recipe.expand(arguments, Main.commandLine()));
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
        // What the paper states, or what says which of its experiments it is.
        ours.removeAll(Set.of("task", "method", "n", "per-stage", "generate", "test-size", "suffix", "controls",
                "baselines", "orders", "test-votes", "seeds", "validation-fraction"));
        if (name.startsWith("s2a")) {
            ours.remove("majority");
        }
        if (name.startsWith("bsm")) {
            ours.remove("temperature");
        }
        Set<String> told = new TreeSet<>(recipe.ours());
        told.remove("names");
        assertEquals(ours, told);
    }

    /** To where only the model is missing. */
    @ParameterizedTest
    @CsvSource({"rar-last-letter,", "rar-coin-flip,coin_val.json", "rar-coin-flip-suffix,coin_val.json", "cot-gsm8k,gsm8k_test.jsonl",
        "bsm-oasst2,mt_bench_gpt4_pair.jsonl"})
    void everyShippedRecipeWantsAModel(String name, String data) {
        List<Object> words = new ArrayList<>(List.of("distill", "--recipe", name, "--model", temp.resolve("nowhere"),
                "--output", temp.resolve("run"), "--dry-run"));
        if (data != null) {
            words.addAll(List.of("--data", temp.resolve(data)));
        }
        Run run = Run.of(words.toArray());
        assertEquals(2, run.status(), run.err());
        assertTrue(run.complaint().contains(data == null ? "nowhere" : data), run.complaint());
    }

    /** The warm-up is a tenth of the training at the most, on as many questions as the experiment has. */
    @ParameterizedTest
    @CsvSource({"rar-last-letter,400", "rar-coin-flip,20000", "rar-coin-flip-suffix,20000", "cot-gsm8k,7473", "s2a-sycophancy,6668"})
    void theWarmupIsAPartOfTheTraining(String name, int questions) {
        Map<String, JsonNode> flags = Recipe.load(name).flags();
        double rows = questions * (1 - (flags.containsKey("validation-fraction") ? flags.get("validation-fraction").asDouble() : 0));
        double steps = rows / flags.get("batch-size").asInt() * flags.get("epochs").asInt();
        assertTrue(flags.get("warmup-steps").asInt() <= steps / 10, steps + " steps");
    }

    @Test
    void givenFlagsWin() {
        List<String> words = expand("distill", "--recipe=rar-coin-flip", "--model", "m", "--n=3", "--no-per-stage", "--epochs", "1");
        assertTrue(words.contains("--rank=16"), words.toString());
        assertEquals(List.of("--n=3"), words.stream().filter(word -> word.startsWith("--n")).filter(word -> !word.startsWith("--no")).toList());
        assertTrue(!words.contains("--per-stage") && !words.contains("--epochs=3"), words.toString());
        assertTrue(expand("--recipe", "rar-coin-flip").contains("--per-stage"));
        assertEquals(List.of("--recipe", "rar-last-letter"), List.of(Arrays.copyOf(expand("--recipe", "rar-last-letter").toArray(), 2)));
    }

    @Test
    void aRecipesSizesAreOfItsOwnQuestions() throws IOException {
        Path file = recipe("\"test-size\": 400, \"limit\": \"90\", \"task\": \"coin-flip\", \"epochs\": 2");
        assertEquals(List.of("--test-size=400", "--limit=90", "--task=coin-flip", "--epochs=2"), expand("--recipe", file.toString()).subList(2, 6));
        assertEquals(List.of("--task=coin-flip", "--epochs=2"), expand("--recipe", file.toString(), "--test-data", "t").subList(4, 6));
        assertEquals(List.of("--test-size=400", "--task=coin-flip", "--epochs=2"), expand("--recipe", file.toString(), "--data=d").subList(3, 6));
        assertTrue(expand("--recipe", "rar-last-letter", "--data", "d").stream().noneMatch(word -> word.startsWith("--generate")));
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "\"epoks\": 3                     | flags.epoks: distill has no such flag that a recipe may set",
        "\"recipe\": \"x\"                | flags.recipe: distill has no such flag that a recipe may set",
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
        return Files.writeString(temp.resolve("mine.json"), "{\"title\": \"Mine\", \"source\": \"a test\", \"flags\": {" + flags + "}}");
    }
}
