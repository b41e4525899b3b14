package org.ingrain.parallel;

import java.util.stream.IntStream;
import org.ingrain.ffi.Communicator;

/** Creates groups of ranks for tests. */
public final class TestRanks {
    private TestRanks() {
    }

    /** A group with one thread per rank, named "rank N". */
    public static RankGroup group(Communicator communicator) {
        return new RankGroup(communicator,
                IntStream.range(0, communicator.ranks()).mapToObj(rank -> "rank " + rank).toList());
    }
}
