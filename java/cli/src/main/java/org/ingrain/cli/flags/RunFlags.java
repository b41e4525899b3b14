package org.ingrain.cli.flags;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.ingrain.distill.Pipeline;
import org.ingrain.distill.verify.VerifierConfig;
import org.ingrain.files.Json;
import org.ingrain.tensor.InputException;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.ParseResult;
import tools.jackson.databind.JsonNode;

/** The flags of a run. The run folder keeps them as a recipe. */
public final class RunFlags {
    /** Flags that do not describe the run itself. */
    private static final Set<String> NOT_KEPT = Set.of("recipe", "output", "from", "dry-run", "debug");
    /** Flags whose values are names or files. */
    private static final Set<String> NAMES_OR_FILES = Set.of("--task", "--method", "--baselines", "--selector",
            "--judge");
    private static final String COMMAND = "distill";

    private RunFlags() {
    }

    /** A file of flags in the format of {@link Recipe}. */
    private record Kept(String title, String source, Map<String, Object> flags) {
    }

    /**
     * Returns the given flags as a recipe, sorted by name. Paths are absolute, so that the recipe can be used in
     * another working folder.
     *
     * @param instead values that replace or extend those of the command line; the keys are flag names without hyphens
     * @param without further flags that are left out of the recipe, by name
     */
    public static JsonNode of(ParseResult parsed, Map<String, Object> instead, Set<String> without) {
        Map<String, Object> flags = new TreeMap<>();
        for (OptionSpec option : parsed.matchedOptions()) {
            String name = option.longestName().replaceFirst("^--(no-)?", "");
            if (!NOT_KEPT.contains(name) && !without.contains(name)) {
                flags.put(name, value(option));
            }
        }
        flags.putAll(instead);
        return Json.tree(new Kept("Flags of a run", "recipe.json of a run folder", flags));
    }

    private static Object value(OptionSpec option) {
        if (option.typeInfo().isBoolean()) {
            return option.getValue();
        }
        if (option.longestName().equals("--verifier")) {
            return Json.line(VerifierConfig.of(option.getValue(), 1, 0).command());
        }
        boolean path = option.auxiliaryTypes()[0] == Path.class;
        boolean either = NAMES_OR_FILES.contains(option.longestName());
        List<String> words = option.originalStringValues().stream()
                .map(word -> path || either && Files.isRegularFile(Path.of(word))
                ? Path.of(word).toAbsolutePath().normalize().toString() : word).toList();
        return option.isMultiValue() && option.splitRegex().isEmpty() ? words : String.join(",", words);
    }

    /**
     * Replaces {@code distill STAGE RUN} with the command and the flags that the run folder keeps.
     *
     * @throws InputException if the folder keeps no flags
     */
    public static String[] expand(String[] arguments) {
        if (arguments.length < 3 || !arguments[0].equals(COMMAND) || arguments[1].startsWith("-")
                || arguments[2].startsWith("-")) {
            return arguments;
        }
        Path run = Path.of(arguments[2]);
        Path kept = run.resolve(Pipeline.RECIPE);
        if (!Files.isRegularFile(kept)) {
            throw new InputException(run + ": no " + Pipeline.RECIPE + " there, expected the folder of a run");
        }
        List<String> expanded = new ArrayList<>(Arrays.asList(arguments));
        expanded.addAll(List.of("--recipe=" + kept, "--output=" + run));
        return expanded.toArray(String[]::new);
    }
}
