package org.ingrain.cli.flags;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.ingrain.files.DurableFile;
import org.ingrain.files.Json;
import org.ingrain.tensor.InputException;
import picocli.CommandLine;
import tools.jackson.databind.JsonNode;

/**
 * An experiment as a file: flags, and where they come from.
 *
 * @param title  of the experiment
 * @param source the paper
 * @param data   what questions it wants
 * @param paper  what the paper reports, by row
 * @param ours   flags whose values the paper does not state
 * @param flags  by name without hyphens before it; a flag that is given beside the recipe stands in its place
 */
public record Recipe(String title, String source, String data, Map<String, String> paper, List<String> ours,
        Map<String, JsonNode> flags) {
    private static final String FLAG = "--recipe";
    private static final String COMMAND = "distill";
    /** What a user's own flag puts out of use beside itself: a recipe's sizes are of its own questions. */
    private static final Map<String, List<String>> INSTEAD = Map.of(
            "data", List.of("generate", "size", "names", "limit"), "generate", List.of("data", "limit"), "test-data",
            List.of("test-size", "limit"));

    public Recipe {
        if (title == null || flags == null || flags.isEmpty()) {
            throw new InputException("expected a recipe with title and flags");
        }
        paper = paper == null ? Map.of() : paper;
        ours = ours == null ? List.of() : List.copyOf(ours);
    }

    /** The recipe of this name in models/recipes, or of this file. */
    public static Recipe load(String nameOrFile) {
        Path file = file(nameOrFile);
        return Json.parse(DurableFile.read(file), Recipe.class, file.toString());
    }

    private static Path file(String nameOrFile) {
        Path folder = Home.models().resolve("recipes");
        Path shipped = folder.resolve(nameOrFile + ".json");
        Path file = Files.isRegularFile(shipped) ? shipped : Path.of(nameOrFile);
        if (!Files.isRegularFile(file)) {
            throw new InputException(FLAG + ": " + nameOrFile + ", expected one of " + String.join(", ", names(folder))
                    + " or the path of a recipe's JSON file");
        }
        return file;
    }

    private static List<String> names(Path folder) {
        try (Stream<Path> files = Files.list(folder)) {
            return files.map(file -> file.getFileName().toString().replaceFirst("\\.json$", "")).sorted().toList();
        } catch (IOException e) {
            throw DurableFile.unreadable(folder, e);
        }
    }

    /**
     * The arguments with the recipe's flags among them, but for those that are given already.
     *
     * @param line the whole command line, distill in it
     * @throws InputException if the file has a flag that the command has not, or a value that it would not take
     */
    public static String[] expand(String[] arguments, CommandLine line) {
        String name = value(arguments);
        if (name == null) {
            return arguments;
        }
        Map<String, JsonNode> flags = new LinkedHashMap<>(load(name).flags());
        Map<String, String> words = new LinkedHashMap<>();
        flags.forEach((flag, value) -> words.put(flag, word(flag, value, file(name), line)));
        words.keySet().removeIf(flag -> given(arguments, flag));
        INSTEAD.forEach((own, others) -> {
            if (given(arguments, own)) {
                words.keySet().removeAll(others);
            }
        });
        List<String> expanded = new ArrayList<>(Arrays.asList(arguments));
        words.values().stream().filter(word -> !word.isEmpty()).forEach(expanded::add);
        return expanded.toArray(String[]::new);
    }

    /** One argument; empty for a switch that is off. */
    private static String word(String flag, JsonNode value, Path file, CommandLine line) {
        String where = file + ": flags." + flag + ": ";
        CommandLine.Model.OptionSpec option = line.getSubcommands().get(COMMAND).getCommandSpec()
                .findOption("--" + flag);
        if (option == null || flag.equals("recipe")) {
            throw new InputException(where + "distill has no such flag that a recipe may set");
        }
        if (!value.isString() && !value.isNumber() && !value.isBoolean()) {
            throw new InputException(where + Json.line(value) + ", expected a text, a number, true or false");
        }
        String text = value.asString();
        if (option.typeInfo().isBoolean()) {
            if (!text.equals("true") && !text.equals("false")) {
                throw new InputException(where + text + ", expected true or false");
            }
            return text.equals("true") ? "--" + flag : "";
        }
        String word = "--" + flag + "=" + text;
        // The command wants a model and a task, whatever else it is given.
        List<String> parsed = new ArrayList<>(List.of(COMMAND, "--model=.", "--task=last-letter"));
        parsed.removeIf(wanted -> wanted.startsWith("--" + flag + "="));
        parsed.add(word);
        try {
            line.parseArgs(parsed.toArray(String[]::new));
        } catch (CommandLine.ParameterException e) {
            throw new InputException(where + e.getMessage());
        }
        return word;
    }

    private static String value(String[] arguments) {
        for (int i = 0; i < arguments.length; i++) {
            if (arguments[i].equals(FLAG) && i + 1 < arguments.length) {
                return arguments[i + 1];
            }
            if (arguments[i].startsWith(FLAG + "=")) {
                return arguments[i].substring(FLAG.length() + 1);
            }
        }
        return null;
    }

    private static boolean given(String[] arguments, String flag) {
        return Arrays.stream(arguments).anyMatch(argument -> argument.equals("--" + flag)
                || argument.startsWith("--" + flag + "=")
                || argument.equals("--no-" + flag));
    }
}
