package org.ingrain.cli;

import java.util.List;
import java.util.stream.LongStream;
import org.ingrain.tensor.InputException;

/** Several seeds, one after another. */
final class Seeds {
    private Seeds() {
    }

    /** {@code --seeds} of them, from the first on. */
    static List<Long> from(long first, int seeds) {
        if (seeds < 1) {
            throw new InputException("--seeds: " + seeds + ", expected 1 or more");
        }
        return LongStream.range(first, first + seeds).boxed().toList();
    }
}
