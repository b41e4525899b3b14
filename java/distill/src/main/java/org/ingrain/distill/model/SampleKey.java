package org.ingrain.distill.model;

import java.util.Arrays;

/**
 * Which completion of a method's tree this is.
 *
 * @param id   the example's
 * @param path sample index at each step from the first, from 0, with dots: {@code 2.5} is the sixth second-step sample
 *             of the third first-step sample; below a text that is parted, the part's number
 */
public record SampleKey(String id, String path) {
    /** The {@code sample}-th completion of the step that follows this one. */
    public SampleKey child(int sample) {
        return new SampleKey(id, path.isEmpty() ? Integer.toString(sample) : path + "." + sample);
    }

    /** Steps that lie before this one. */
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

    /** The completion whose text this one's prompt holds; the root, with an empty path, for a first step. */
    public SampleKey parent() {
        int dot = path.lastIndexOf('.');
        return new SampleKey(id, dot < 0 ? "" : path.substring(0, dot));
    }
}
