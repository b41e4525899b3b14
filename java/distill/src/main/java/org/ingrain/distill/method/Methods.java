package org.ingrain.distill.method;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.ingrain.files.DurableFile;
import org.ingrain.files.Json;
import org.ingrain.tensor.InputException;
import org.ingrain.tensor.Similar;

/** Loads shipped methods by name, and a user's methods from files. */
public final class Methods {
    /** Names of the shipped methods that a user can select. */
    public static final List<String> SHIPPED = List.of("direct", "rar-1-step", "rar-2-step", "s2a", "bsm", "cot",
            "cot-zero-shot", "cot-few-shot", "number-alone", "bare-question");

    private Methods() {
    }

    /** The System 1 method, which asks the bare question. Every student is trained and evaluated with this method. */
    public static Method direct() {
        return shipped("direct");
    }

    /** The shipped method that asks which of several responses is the most consistent. */
    static Method universal() {
        return shipped("universal-self-consistency");
    }

    /** Calls {@link #load(String, String)} with the field name {@code method}. */
    public static Method load(String nameOrFile) {
        return load("method", nameOrFile);
    }

    /**
     * Loads a shipped method by its name, or a user's method from a JSON file.
     *
     * @param field name of the setting whose value is {@code nameOrFile}, for error messages
     * @throws InputException if there is no such method or file, or the file has no valid method
     */
    public static Method load(String field, String nameOrFile) {
        if (SHIPPED.contains(nameOrFile)) {
            return shipped(nameOrFile);
        }
        Path file = Path.of(nameOrFile);
        if (!Files.isRegularFile(file)) {
            throw InputException.field(field, nameOrFile + ", expected one of " + String.join(", ", SHIPPED)
                    + " or the path of a method's JSON file" + Similar.hint(nameOrFile, SHIPPED));
        }
        return Json.parse(DurableFile.read(file), Method.class, nameOrFile);
    }

    private static Method shipped(String name) {
        String resource = "/org/ingrain/distill/methods/" + name + ".json";
        try (InputStream in = Methods.class.getResourceAsStream(resource)) {
            return Json.parse(new String(in.readAllBytes(), StandardCharsets.UTF_8), Method.class, resource);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
