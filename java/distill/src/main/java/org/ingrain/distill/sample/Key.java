package org.ingrain.distill.sample;

import java.util.Arrays;

/**
 * Which completion of a method's tree this is.
 *
 * @param id   the example's
 * @param path sample index at each step from the first, from 0, with dots: {@code 2.5} is the sixth second-step sample of the third
 *             first-step sample; below a text that is parted, the part's number
 */
public record Key(String id, String path) {
    /** The {@code sample}-th completion of the step that follows this one. */
    Key child(int sample) {
        return new Key(id, path.isEmpty() ? Integer.toString(sample) : path + "." + sample);
    }

    /** Steps that lie before this one. */
    int depth() {
        return (int) path.chars().filter(c -> c == '.').count();
    }

    /** Sample index at each step, from the first. */
    int[] indices() {
        return Arrays.stream(path.split("\\.")).mapToInt(Integer::parseInt).toArray();
    }

    int sample() {
        return Integer.parseInt(path.substring(path.lastIndexOf('.') + 1));
    }

    /** The completion whose text this one's prompt holds; the root, with an empty path, for a first step. */
    Key parent() {
        int dot = path.lastIndexOf('.');
        return new Key(id, dot < 0 ? "" : path.substring(0, dot));
    }
}
