package org.ingrain.engine;

import java.util.List;
import java.util.function.IntPredicate;
import org.ingrain.model.Blueprint;
import org.ingrain.model.Rank;
import org.ingrain.tensor.InputException;

/**
 * How devices are divided among copies of a model.
 *
 * @param tensorParallelSize ranks a copy
 * @param dataParallelSize   copies
 * @param reason             one line for the user
 */
public record Placement(int tensorParallelSize, int dataParallelSize, String reason) {
    /**
     * As the options say; what they leave open: copies of as few ranks as there is memory for.
     *
     * @param fits whether a copy over this many ranks has room; asked only where it matters
     */
    static Placement of(ModelOptions options, Blueprint model, IntPredicate fits) {
        int devices = options.devices().size();
        int ranks = options.parallel().tensorParallelSize();
        int copies = options.parallel().dataParallelSize();
        String reason = "as asked for";
        if (ranks == 0 && copies == 0) {
            List<Integer> counts = Rank.counts(model).stream().filter(count -> devices % count == 0).toList();
            int least = counts.stream().filter(count -> count == devices || fits.test(count)).findFirst()
                    .orElse(counts.getLast());
            reason = least == 1 ? "each device has room for the whole model"
                    : "the weights and a cache are too large for fewer devices a copy";
            ranks = devices == 1 ? 1 : least;
        }
        ranks = ranks > 0 ? ranks : devices / copies;
        copies = copies > 0 ? copies : devices / ranks;
        if (ranks * copies != devices) {
            throw InputException.field("device", options.device() + " lists " + devices
                    + " devices, expected tensorParallelSize " + Math.max(1, ranks) + " x dataParallelSize "
                    + Math.max(1, copies) + " = " + Math.max(1, ranks) * Math.max(1, copies));
        }
        if (!Rank.counts(model).contains(ranks)) {
            throw InputException.field("tensorParallelSize", ranks + ", " + Rank.refusal(model));
        }
        return new Placement(ranks, copies, reason);
    }

    /** Ranks of all copies: a device each, where none is listed twice. */
    public int devices() {
        return tensorParallelSize * dataParallelSize;
    }

    /** One line: {@code cuda:0,1: 1 copy of the model over 2 devices (why)}. */
    public String line(String device) {
        return device + ": " + dataParallelSize + (dataParallelSize == 1 ? " copy" : " copies") + " of the model, "
                + (dataParallelSize == 1 ? "" : "each ") + "over " + tensorParallelSize
                + (tensorParallelSize == 1 ? " device" : " devices") + " (" + reason + ")";
    }
}
