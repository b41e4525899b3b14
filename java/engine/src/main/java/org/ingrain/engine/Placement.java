package org.ingrain.engine;

import java.util.List;
import java.util.function.IntPredicate;
import org.ingrain.model.Blueprint;
import org.ingrain.model.Rank;
import org.ingrain.tensor.InputException;

/**
 * The division of devices among copies of a model.
 *
 * @param tensorParallelSize number of ranks in each copy of the model
 * @param dataParallelSize   number of copies
 * @param reason             reason for these sizes, as one line of text for the user
 */
public record Placement(int tensorParallelSize, int dataParallelSize, String reason) {
    /**
     * Chooses the sizes. Sizes other than 0 in the options are used unchanged. If both sizes are 0, each copy has the
     * smallest number of ranks with which it fits into memory. If one size is 0, it is computed from the other size and
     * the number of devices.
     *
     * @param group number of adjacent columns that share a scale in the layers' matrices; 0 if no columns share one
     * @param fits  whether a copy with this many ranks fits into memory; called only if both sizes are 0
     * @throws InputException if the sizes do not match the number of devices or the shape of the model
     */
    static Placement of(ModelOptions options, Blueprint model, int group, IntPredicate fits) {
        int devices = options.devices().size();
        int ranks = options.parallel().tensorParallelSize();
        int copies = options.parallel().dataParallelSize();
        String reason = "as requested";
        if (ranks == 0 && copies == 0) {
            List<Integer> counts = Rank.counts(model, group).stream().filter(count -> devices % count == 0).toList();
            int least = counts.stream().filter(count -> count == devices || fits.test(count)).findFirst()
                    .orElse(counts.getLast());
            reason = least == 1 ? "each device has room for the whole model"
                    : "the weights and cache of a copy do not fit on fewer devices";
            ranks = devices == 1 ? 1 : least;
        } else if (devices > options.parallel().devices()) {
            reason = ranks > 0 ? "tensorParallelSize as requested, copies on all devices"
                    : "dataParallelSize as requested, all devices divided among the copies";
        }
        ranks = ranks > 0 ? ranks : devices / copies;
        copies = copies > 0 ? copies : devices / ranks;
        if (ranks * copies != devices) {
            throw InputException.field("device", options.device() + " lists " + devices
                    + " devices, expected tensorParallelSize " + Math.max(1, ranks) + " x dataParallelSize "
                    + Math.max(1, copies) + " = " + Math.max(1, ranks) * Math.max(1, copies));
        }
        if (!Rank.counts(model, group).contains(ranks)) {
            throw InputException.field("tensorParallelSize", ranks + ", " + Rank.refusal(model, group));
        }
        return new Placement(ranks, copies, reason);
    }

    /**
     * Total number of ranks of all copies. This is the number of listed devices; a device that is listed twice counts
     * twice.
     */
    public int devices() {
        return tensorParallelSize * dataParallelSize;
    }

    /** The placement in one line: {@code cuda:0,1: 1 copy of the model, over 2 devices (reason)}. */
    public String line(String device) {
        return device + ": " + dataParallelSize + (dataParallelSize == 1 ? " copy" : " copies") + " of the model, "
                + (dataParallelSize == 1 ? "" : "each ") + "over " + tensorParallelSize
                + (tensorParallelSize == 1 ? " device" : " devices") + " (" + reason + ")";
    }
}
