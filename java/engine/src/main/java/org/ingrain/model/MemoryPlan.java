package org.ingrain.model;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;
import org.ingrain.ffi.Allocator;
import org.ingrain.ffi.Context;
import org.ingrain.tensor.InputException;

/**
 * What a run will take on a device, estimated before anything is loaded.
 *
 * @param parts in the order they are named to the user
 */
public record MemoryPlan(List<Part> parts) {
    /**
     * One user of memory.
     *
     * @param name  such as "weights" or "cache"
     * @param bytes on the device
     */
    public record Part(String name, long bytes) {
    }

    public MemoryPlan {
        parts = List.copyOf(parts);
    }

    /** What a model takes: its weights, {@code more}, and what the device's driver loads later. */
    public static MemoryPlan of(Context context, Blueprint config, Precision precision, List<Part> more) {
        List<Part> parts = new ArrayList<>(more);
        parts.addFirst(new Part("weights", Allocator.bytes(context, memory -> new Weights(memory, config, precision, Rank.SINGLE))));
        if (context.driverBytes() > 0) {
            parts.add(new Part("driver", context.driverBytes()));
        }
        return new MemoryPlan(parts);
    }

    public long bytes() {
        return parts.stream().mapToLong(Part::bytes).sum();
    }

    /** One line: {@code needs 12.3 GiB (weights 11.0, cache 1.3), 20.1 GiB free}. */
    public String line(long free) {
        String detail = parts.stream().map(part -> part.name + " " + gibibytes(part.bytes)).collect(Collectors.joining(", "));
        return "needs " + gibibytes(bytes()) + " GiB (" + detail + "), " + gibibytes(free) + " GiB free";
    }

    /** Refuses in that line what does not fit. */
    public void require(String subject, long free) {
        if (bytes() > free) {
            throw new InputException(subject + ": " + line(free));
        }
    }

    private static String gibibytes(long bytes) {
        return String.format(Locale.ROOT, bytes < 1L << 30 ? "%.2f" : "%.1f", bytes / (double) (1L << 30));
    }
}
