package org.ingrain.distill.sample;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.ingrain.distill.model.SampleKey;
import org.ingrain.distill.task.Example;
import org.ingrain.files.JsonLines;
import org.ingrain.tensor.InputException;

/**
 * The completions of one example, read from a file of samples.
 *
 * @param samples all completions of the example, in depth-first order
 */
public record Answers(List<SampleRecord> samples) {
    /**
     * An answer with the steps that led to it.
     *
     * @param path  path of the text of the last sampled step
     * @param steps completions of the sampled steps, from the first step to the last
     * @param parts the completions for the parts of the last text; empty if the method does not branch
     */
    public record Chain(String path, List<SampleRecord> steps, List<SampleRecord> parts) {
        public String text() {
            return steps.getLast().text();
        }
    }

    /**
     * The answers of the example, each with the steps that led to it. Several answers may share completions of earlier
     * steps.
     *
     * @param depth number of sampled steps of the method
     */
    public List<Chain> chains(int depth) {
        Map<String, SampleRecord> byPath = new LinkedHashMap<>();
        samples.forEach(sample -> byPath.put(sample.path(), sample));
        Map<String, List<SampleRecord>> parts = new HashMap<>();
        List<Chain> chains = new ArrayList<>();
        for (SampleRecord sample : samples) {
            if (sample.key().depth() == depth) {
                parts.computeIfAbsent(sample.key().parent().path(), path -> new ArrayList<>()).add(sample);
            }
        }
        for (SampleRecord sample : samples) {
            if (sample.key().depth() == depth - 1) {
                List<SampleRecord> steps = new ArrayList<>();
                for (SampleKey key = sample.key(); !key.path().isEmpty(); key = key.parent()) {
                    steps.addFirst(byPath.get(key.path()));
                }
                chains.add(new Chain(sample.path(), List.copyOf(steps), parts.getOrDefault(sample.path(), List.of())));
            }
        }
        return chains;
    }

    /** Number of generated tokens of all completions. */
    public int tokens() {
        return samples.stream().mapToInt(SampleRecord::tokens).sum();
    }

    /** Receives one example and its completions. */
    @FunctionalInterface
    public interface Each<E extends Exception> {
        void accept(Example example, Answers answers) throws E;
    }

    /**
     * Requires that no path occurs twice. A text is based on texts of earlier steps; the file must contain these texts,
     * too.
     */
    private static void requireTree(Path file, List<SampleRecord> samples) {
        Set<String> paths = new HashSet<>(List.of(""));
        for (SampleRecord sample : samples) {
            if (!paths.add(sample.path())) {
                throw new InputException(file + ": example " + sample.id() + " has path " + sample.path() + " twice");
            }
        }
        for (SampleRecord sample : samples) {
            String parent = sample.key().parent().path();
            if (!paths.contains(parent)) {
                throw new InputException(file + ": example " + sample.id() + " has path " + sample.path()
                        + ", expected also the path " + parent + " of the step before it");
            }
        }
    }

    /**
     * Reads a finished file of {@link Sampling} and calls {@code each} for every example. Only one example is in memory
     * at a time.
     *
     * @throws InputException if a line is malformed, or an example in the given order has no line
     */
    public static <E extends Exception> void forEach(Path file, List<Example> examples, Each<E> each) throws E {
        try (JsonLines<SampleRecord> lines = JsonLines.open(file, SampleRecord.class)) {
            SampleRecord next = lines.next();
            for (Example example : examples) {
                List<SampleRecord> own = new ArrayList<>();
                Set<String> paths = new HashSet<>(Set.of(""));
                while (next != null && next.id().equals(example.id())) {
                    if (!paths.contains(next.key().parent().path()) || !paths.add(next.path())) {
                        throw new InputException(lines.where() + ": path is " + next.path()
                                + ", expected a new path, after the path of the step before it");
                    }
                    own.add(next);
                    next = lines.next();
                }
                // A presentation order has no lines if it is not needed, because an earlier order already disagreed.
                if (own.isEmpty() && example.isAsGiven()) {
                    throw new InputException(file + ": no line of example " + example.id());
                }
                requireTree(file, own);
                each.accept(example, new Answers(own));
            }
            if (next != null) {
                throw new InputException(lines.where() + ": id is " + next.id() + ", expected an example of this run");
            }
        }
    }
}
