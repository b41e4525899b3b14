package org.ingrain.train.pass;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.SequencedMap;
import java.util.TreeMap;
import org.ingrain.ffi.Context;
import org.ingrain.tensor.Tensor;

/**
 * The state in a checkpoint: values, first moments and second moments, each in the layout of an unsharded run. The
 * checkpoint file therefore has the same layout for any number of ranks and replicas.
 *
 * @param runs ranges of consecutive elements, in the order of the file
 */
public record TrainedState(List<Run> runs) {
    /**
     * A range of consecutive elements of the state.
     *
     * @param elements number of elements
     * @param copies   the tensors that contain these elements, all with the same values. Empty for an alignment gap,
     *                 whose elements are zero
     */
    public record Run(long elements, List<Copy> copies) {
    }

    /** A tensor that contains the elements of one range, and the context of the tensor. */
    public record Copy(Context context, Tensor tensor) {
    }

    /** Collects the ranges of one vector. The ranges can be added in any order. */
    static final class Builder {
        private final SequencedMap<Long, List<Copy>> runs = new TreeMap<>(Comparator.naturalOrder());

        void add(long offset, Copy copy) {
            if (copy.tensor.elements() > 0) {
                runs.computeIfAbsent(offset, at -> new ArrayList<>()).add(copy);
            }
        }

        /**
         * Returns the ranges of the whole vector of length {@code elements}, in ascending order. Ranges without copies
         * represent the gaps between the added ranges.
         */
        List<Run> build(long elements) {
            List<Run> all = new ArrayList<>();
            long at = 0;
            for (var run : runs.entrySet()) {
                gap(all, run.getKey() - at);
                long length = run.getValue().getFirst().tensor().elements();
                all.add(new Run(length, run.getValue()));
                at = run.getKey() + length;
            }
            gap(all, elements - at);
            return all;
        }

        private static void gap(List<Run> runs, long elements) {
            if (elements > 0) {
                runs.add(new Run(elements, List.of()));
            }
        }
    }
}
