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
import org.ingrain.tensor.InputException;

/**
 * The entry point for Jazzer. The property {@code ingrain.fuzz.target} is a regular expression for the names of
 * targets; each input is passed to all of these targets. If the property {@code ingrain.fuzz.findings} names a folder,
 * a file that causes a fault is written to this folder, and fuzzing continues. Only one file is written for each code
 * location at which faults occur. Without the property, the first fault ends the run.
 */
public final class Fuzzer {
    static final String TARGET = "ingrain.fuzz.target";
    static final String FINDINGS = "ingrain.fuzz.findings";
    private static final List<Target> TARGETS = chosen();

    private Fuzzer() {
    }

    /** A fault. The message names the target and the file; the cause is the exception of the reader. */
    static final class Fault extends AssertionError {
        Fault(Target target, byte[] file, Throwable thrown) {
            super(target.name() + ", " + file.length + " bytes "
                    + HexFormat.of().formatHex(file, 0, Math.min(file.length, 2000)), thrown);
        }
    }

    /** Called by Jazzer for each input. */
    public static void fuzzerTestOneInput(byte[] input) {
        for (Target target : TARGETS) {
            byte[] file = target.file(input);
            try {
                read(target, file);
            } catch (Fault fault) {
                String findings = System.getProperty(FINDINGS);
                if (findings == null) {
                    throw fault;
                }
                save(Path.of(findings), target, file, fault.getCause());
            }
        }
    }

    /** Reads a file as a target does. Returns whether it was accepted. */
    static boolean read(Target target, byte[] file) {
        try {
            target.reader().read(file);
            return true;
        } catch (InputException refused) {
            if (refused.getMessage() == null || refused.getMessage().isBlank()) {
                throw new Fault(target, file, refused);
            }
            return false;
        } catch (Exception | Error thrown) {
            throw new Fault(target, file, thrown);
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
        String name = System.getProperty(TARGET, ".*");
        List<Target> all = Targets.all();
        List<Target> named = all.stream().filter(target -> target.name().matches(name)).toList();
        if (named.isEmpty()) {
            throw new IllegalArgumentException(TARGET + " is " + name + ", expected an expression for some of "
                    + all.stream().map(Target::name).toList());
        }
        return named;
    }

    /**
     * Prints the names of all targets, or writes the initial inputs of the selected targets to a folder.
     *
     * @param arguments empty, or two elements: a regular expression for the names of targets, and a folder
     */
    public static void main(String[] arguments) throws IOException {
        if (arguments.length == 0) {
            Targets.all().forEach(target -> System.out.println(target.name()));
            return;
        }
        Files.createDirectories(Path.of(arguments[1]));
        for (Target target : Targets.all()) {
            if (target.name().matches(arguments[0])) {
                List<byte[]> corpus = new ArrayList<>(target.corpus());
                corpus.addAll(Kept.inputs(target.name()).values());
                for (byte[] input : corpus) {   // named by content, because most inputs belong to several targets
                    Files.write(Path.of(arguments[1], HexFormat.of().toHexDigits(Arrays.hashCode(input))), input);
                }
            }
        }
    }
}
