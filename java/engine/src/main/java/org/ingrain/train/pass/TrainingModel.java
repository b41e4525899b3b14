package org.ingrain.train.pass;

import java.util.List;
import org.ingrain.model.Weights;
import org.ingrain.parallel.RankGroup;

/**
 * One replica of a model for training.
 *
 * @param ranks   the ranks of the replica, each with a thread
 * @param weights weights of each rank; each rank has its own context, which has joined the communicator of {@code
 *                ranks}
 */
public record TrainingModel(RankGroup ranks, List<Weights> weights) {
    public TrainingModel {
        weights = List.copyOf(weights);
        if (ranks.ranks() != weights.size()) {
            throw new IllegalArgumentException("weights of " + weights.size() + " ranks, expected " + ranks.ranks());
        }
    }

    /** A replica on one device, which trains on the calling thread. */
    public static TrainingModel of(Weights weights) {
        return new TrainingModel(RankGroup.onCallersThread(), List.of(weights));
    }
}
