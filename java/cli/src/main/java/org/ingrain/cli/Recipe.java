package org.ingrain.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.ingrain.distill.run.AtomicFile;
import org.ingrain.distill.run.Json;
import org.ingrain.tensor.InputException;

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
record Recipe(String title, String source, String data, Map<String, String> paper, List<String> ours, Map<String, String> flags) {
    private static final String FLAG = "--recipe";

    Recipe {
        if (title == null || flags == null || flags.isEmpty()) {
            throw new InputException("expected a recipe with title and flags");
        }
        paper = paper == null ? Map.of() : paper;
        ours = ours == null ? List.of() : List.copyOf(ours);
    }

    /** The recipe of this name in models/recipes, or of this file. */
    static Recipe load(String nameOrFile) {
        Path folder = Home.models().resolve("recipes");
        Path shipped = folder.resolve(nameOrFile + ".json");
        Path file = Files.isRegularFile(shipped) ? shipped : Path.of(nameOrFile);
        if (!Files.isRegularFile(file)) {
            throw new InputException(FLAG + ": " + nameOrFile + ", expected one of " + String.join(", ", names(folder)) + " or the path of a recipe's JSON file");
        }
        return Json.parse(AtomicFile.read(file), Recipe.class, file.toString());
    }

    private static List<String> names(Path folder) {
        try (Stream<Path> files = Files.list(folder)) {
            return files.map(file -> file.getFileName().toString().replaceFirst("\\.json$", "")).sorted().toList();
        } catch (IOException e) {
            throw AtomicFile.unreadable(folder, e);
        }
    }

    /** The arguments with the recipe's flags among them, but for those that are given already. */
    static String[] expand(String[] arguments) {
        String name = value(arguments);
        if (name == null) {
            return arguments;
        }
        Map<String, String> flags = new LinkedHashMap<>(load(name).flags());
        Set.copyOf(flags.keySet()).stream().filter(flag -> given(arguments, flag)).forEach(flags::remove);
        if (given(arguments, "data")) {
            flags.remove("generate");
        }
        if (given(arguments, "generate")) {
            flags.remove("data");
        }
        List<String> expanded = new ArrayList<>(Arrays.asList(arguments));
        flags.forEach((flag, value) -> expanded.add(value.equals("true") ? "--" + flag : "--" + flag + "=" + value));
        return expanded.toArray(String[]::new);
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
        return Arrays.stream(arguments).anyMatch(argument -> argument.equals("--" + flag) || argument.startsWith("--" + flag + "="));
    }
}
