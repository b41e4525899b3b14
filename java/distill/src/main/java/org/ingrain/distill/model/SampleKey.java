package org.ingrain.distill.model;

import java.util.Arrays;

/**
 * Identifies a completion in the tree of an example's completions.
 *
 * @param id   id of the example
 * @param path sample indices of all steps, from 0, separated by dots. For example, {@code 2.5} is the sixth of the
 *             samples of the second step that are based on the third sample of the first step. In the last step of a
 *             branching method, the index is that of the part
 */
public record SampleKey(String id, String path) {
    /** The key of a completion of the next step that is based on this completion; {@code sample} is its index. */
    public SampleKey child(int sample) {
        return new SampleKey(id, path.isEmpty() ? Integer.toString(sample) : path + "." + sample);
    }

    /** Number of steps before the step of this completion. */
    public int depth() {
        return (int) path.chars().filter(c -> c == '.').count();
    }

    /** Sample index at each step, beginning with the first step. */
    public int[] indices() {
        return Arrays.stream(path.split("\\.")).mapToInt(Integer::parseInt).toArray();
    }

    public int sample() {
        return Integer.parseInt(path.substring(path.lastIndexOf('.') + 1));
    }

    /**
     * The key of the completion of the previous step on which this completion is based. For a completion of the first
     * step, the result is the key of the root, whose path is empty.
     */
    public SampleKey parent() {
        int dot = path.lastIndexOf('.');
        return new SampleKey(id, dot < 0 ? "" : path.substring(0, dot));
    }
}
