package org.ingrain.engine;

import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.ingrain.tensor.InputException;

/**
 * What a run will take on a device, counted before anything is loaded.
 *
 * @param device it is counted on, such as cuda:0
 * @param ranks  that use it; each takes the same
 * @param free   bytes on the device at that time
 * @param parts  of all its ranks together, in the order they are named to the user
 */
public record MemoryPlan(String device, int ranks, long free, List<Part> parts) {
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

    /** The plan with one part more, which each rank takes. */
    public MemoryPlan with(Part part) {
        return new MemoryPlan(device, ranks, free, Stream.concat(parts.stream(),
                Stream.of(new Part(part.name, part.bytes * ranks))).toList());
    }

    public long bytes() {
        return parts.stream().mapToLong(Part::bytes).sum();
    }

    /** Bytes that would be left; negative where it does not fit. */
    public long left() {
        return free - bytes();
    }

    /** One line: {@code needs 12.3 GiB (weights 11.0, cache 1.3), 20.1 GiB free}. */
    public String line() {
        String detail = parts.stream().map(part -> part.name + " " + gibibytes(part.bytes))
                .collect(Collectors.joining(", "));
        return "needs " + gibibytes(bytes()) + " GiB (" + detail + "), " + gibibytes(free) + " GiB free";
    }

    /** Throws an InputException with that line if the plan does not fit. */
    public void require(String subject) {
        if (bytes() > free) {
            throw new InputException(subject + ": " + line());
        }
    }

    private static String gibibytes(long bytes) {
        return String.format(Locale.ROOT, bytes < 1L << 30 ? "%.2f" : "%.1f", bytes / (double) (1L << 30));
    }
}
