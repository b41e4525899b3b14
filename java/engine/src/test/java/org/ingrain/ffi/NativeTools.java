package org.ingrain.ffi;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * The compiler and nm, for tests that build or inspect a library. If one of these two programs is missing, the test is
 * skipped.
 */
final class NativeTools {
    static final Path HEADER = Path.of(System.getProperty("ingrain.root"), "native", "include", "ingrain.h");

    private NativeTools() {
    }

    /** Compiles C++ source to a shared library in {@code folder}. */
    static Path library(Path folder, String name, String source) throws IOException, InterruptedException {
        return compile(folder, name + ".so", source, "-shared", "-fPIC");
    }

    /** Compiles and runs a C++ program; returns the lines that it prints. */
    static List<String> printed(Path folder, String source) throws IOException, InterruptedException {
        return run(compile(folder, "probe", source).toString());
    }

    /** Names of the symbols that a library exports. */
    static List<String> exports(Path library) throws IOException, InterruptedException {
        assumeTrue(exists("nm"), "Skipped: nm (binutils) is not installed");
        return run("nm", "-D", "--defined-only", library.toString()).stream()
                .map(line -> line.substring(line.lastIndexOf(' ') + 1)).toList();
    }

    private static Path compile(Path folder, String output, String source, String... flags)
            throws IOException, InterruptedException {
        assumeTrue(exists("g++"), "Skipped: g++ is not installed");
        Path file = Files.writeString(folder.resolve(output + ".cc"), source);
        List<String> command = new ArrayList<>(List.of("g++", "-std=c++20", "-I", HEADER.getParent().toString(), "-o",
                folder.resolve(output).toString(), file.toString()));
        command.addAll(List.of(flags));
        run(command.toArray(String[]::new));
        return folder.resolve(output);
    }

    private static boolean exists(String tool) {
        return List.of(System.getenv("PATH").split(":")).stream()
                .anyMatch(folder -> Files.isExecutable(Path.of(folder, tool)));
    }

    private static List<String> run(String... command) throws IOException, InterruptedException {
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        List<String> lines = new String(process.getInputStream().readAllBytes()).lines().toList();
        assertEquals(0, process.waitFor(), () -> String.join(" ", command) + "\n" + String.join("\n", lines));
        return lines;
    }
}
