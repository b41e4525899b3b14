package org.ingrain.distill.model;

import java.util.Arrays;

/**
 * Identifies a completion in the tree of an example's completions.
 *
 * @param id   id of the example
 * @param path sample index at each step, from 0, separated by dots: {@code 2.5} is the sixth second-step sample of the
 *             third first-step sample; below a text that was split, the index is the number of the part
 */
public record SampleKey(String id, String path) {
    /** The completion number {@code sample} of the next step. */
    public SampleKey child(int sample) {
        return new SampleKey(id, path.isEmpty() ? Integer.toString(sample) : path + "." + sample);
    }

    /** Number of steps before this one. */
    public int depth() {
        return (int) path.chars().filter(c -> c == '.').count();
    }

    /** Sample index at each step, from the first. */
    public int[] indices() {
        return Arrays.stream(path.split("\\.")).mapToInt(Integer::parseInt).toArray();
    }

    public int sample() {
        return Integer.parseInt(path.substring(path.lastIndexOf('.') + 1));
    }

    /** The completion of the step before; for a first step the root, with an empty path. */
    public SampleKey parent() {
        int dot = path.lastIndexOf('.');
        return new SampleKey(id, dot < 0 ? "" : path.substring(0, dot));
    }
}
