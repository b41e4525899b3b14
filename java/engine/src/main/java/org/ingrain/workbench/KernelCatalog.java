package org.ingrain.workbench;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.ingrain.tensor.InputException;

/**
 * The kernel files of this build and the ops of each file. The build writes the opening comment of each file to a
 * resource beside the classes.
 */
public final class KernelCatalog {
    private static final Pattern BOUND = Pattern.compile("\\bBound {2,}(\\S.*?)(?: {2,}|$)");

    private final List<Source> sources;

    /**
     * A kernel file.
     *
     * @param file  path in the source tree, such as native/ops/rms_norm.cc
     * @param bound limiting factor of the ops' speed, as stated in the file's opening comment
     * @param ops   names of the file's ops in the header, in the order in which the file defines them
     */
    public record Source(String file, String bound, List<String> ops) {
        /** The stem of the file name (the name without its extension). The stem is the same on all backends. */
        public String stem() {
            return Path.of(file).getFileName().toString().replaceFirst("\\..*", "");
        }

        /** Whether the file belongs to the CPU backend. */
        public boolean cpu() {
            return file.endsWith(".cc");
        }
    }

    private KernelCatalog(List<Source> sources) {
        this.sources = List.copyOf(sources);
    }

    /** Reads the catalog of this build. */
    public static KernelCatalog read() {
        return parse(resource("kernels.txt").lines().toList());
    }

    /**
     * Parses the catalog. For each kernel file, the catalog has a line "file PATH", the lines of the opening comment,
     * and one line "op NAME" for each op.
     */
    static KernelCatalog parse(List<String> lines) {
        List<Source> sources = new ArrayList<>();
        for (String line : lines) {
            if (line.startsWith("file ")) {
                sources.add(new Source(line.substring(5), "", new ArrayList<>()));
                continue;
            }
            Source source = sources.getLast();
            Matcher bound = BOUND.matcher(line);
            if (line.startsWith("op ")) {
                source.ops().add(line.substring(3));
            } else if (bound.find()) {
                sources.set(sources.size() - 1, new Source(source.file(), bound.group(1), source.ops()));
            }
        }
        return new KernelCatalog(sources);
    }

    static String resource(String name) {
        try (InputStream in = KernelCatalog.class.getResourceAsStream(name)) {
            if (in == null) {
                throw new IllegalStateException("resource " + name + " is missing from the build");
            }
            return new String(in.readAllBytes(), StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** The kernel files of a backend: native/ops for cpu, cuda/ops for any other. */
    public List<Source> sources(String backend) {
        return sources.stream().filter(source -> source.cpu() == backend.equals("cpu")).toList();
    }

    /**
     * Returns the ops that a name denotes: all ops of a file if the name is the file's stem ({@code rms_norm}), or the
     * op with that name ({@code rms_norm_forward}).
     *
     * @throws InputException if no stem and no op has this name; the message names the nearest known name
     */
    public List<String> ops(String name) {
        List<Source> registry = sources("cpu");
        for (Source source : registry) {
            if (source.stem().equals(name)) {
                return source.ops();
            }
        }
        if (registry.stream().anyMatch(source -> source.ops().contains(name))) {
            return List.of(name);
        }
        String nearest = registry.stream()
                .flatMap(source -> Stream.concat(Stream.of(source.stem()), source.ops().stream()))
                .min(Comparator.comparingInt(known -> distance(known, name))).orElseThrow();
        throw new InputException(name + ": no such op, expected a name from 'ingrain kernels', such as " + nearest);
    }

    /** Levenshtein distance: the minimum number of insertions, deletions and substitutions. */
    private static int distance(String a, String b) {
        int[] row = new int[b.length() + 1];
        for (int j = 0; j < row.length; j++) {
            row[j] = j;
        }
        for (int i = 1; i <= a.length(); i++) {
            int diagonal = row[0];
            row[0] = i;
            for (int j = 1; j < row.length; j++) {
                int exchanged = diagonal + (a.charAt(i - 1) == b.charAt(j - 1) ? 0 : 1);
                diagonal = row[j];
                row[j] = Math.min(exchanged, 1 + Math.min(row[j], row[j - 1]));
            }
        }
        return row[b.length()];
    }
}
