package org.ingrain.cli;

import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Sources of user kernels: the example that CONTRIBUTING.md shows, and faulty versions of this example. */
public final class KernelSources {
    private static final Path ROOT = Path.of(System.getProperty("ingrain.root"));

    private KernelSources() {
    }

    /** The example of CONTRIBUTING.md for the CPU, as a whole file. */
    public static String example() throws IOException {
        return example("cpp");
    }

    /** The example of CONTRIBUTING.md for a GPU. */
    static String cudaExample() throws IOException {
        return example("cuda");
    }

    private static String example(String language) throws IOException {
        Matcher example = Pattern.compile("(?s)```" + language + "\n(.*?)```")
                .matcher(Files.readString(ROOT.resolve("CONTRIBUTING.md")));
        assertTrue(example.find(), "CONTRIBUTING.md shows no kernel in " + language);
        return example.group(1);
    }

    /** The example with one text replaced by another. Fails if the example does not contain the text {@code from}. */
    public static String changed(String from, String to) throws IOException {
        String text = example();
        assertTrue(text.contains(from), from);
        return text.replace(from, to);
    }

    /** The declaration of an op in the header, without the semicolon. */
    static String declared(String op) throws IOException {
        Matcher found = Pattern.compile("ingrain_status ingrain_" + op + "\\([^;]*\\)(?=;)")
                .matcher(Files.readString(ROOT.resolve("native/include/ingrain.h")));
        assertTrue(found.find(), "ingrain.h does not declare " + op);
        return found.group();
    }

    public static Path write(Path folder, String name, String text) throws IOException {
        assumeTrue(Arrays.stream(System.getenv("PATH").split(":"))
                .anyMatch(bin -> Files.isExecutable(Path.of(bin, "g++"))), "Skipped: g++ is not installed");
        return Files.writeString(folder.resolve(name), text);
    }
}
