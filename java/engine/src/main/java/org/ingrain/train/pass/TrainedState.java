package org.ingrain.train.pass;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.SequencedMap;
import java.util.TreeMap;
import org.ingrain.ffi.Context;
import org.ingrain.tensor.Tensor;

/**
 * The state in a checkpoint: values, first moments and second moments, each in the layout of an unsharded run. The file
 * therefore has the same layout for any number of ranks and replicas.
 *
 * @param runs consecutive parts of the state, in the order of the file
 */
public record TrainedState(List<Run> runs) {
    /**
     * Consecutive elements.
     *
     * @param elements number of elements
     * @param copies   the tensors that contain these elements, all with the same values; none for an alignment gap of
     *                 zeros
     */
    public record Run(long elements, List<Copy> copies) {
    }

    /** A tensor with the elements of a run, and the tensor's context. */
    public record Copy(Context context, Tensor tensor) {
    }

    /** Collects the runs of one vector, in any order. */
    static final class Builder {
        private final SequencedMap<Long, List<Copy>> runs = new TreeMap<>(Comparator.naturalOrder());

        void add(long offset, Copy copy) {
            if (copy.tensor.elements() > 0) {
                runs.computeIfAbsent(offset, at -> new ArrayList<>()).add(copy);
            }
        }

        /** The runs of a vector of this length in ascending order, including the gaps between the added runs. */
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
