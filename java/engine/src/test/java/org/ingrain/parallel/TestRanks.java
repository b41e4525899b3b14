package org.ingrain.parallel;

import java.util.stream.IntStream;
import org.ingrain.ffi.Communicator;

/** Groups of ranks that tests make by hand. */
public final class TestRanks {
    private TestRanks() {
    }

    /** A thread for each rank of the communicator, named after its number. */
    public static RankGroup group(Communicator communicator) {
        return new RankGroup(communicator,
                IntStream.range(0, communicator.ranks()).mapToObj(rank -> "rank " + rank).toList());
    }
}
