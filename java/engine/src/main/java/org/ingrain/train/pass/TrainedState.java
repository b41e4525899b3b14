package org.ingrain.train.pass;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.SequencedMap;
import java.util.TreeMap;
import org.ingrain.ffi.Context;
import org.ingrain.tensor.Tensor;

/**
 * What a checkpoint keeps: values and both moments, each as one rank alone has them end to end, whatever ranks there
 * are.
 *
 * @param runs in the order of the file
 */
public record TrainedState(List<Run> runs) {
    /**
     * Elements that lie one behind the other.
     *
     * @param copies that hold them, all alike; none for a gap of zeros
     */
    public record Run(long elements, List<Copy> copies) {
    }

    /** Where a run lies. */
    public record Copy(Context context, Tensor tensor) {
    }

    /** Gathers runs of one vector, wherever they lie in it. */
    static final class Builder {
        private final SequencedMap<Long, List<Copy>> runs = new TreeMap<>(Comparator.naturalOrder());

        void add(long offset, Copy copy) {
            if (copy.tensor.elements() > 0) {
                runs.computeIfAbsent(offset, at -> new ArrayList<>()).add(copy);
            }
        }

        /** The runs of a vector of this length, with the gaps between them. */
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
