package org.ingrain.train.pass;

import java.util.List;
import org.ingrain.model.Weights;
import org.ingrain.parallel.RankGroup;

/**
 * A copy of a model to train with.
 *
 * @param ranks   whose threads train
 * @param weights what each of them has of the weights, in a context of its own that has joined their communicator
 */
public record TrainingModel(RankGroup ranks, List<Weights> weights) {
    public TrainingModel {
        weights = List.copyOf(weights);
        if (ranks.ranks() != weights.size()) {
            throw new IllegalArgumentException("weights of " + weights.size() + " ranks, expected " + ranks.ranks());
        }
    }

    /** On one device, with the thread that calls. */
    public static TrainingModel of(Weights weights) {
        return new TrainingModel(RankGroup.onCallersThread(), List.of(weights));
    }
}
