package org.ingrain.engine;

import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.ingrain.tensor.InputException;

/**
 * The memory that a run needs on a device. The plan is computed before any memory is allocated.
 *
 * @param device name of the device, such as cuda:0
 * @param ranks  number of ranks on the device. Each rank needs the same amount of memory, but copies of the model on
 *               one CPU share one set of weights
 * @param free   bytes that are free on the device when the plan is computed
 * @param parts  memory of all ranks on the device by purpose, in the order used in messages
 */
public record MemoryPlan(String device, int ranks, long free, List<Part> parts) {
    /**
     * Memory for one purpose.
     *
     * @param name  name of the purpose, such as "weights"
     * @param bytes size in bytes
     */
    public record Part(String name, long bytes) {
    }

    public MemoryPlan {
        parts = List.copyOf(parts);
    }

    /** A copy of this plan with an additional part for every rank. {@code part} has the bytes of one rank. */
    public MemoryPlan with(Part part) {
        return with(part, ranks);
    }

    /** A copy of this plan with an additional part for {@code takers} ranks. {@code part} has the bytes of one rank. */
    MemoryPlan with(Part part, int takers) {
        return new MemoryPlan(device, ranks, free, Stream.concat(parts.stream(),
                Stream.of(new Part(part.name, takers > 0 && part.bytes > Long.MAX_VALUE / takers
                        ? Long.MAX_VALUE : part.bytes * takers))).toList());
    }

    /** The total bytes of all parts, at most Long.MAX_VALUE. */
    public long bytes() {
        return parts.stream().mapToLong(Part::bytes)
                .reduce(0, (a, b) -> a > Long.MAX_VALUE - b ? Long.MAX_VALUE : a + b);
    }

    /** Free bytes after the plan is allocated; negative if the free memory is not sufficient. */
    public long left() {
        return free - bytes();
    }

    /**
     * The plan in one line: {@code needs 12.3 GiB (weights 11.0, cache 1.3), 20.1 GiB free}. If there are several ranks
     * on the device, the line states the number of ranks.
     */
    public String line() {
        String detail = parts.stream().map(part -> part.name + " " + gibibytes(part.bytes))
                .collect(Collectors.joining(", "));
        String many = ranks == 1 ? "" : "for " + ranks + " ranks ";
        return "needs " + gibibytes(bytes()) + " GiB " + many + "(" + detail + "), " + gibibytes(free) + " GiB free";
    }

    /**
     * Throws an InputException if the free memory is not sufficient. The message consists of {@code subject} and {@link
     * #line}.
     */
    public void require(String subject) {
        if (bytes() > free) {
            throw new InputException(subject + ": " + line());
        }
    }

    private static String gibibytes(long bytes) {
        return String.format(Locale.ROOT, bytes < 1L << 30 ? "%.2f" : "%.1f", bytes / (double) (1L << 30));
    }
}
