package org.ingrain.fuzz;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.stream.Stream;

/**
 * The entry point for Jazzer. The property {@code ingrain.fuzz.target} is a regular expression for the names of
 * targets; each input is passed to all of these targets. The initial inputs are written to the folder that the property
 * {@code ingrain.fuzz.corpus} names. If the property {@code ingrain.fuzz.findings} names a folder, a file that causes a
 * fault is written to this folder, and fuzzing continues. Only one file is written for each code location at which
 * faults occur. Without this property, the first fault ends the run.
 */
public final class Fuzzer {
    static final String TARGET = "ingrain.fuzz.target";
    static final String CORPUS = "ingrain.fuzz.corpus";
    static final String FINDINGS = "ingrain.fuzz.findings";
    private static final List<Target> TARGETS = chosen();

    private Fuzzer() {
    }

    /**
     * Called by Jazzer before the first input. Checks that every target accepts one of its seeds, and writes the
     * initial inputs.
     */
    public static void fuzzerInitialize() throws IOException {
        Path corpus = Files.createDirectories(Path.of(System.getProperty(CORPUS)));
        for (Target target : TARGETS) {
            requireAccepted(target);
            List<byte[]> inputs = new ArrayList<>(target.corpus());
            inputs.addAll(Kept.inputs(target.name()).values());
            for (byte[] input : inputs) {   // named by content, because most inputs belong to several targets
                Files.write(corpus.resolve(HexFormat.of().toHexDigits(Arrays.hashCode(input))), input);
            }
        }
    }

    private static void requireAccepted(Target target) {
        boolean accepted = false;
        for (byte[] seed : target.seeds()) {
            accepted |= target.accepts(seed);
        }
        if (!accepted) {
            throw new IllegalStateException(target.name() + ": accepts none of its seeds");
        }
    }

    /** Called by Jazzer for each input. */
    public static void fuzzerTestOneInput(byte[] input) {
        for (Target target : TARGETS) {
            byte[] file = target.file(input);
            try {
                target.accepts(file);
            } catch (Target.Fault fault) {
                String findings = System.getProperty(FINDINGS);
                if (findings == null) {
                    throw fault;
                }
                save(Path.of(findings), target, file, fault.getCause());
            }
        }
    }

    private static void save(Path folder, Target target, byte[] file, Throwable thrown) {
        String place = Stream.of(thrown.getStackTrace()).filter(at -> at.getClassName().startsWith("org.ingrain."))
                .limit(2).map(at -> at.getClassName() + "." + at.getMethodName() + ":" + at.getLineNumber())
                .reduce(thrown.getClass().getName(), (all, at) -> all + " " + at);
        Path named = folder.resolve(target.name() + "-" + Integer.toHexString(place.hashCode()));
        if (Files.notExists(named)) {
            try {
                Files.createDirectories(folder);
                Files.write(named, file);
                List<String> text = new ArrayList<>(List.of(thrown.toString(), place, ""));
                Stream.of(thrown.getStackTrace()).limit(40).forEach(at -> text.add(at.toString()));
                // Files.write(path, lines) cannot be used, because that method refuses texts that are not valid
                // Unicode.
                Files.write(Path.of(named + ".txt"), String.join("\n", text).getBytes(StandardCharsets.UTF_8));
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
    }

    private static List<Target> chosen() {
        String names = System.getProperty(TARGET, ".*");
        List<Target> named = Targets.named(names);
        if (named.isEmpty()) {
            throw new IllegalArgumentException(TARGET + " is " + names + ", expected an expression for some of "
                    + Targets.names());
        }
        return named;
    }

    /** Prints the names of all targets. */
    public static void main(String[] arguments) {
        Targets.names().forEach(System.out::println);
    }
}
