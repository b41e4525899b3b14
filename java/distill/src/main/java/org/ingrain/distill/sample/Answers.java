package org.ingrain.distill.sample;

import java.io.BufferedReader;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.ingrain.distill.model.SampleKey;
import org.ingrain.distill.task.Example;
import org.ingrain.files.DurableFile;
import org.ingrain.files.Json;

/**
 * The completions of one example, as its file has them.
 *
 * @param samples all of them, depth first
 */
public record Answers(List<SampleRecord> samples) {
    /**
     * An answer and the way to it.
     *
     * @param path  of the last sampled step's text
     * @param steps the sampled steps, from the first to the last
     * @param parts texts about each part of the last text, where the method branches; else empty
     */
    public record Chain(String path, List<SampleRecord> steps, List<SampleRecord> parts) {
        public String text() {
            return steps.getLast().text();
        }
    }

    /**
     * The answers, each with the steps that led to it; two may share their first steps.
     *
     * @param depth sampled steps of the method
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

    /** Generated tokens of all steps and samples. */
    public int tokens() {
        return samples.stream().mapToInt(SampleRecord::tokens).sum();
    }

    /** Takes one example. */
    @FunctionalInterface
    public interface Each {
        void accept(Example example, Answers answers) throws IOException;
    }

    /** Reads a finished file of {@link Sampling} example by example; only one example is in memory. */
    public static void forEach(Path file, List<Example> examples, Each each) throws IOException {
        try (BufferedReader reader = Files.newBufferedReader(file)) {
            SampleRecord next = next(reader, file);
            for (Example example : examples) {
                List<SampleRecord> own = new ArrayList<>();
                while (next != null && next.id().equals(example.id())) {
                    own.add(next);
                    next = next(reader, file);
                }
                // Of an order that an earlier one has made needless there may be nothing.
                if (own.isEmpty() && example.isAsGiven()) {
                    throw new IllegalStateException(file + " holds nothing of example " + example.id());
                }
                each.accept(example, new Answers(own));
            }
        }
    }

    /** The same where nothing is written on the way. */
    public static void each(Path file, List<Example> examples, Each each) {
        try {
            forEach(file, examples, each);
        } catch (IOException e) {
            throw DurableFile.unreadable(file, e);
        }
    }

    private static SampleRecord next(BufferedReader reader, Path file) throws IOException {
        String line = reader.readLine();
        return line == null ? null : Json.parse(line, SampleRecord.class, file.toString());
    }
}
