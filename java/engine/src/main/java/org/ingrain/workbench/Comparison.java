package org.ingrain.workbench;

import java.util.Arrays;
import java.util.stream.Collectors;
import org.ingrain.tensor.InputException;
import org.ingrain.tensor.Tensor;

/** Runs a case on two sides with the same inputs and compares all outputs. */
final class Comparison {
    private Comparison() {
    }

    /**
     * Runs both calls of a case and compares their outputs.
     *
     * @param where file, op and shape; error messages start with this text
     * @throws InputException at the first wrong element; the message names the output, the index, the value found and
     * the value expected
     */
    static void hold(String where, Side expectedSide, Call expected, Side actualSide, Call actual) {
        actual.run().run();
        actual.read().run();
        expected.run().run();
        expected.read().run();
        for (int i = 0; i < expected.outputs().size(); i++) {
            Call.Output output = actual.outputs().get(i);
            compare(where, output, expectedSide.floats(expected.outputs().get(i).tensor()),
                    actualSide.floats(output.tensor()));
        }
        if (!actualSide.guardsStand()) {
            throw new InputException(where + ": writes past the end of a tensor");
        }
    }

    private static void compare(String where, Call.Output output, float[] expected, float[] actual) {
        double largest = 0;
        for (float e : expected) {
            largest = Float.isFinite(e) ? Math.max(largest, Math.abs(e)) : largest;
        }
        int strays = (int) Math.ceil(output.tolerance().strays() * expected.length);
        for (int i = 0; i < expected.length; i++) {
            double limit = output.tolerance().limit(expected[i], largest);
            boolean near = Float.isFinite(expected[i])
                    ? Math.abs((double) expected[i] - actual[i]) <= limit : Float.compare(expected[i], actual[i]) == 0;
            if (!near && strays-- == 0) {
                throw new InputException(where + ": " + output.name() + index(output.tensor(), i) + " is " + actual[i]
                        + ", expected " + expected[i]
                        + (limit > 0 ? String.format(java.util.Locale.ROOT, " within %.2g", limit) : ""));
            }
        }
    }

    /** Index of an element, such as [3, 17]. */
    private static String index(Tensor tensor, int element) {
        long[] index = new long[tensor.rank()];
        long rest = element;
        for (int d = index.length - 1; d >= 0; d--) {
            index[d] = rest % tensor.size(d);
            rest /= tensor.size(d);
        }
        return Arrays.stream(index).mapToObj(Long::toString).collect(Collectors.joining(", ", "[", "]"));
    }
}
