package org.ingrain.engine;

import java.util.List;
import java.util.function.Function;
import org.ingrain.sample.GeneratorConfig;

/**
 * The sizes of a generator for which no settings are given. The more samples are computed at once, the less time a
 * token takes, in particular with a small model, but the more memory the cache and the workspace need. The number of
 * samples is the largest of {@link #SEQUENCES} with which the generator takes at most a quarter of the memory that the
 * weights leave. The smallest number is used even if it takes more. Sizes change no result on the CPU.
 */
final class DefaultSizes {
    private static final int CONTEXT = 4096;
    /** Numbers of samples at once, in descending order. */
    private static final List<Integer> SEQUENCES = List.of(128, 64, 32);
    /** Tokens of the cache for each of more than 32 samples, unless the context is shorter. */
    private static final int TOKENS = 512;
    private static final int SHARE = 4;
    private static final int CPU_BATCH = 512;
    private static final int GPU_BATCH = 2048;

    private final int contextLength;
    private final int batchTokens;

    /**
     * @param longest the model's maximum context
     * @param cpu     whether the device is a CPU
     */
    DefaultSizes(int longest, boolean cpu) {
        contextLength = Math.min(longest, CONTEXT);
        batchTokens = cpu ? CPU_BATCH : GPU_BATCH;
    }

    /** The sizes with the smallest number of samples. */
    GeneratorConfig smallest() {
        return GeneratorConfig.of(contextLength, SEQUENCES.getLast(), batchTokens);
    }

    /** @param plans the memory plans of all devices with a generator of the given sizes */
    GeneratorConfig choose(Function<GeneratorConfig, List<MemoryPlan>> plans) {
        for (int sequences : SEQUENCES) {
            GeneratorConfig sizes = sizes(sequences);
            if (plans.apply(sizes).stream().allMatch(DefaultSizes::fits)) {
                return sizes;
            }
        }
        return smallest();
    }

    private GeneratorConfig sizes(int sequences) {
        GeneratorConfig sizes = GeneratorConfig.of(contextLength, sequences, batchTokens);
        return sequences == SEQUENCES.getLast() ? sizes : sizes.withCacheTokens(
                Math.max(sizes.cacheTokens(), (long) sequences * Math.min(contextLength, TOKENS)));
    }

    private static boolean fits(MemoryPlan plan) {
        long generator = plan.parts().stream().filter(part -> Engine.GENERATOR.contains(part.name()))
                .mapToLong(MemoryPlan.Part::bytes).sum();
        return generator <= (plan.left() + generator) / SHARE;
    }
}
