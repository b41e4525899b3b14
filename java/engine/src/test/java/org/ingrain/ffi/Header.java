package org.ingrain.ffi;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/**
 * {@code ingrain.h} as text.
 *
 * @param signatures of every function by its name without {@code ingrain_}, in the letters of the header's end
 * @param structs    by name, the fields in order
 */
record Header(Map<String, String> signatures, Map<String, String[]> structs) {
    private static final Pattern FUNCTION = Pattern.compile("INGRAIN_API\\s+([\\w ]+?[ *]+)ingrain_(\\w+)\\(([^;]*)\\);");
    private static final Pattern FUNCTION_POINTER = Pattern.compile("\\(\\*(\\w+)\\)\\([^)]*\\)");
    private static final Pattern STRUCT = Pattern.compile("typedef struct (\\w+) \\{([^}]*)\\}");
    private static final Pattern FIELD = Pattern.compile("(\\w+)\\s*;");

    static Path path() {
        return Path.of(System.getProperty("ingrain.root"), "native", "include", "ingrain.h");
    }

    static Header read() {
        String text;
        try {
            text = Files.readString(path()).replaceAll("//[^\n]*", "");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        Map<String, String> signatures = new TreeMap<>();
        for (Matcher m = FUNCTION.matcher(text); m.find();) {
            String list = FUNCTION_POINTER.matcher(m.group(3)).replaceAll("* $1");
            String parameters = list.strip().equals("void") ? "" : Arrays.stream(list.split(","))
                    .map(parameter -> letter(parameter.strip().replaceFirst("\\w+$", ""))).collect(Collectors.joining());
            signatures.put(m.group(2), letter(m.group(1)) + parameters);
        }
        Map<String, String[]> structs = new TreeMap<>();
        for (Matcher m = STRUCT.matcher(text); m.find();) {
            structs.put(m.group(1), FIELD.matcher(m.group(2)).results().map(field -> field.group(1)).toArray(String[]::new));
        }
        return new Header(signatures, structs);
    }

    /** A C type as one letter. */
    private static String letter(String type) {
        return switch (type.replaceAll("\\s+", "")) {
            case "int32_t", "ingrain_status" -> "i";
            case "int64_t" -> "l";
            case "float" -> "f";
            case "constingrain_weight*" -> "w";
            case "constingrain_batch*" -> "b";
            default -> {
                if (!type.contains("*")) {
                    throw new IllegalArgumentException("the header's type '" + type + "' has no letter");
                }
                yield "p";
            }
        };
    }
}
