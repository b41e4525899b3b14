package org.ingrain.cli.flags;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.ingrain.files.DurableFile;
import org.ingrain.files.Json;
import org.ingrain.tensor.InputException;
import org.ingrain.tensor.Similar;
import picocli.CommandLine;
import tools.jackson.databind.JsonNode;

/**
 * An experiment in a JSON file, with the flags of a command and their source.
 *
 * @param title   title of the experiment
 * @param source  the paper that describes the experiment
 * @param data    description of the data that the experiment needs
 * @param paper   results that the paper reports, by row of its table; if a result was written down from memory, its
 *                text states this
 * @param ours    flags whose values the paper does not state, by explanation. The explanation says what the paper does
 *                not state, or where the values come from
 * @param command the command to which the flags belong; null: {@code distill}
 * @param flags   values of flags by flag name without leading hyphens; flags on the command line have priority
 */
public record Recipe(String title, String source, String data, Map<String, String> paper,
        Map<String, List<String>> ours, String command, Map<String, JsonNode> flags) {
    private static final String FLAG = "--recipe";
    private static final String DISTILL = "distill";
    /**
     * Flags with which a recipe describes its own questions. If the user gives the flag that is the key, the flags in
     * the value are removed from the recipe.
     */
    private static final Map<String, List<String>> INSTEAD = Map.of(
            "data", List.of("generate", "size", "names", "limit"), "generate", List.of("data", "limit"), "test-data",
            List.of("test-size", "limit"));

    public Recipe {
        if (title == null || flags == null || flags.isEmpty()) {
            throw new InputException("expected a recipe with title and flags");
        }
        command = command == null ? DISTILL : command;
        paper = paper == null ? Map.of() : paper;
        ours = ours == null ? Map.of() : ours;
    }

    /** Loads a recipe of models/recipes by its name, or a recipe from a file. */
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
                    + " or the path of a recipe's JSON file" + Similar.hint(nameOrFile, names(folder)));
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
     * Adds the flags of the recipe, if there is one, to the arguments, except flags that the arguments already contain.
     *
     * @param parser makes a parser for all commands
     * @throws InputException if there is no such recipe, if the recipe is for another command, or if the command does
     * not accept a flag or a value of the recipe
     */
    public static String[] expand(String[] arguments, Supplier<CommandLine> parser) {
        String name = value(arguments);
        if (name == null) {
            return arguments;
        }
        CommandLine line = parser.get();
        Recipe recipe = load(name);
        Arrays.stream(arguments).filter(line.getSubcommands()::containsKey).findFirst()
                .filter(given -> !given.equals(recipe.command)).ifPresent(given -> {
                    throw new InputException(file(name) + ": command: " + recipe.command + ", expected " + given);
                });
        Map<String, List<String>> words = new LinkedHashMap<>();
        recipe.flags.forEach((flag, value) -> words.put(flag, recipe.words(flag, value, file(name), line)));
        words.keySet().removeIf(flag -> given(arguments, flag));
        INSTEAD.forEach((own, others) -> {
            if (given(arguments, own)) {
                words.keySet().removeAll(others);
            }
        });
        List<String> expanded = new ArrayList<>(Arrays.asList(arguments));
        words.values().forEach(expanded::addAll);
        return expanded.toArray(String[]::new);
    }

    /** The arguments for a flag of the recipe. A flag that may be repeated can have a list of values. */
    private List<String> words(String flag, JsonNode value, Path file, CommandLine line) {
        String where = file + ": flags." + flag + ": ";
        CommandLine.Model.OptionSpec option = spec(line).findOption("--" + flag);
        if (option == null || flag.equals("recipe")) {
            throw new InputException(where + "not a flag of " + command + " that a recipe may set");
        }
        if (value.isArray() && option.isMultiValue()) {
            return value.values().stream().flatMap(each -> words(flag, each, file, line).stream()).toList();
        }
        if (!value.isString() && !value.isNumber() && !value.isBoolean()) {
            throw new InputException(where + Json.line(value) + ", expected a text, a number, true or false");
        }
        String text = value.asString();
        if (option.typeInfo().isBoolean()) {
            if (!text.equals("true") && !text.equals("false")) {
                throw new InputException(where + text + ", expected true or false");
            }
            return text.equals("true") ? List.of("--" + flag)
                    : option.negatable() ? List.of("--no-" + flag) : List.of();
        }
        String word = "--" + flag + "=" + text;
        List<String> parsed = new ArrayList<>(List.of(command, word));
        spec(line).options().stream().filter(other -> other.required() && other != option)
                .forEach(other -> parsed.add(other.longestName() + "=."));
        try {
            line.parseArgs(parsed.toArray(String[]::new));
        } catch (CommandLine.ParameterException e) {
            throw new InputException(where + e.getMessage());
        }
        return List.of(word);
    }

    private CommandLine.Model.CommandSpec spec(CommandLine line) {
        if (!line.getSubcommands().containsKey(command)) {
            throw new InputException(FLAG + ": command: " + command + ", expected a command of this program");
        }
        return line.getSubcommands().get(command).getCommandSpec();
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
