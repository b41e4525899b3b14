package org.ingrain.train.pass;

import java.util.List;
import org.ingrain.ffi.Communicator;
import org.ingrain.model.Weights;

/**
 * A copy of a model to train with.
 *
 * @param ranks        what each of its ranks has of the weights, in the order of ranks; each in a context of its own
 * @param communicator that the ranks' contexts have joined; null where there is one rank
 */
public record TrainingModel(List<Weights> ranks, Communicator communicator) {
    public TrainingModel {
        ranks = List.copyOf(ranks);
        if (ranks.isEmpty() || (communicator == null ? 1 : communicator.ranks()) != ranks.size()) {
            throw new IllegalArgumentException(ranks.size() + " ranks of weights, expected as many as the communicator"
                    + " has");
        }
    }

    /** On one rank. */
    public static TrainingModel of(Weights weights) {
        return new TrainingModel(List.of(weights), null);
    }
}
