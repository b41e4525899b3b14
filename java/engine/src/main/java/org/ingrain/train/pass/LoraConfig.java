package org.ingrain.train.pass;

import java.util.Collections;
import java.util.EnumSet;
import java.util.Set;
import java.util.stream.Collectors;
import org.ingrain.model.AdapterBank;
import org.ingrain.model.Projection;
import org.ingrain.tensor.Require;

/**
 * Low-rank adaptation (arXiv:2106.09685): y = W·x + scaling·B·A·dropout(x), with W frozen.
 *
 * @param rank          R
 * @param alpha         numerator of the scaling, which is {@code alpha} / R
 * @param dropout       probability of dropping an element of an adapter's input while training
 * @param targetModules the adapted modules: linear layers of each block, the embedding, the output head
 * @param rslora        whether the scaling is {@code alpha} / √R instead of {@code alpha} / R (arXiv:2312.03732)
 * @param loraBias      whether B has a bias, which is also multiplied by the scaling (PEFT's {@code lora_bias})
 */
public record LoraConfig(int rank, double alpha, double dropout, Set<Projection> targetModules, boolean rslora,
        boolean loraBias) {
    public static final Set<Projection> ALL_LINEAR = Projection.LINEAR;

    public LoraConfig {
        Require.that(rank >= 1 && rank <= 1024, "rank", rank, "1 to 1024");
        Require.that(alpha > 0 && Double.isFinite(alpha), "alpha", alpha, "a positive number");
        Require.that(dropout >= 0 && dropout < 1, "dropout", dropout, "0 or more and less than 1");
        Require.that(!targetModules.isEmpty(), "targetModules", "empty", "at least one module");
        Require.that(!loraBias || !targetModules.contains(Projection.EMBED_TOKENS), "targetModules", "embed_tokens",
                "other modules with loraBias, because an embedding has no bias");
        targetModules = Collections.unmodifiableSet(EnumSet.copyOf(targetModules));
    }

    /** A configuration in which B has no bias. */
    public LoraConfig(int rank, double alpha, double dropout, Set<Projection> targetModules, boolean rslora) {
        this(rank, alpha, dropout, targetModules, rslora, false);
    }

    /** A configuration that adapts all seven linear layers, without dropout. */
    public static LoraConfig of(int rank, double alpha) {
        return new LoraConfig(rank, alpha, 0, ALL_LINEAR, false);
    }

    /** The limits of an adapter bank for adapters of this shape. */
    public AdapterBank.Limits limits(int slots) {
        return new AdapterBank.Limits(slots, rank, targetModules.stream().filter(Projection::ofModel)
                .collect(Collectors.toSet()), loraBias, Set.of());
    }

    /** The factor by which B·A is multiplied. */
    public float scaling() {
        return (float) (rslora ? alpha / Math.sqrt(rank) : alpha / rank);
    }
}
