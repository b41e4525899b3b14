package org.ingrain.train.pass;

import java.util.Collections;
import java.util.EnumSet;
import java.util.Set;
import org.ingrain.model.Projection;
import org.ingrain.tensor.Require;

/**
 * Low-rank adaptation (arXiv:2106.09685): y = W·x + scaling·B·A·dropout(x), with W frozen.
 *
 * @param rank          R, 1 to 1024
 * @param alpha         positive; scaling is alpha / R
 * @param dropout       probability of dropping an element of an adapter's input in training, at least 0 and below 1
 * @param targetModules those of the seven linear layers of a decoder block that are adapted, at least one
 * @param rslora        whether scaling is alpha / √R instead of alpha / R (arXiv:2312.03732)
 */
public record LoraConfig(int rank, double alpha, double dropout, Set<Projection> targetModules, boolean rslora) {
    public static final Set<Projection> ALL_LINEAR = Collections.unmodifiableSet(EnumSet.allOf(Projection.class));

    public LoraConfig {
        Require.that(rank >= 1 && rank <= 1024, "rank", rank, "1 to 1024");
        Require.that(alpha > 0 && Double.isFinite(alpha), "alpha", alpha, "a positive number");
        Require.that(dropout >= 0 && dropout < 1, "dropout", dropout, "0 or more and less than 1");
        Require.that(!targetModules.isEmpty(), "targetModules", "empty", "at least one of the seven linear layers");
        targetModules = Collections.unmodifiableSet(EnumSet.copyOf(targetModules));
    }

    /** A configuration for all seven linear layers, without dropout. */
    public static LoraConfig of(int rank, double alpha) {
        return new LoraConfig(rank, alpha, 0, ALL_LINEAR, false);
    }

    /** The factor of B·A. */
    public float scaling() {
        return (float) (rslora ? alpha / Math.sqrt(rank) : alpha / rank);
    }
}
