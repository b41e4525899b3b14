package org.ingrain.workbench;

import java.io.IOException;
import java.nio.charset.MalformedInputException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import org.ingrain.tensor.InputException;

/**
 * A user's kernel. The ops that the kernel's file exports replace the backend's ops with the same names.
 *
 * @param op   the name of an op, or the stem of a kernel file, which stands for all ops of that file
 * @param file a shared library (.so), or a source to compile (.cc, .cu)
 */
public record KernelFile(String op, Path file) {
    private static final Pattern INCLUDE = Pattern.compile("(?m)^\\s*#\\s*include\\s*\"([^\"]+)\"");

    public KernelFile {
        if (!Files.isRegularFile(file)) {
            throw new InputException(file + ": no such file");
        }
        if (!file.toString().matches("(?s).*\\.(so|cc|cu)")) {
            throw new InputException(file + ": expected a .so, .cc or .cu");
        }
        KernelCatalog.read().ops(op);
    }

    /** Parses OP=FILE. */
    public static KernelFile parse(String text) {
        int equals = text.indexOf('=');
        if (equals < 1 || equals == text.length() - 1) {
            throw InputException.field("kernels", "'" + text + "', expected OP=FILE such as rms_norm=my.cc");
        }
        return new KernelFile(text.substring(0, equals), Path.of(text.substring(equals + 1)));
    }

    /** Names, as in the header, of the ops for which {@code op} stands. */
    public List<String> ops() {
        return KernelCatalog.read().ops(op);
    }

    /** Whether the file is a source that has to be compiled. */
    public boolean source() {
        return !file.toString().endsWith(".so");
    }

    /**
     * The files that define the kernel: the file itself, and recursively the files that it includes by relative path.
     */
    public Set<Path> contents() {
        Set<Path> contents = new LinkedHashSet<>();
        collect(file, contents);
        return contents;
    }

    private void collect(Path from, Set<Path> contents) {
        if (!contents.add(from) || !source()) {
            return;
        }
        for (MatchResult include : INCLUDE.matcher(text(from)).results().toList()) {
            Path beside = from.resolveSibling(include.group(1)).normalize();
            if (Files.isRegularFile(beside)) {
                collect(beside, contents);
            }
        }
    }

    private static String text(Path source) {
        try {
            return Files.readString(source);
        } catch (MalformedInputException e) {
            throw new InputException(source + ": not UTF-8", e);
        } catch (IOException e) {
            throw new InputException(source + ": cannot be read: " + e.getMessage(), e);
        }
    }
}
